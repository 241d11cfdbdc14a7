//! Audits that cannot look at every file of a volume say so, and of the rest they tell.

use std::path::PathBuf;

use nix::errno::Errno;
use ullage::backend::Fault;
use ullage::config::{Overcommit, PoolConfig};
use ullage::host::Strays;
use ullage::host::fake::{Cut, Fake, How};
use ullage::model::{Backend, Bytes};
use ullage::store::PoolDir;

use crate::world::{POOL, Volume, World, pool};

const VOLUME: Volume = Volume::xfs("a");

fn world() -> World {
    let config = PoolConfig { backend: Backend::Quota, overcommit: Overcommit::NONE, ..pool("default", POOL) };
    let world = World::with(Fake::new(Bytes::gib(100)), vec![config]);
    world.create(&VOLUME).unwrap();
    world
}

fn data() -> PathBuf {
    PoolDir::new(POOL).volume(&VOLUME.id()).data()
}

fn faults(world: &World) -> Vec<Fault> {
    world.engine.audit();
    world.engine.health(&VOLUME.id()).unwrap()
}

#[test]
fn who_hides_files_deep_below_is_told_of_and_hides_no_others() {
    let world = world();
    let files = world.fake.machine().files;
    let deep = (0..Strays::DEEPEST).fold(data(), |dir, _| dir.join("d"));
    files.create_dir(&deep.join("hidden")).unwrap();
    world.fake.set_project_behind(&deep.join("hidden"), None).unwrap();
    let hidden = || Fault::NotAudited("1 directories lie deeper than 256 in each other".into());
    assert_eq!(faults(&world), [hidden()]);
    world.fake.write_in(&data(), "file", Bytes::mib(1)).unwrap();
    world.fake.set_project_behind(&data().join("file"), None).unwrap();
    assert_eq!(faults(&world), [Fault::FilesLeft(1), hidden()]);
    files.remove_tree(&data().join("d")).unwrap();
    assert_eq!(faults(&world), [Fault::FilesLeft(1)]);
}

#[test]
fn an_audit_that_fails_is_told_of_until_one_succeeds() {
    let world = world();
    world.fake.cut(None);
    world.engine.audit();
    let steps = world.fake.steps();
    let mut told = 0;
    for at in 1..=steps {
        world.fake.cut(Some(Cut { at, how: How::Fail(Errno::EIO) }));
        world.engine.audit();
        world.fake.cut(None);
        let faults_now = world.engine.health(&VOLUME.id()).unwrap();
        assert!(faults_now.iter().all(|fault| fault.reason() == "NotAudited"), "{at}: {faults_now:?}");
        told += faults_now.len();
        assert_eq!(faults(&world), []);
    }
    assert!(told > 0, "of {steps} steps none was missed");
}
