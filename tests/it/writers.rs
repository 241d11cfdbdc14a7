//! There is never a second writer of a pool.

use std::path::Path;

use ullage::config::PoolConfig;
use ullage::engine::Engine;
use ullage::host::fake::Fake;
use ullage::model::{Bytes, Content, FsKind};

use crate::world::{POOL, Volume, World, pool};

const VOLUME: Volume = Volume::xfs("data");

fn pools() -> Vec<PoolConfig> {
    vec![pool("default", POOL)]
}

#[test]
fn a_pool_that_is_served_is_not_served_again() {
    let world = World::new();
    let second = Engine::new(world.fake.machine(), pools());
    second.recover();
    let reason = second.ready().unwrap_err();
    assert!(reason.ends_with("another process serves /pool"), "{reason}");

    // What the first is making, the second does not undo.
    world.create(&VOLUME).unwrap();
    second.tend();
    assert!(second.ready().is_err());
    assert!(second.record(&VOLUME.id()).is_err());
    world.engine.record(&VOLUME.id()).unwrap();

    drop(world.engine);
    second.tend();
    second.ready().unwrap();
    second.record(&VOLUME.id()).unwrap();
}

#[test]
fn nothing_is_written_into_the_pool_of_another() {
    let fake = Fake::new(Bytes::gib(10));
    let files = fake.machine().files;
    files.create_dir(Path::new(POOL)).unwrap();
    let _lock = files.lock(Path::new(POOL)).unwrap().unwrap();
    let engine = Engine::new(fake.machine(), pools());
    engine.recover();
    assert!(engine.ready().is_err());
    assert_eq!(files.list(Path::new(POOL)).unwrap(), [""; 0]);
}

#[test]
fn samples_measure_what_is_mounted() {
    let world = World::new();
    let (idle, raw) = (Volume::xfs("idle"), Volume::new("raw", Content::Block, false));
    for volume in [&VOLUME, &idle, &raw] {
        world.create(volume).unwrap();
    }
    for volume in [&VOLUME, &raw] {
        world.stage(volume).unwrap();
        world.publish(volume).unwrap();
    }
    let samples = world.engine.view().unwrap().samples().unwrap();
    let measured: Vec<_> = samples.iter().map(|sample| (sample.record.id.as_str(), sample.usage.is_some())).collect();
    assert_eq!(measured, [("data", true), ("idle", false), ("raw", false)]);
    assert!(samples.iter().all(|sample| sample.allocated.is_some_and(|allocated| allocated > Bytes::ZERO)));
    assert_eq!(samples[0].record.spec.content, Content::Filesystem(FsKind::Xfs));
}
