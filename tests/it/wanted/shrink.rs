//! Volumes become smaller where that can be, and stay as they are where not.

use std::path::{Path, PathBuf};

use ullage::engine::Kind;
use ullage::engine::StageRequest;
use ullage::host::{Attach, Backing};
use ullage::model::{Bytes, Content, MountOptions};

use super::{A, B, EXT4, kind, mounted};
use crate::world::{Volume, World};

fn prepared(content: Content) -> (World, Volume) {
    let (world, volume) = (World::keeping_mounts(), Volume::new("db", content, false));
    world.create(&volume).unwrap();
    world.mount(&volume, A).unwrap();
    world.mount(&volume, B).unwrap();
    world.fake.write_data(Path::new(A), 100);
    (world, volume)
}

/// What must not change where a shrink is refused.
fn state(world: &World, volume: &Volume) -> (String, Vec<PathBuf>, Bytes, Vec<String>) {
    let inspection = world.engine.inspect(&volume.id()).unwrap();
    let faults = inspection.faults.iter().map(ToString::to_string).collect();
    let image = world.fake.filesystem(&volume.image());
    (format!("{:?} {image:?}", inspection.record), mounted(world), inspection.presence.allocated, faults)
}

#[test]
fn an_ext4_shrinks_and_is_back_where_it_was() {
    let (world, volume) = prepared(EXT4);
    let before = world.engine.pools()[0].room.clone().unwrap();
    assert_eq!(world.engine.resize(&volume.id(), Bytes::mib(200)).unwrap(), Bytes::mib(200));
    assert_eq!(mounted(&world), [A, B].map(PathBuf::from));
    assert_eq!(world.fake.read_data(Path::new(B)), Some(100));
    let inspection = world.engine.inspect(&volume.id()).unwrap();
    assert_eq!((inspection.record.spec.size, inspection.presence.allocated), (Bytes::mib(200), Bytes::mib(200)));
    assert!(inspection.faults.is_empty() && !inspection.record.growth_is_pending());
    assert_eq!(world.fake.machine().loops.size(inspection.presence.device.unwrap()).unwrap(), Bytes::mib(200));
    let room = world.engine.pools()[0].room.clone().unwrap();
    assert_eq!((room.promised, room.pending), (Bytes::mib(200), Bytes::ZERO));
    assert_eq!(room.free.saturating_sub(before.free), Bytes::mib(824), "the pool has the rest again");
    world.engine.resize(&volume.id(), Bytes::gib(1)).unwrap();
    assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, Bytes::gib(1));
}

#[test]
fn what_cannot_shrink_is_not_touched() {
    let (world, volume) = prepared(EXT4);
    let before = state(&world, &volume);
    for size in [Bytes::mib(90), Bytes::mib(10)] {
        assert_eq!(kind(world.engine.resize(&volume.id(), size)), Kind::ShrinkRefused, "{size}");
    }
    world.fake.set_busy(Path::new(A), true);
    assert_eq!(kind(world.engine.resize(&volume.id(), Bytes::mib(200))), Kind::NotNow);
    world.fake.set_busy(Path::new(A), false);
    assert_eq!(state(&world, &volume), before, "the one that had gone is back");

    let request = StageRequest { staging: volume.staging(), access: volume.access(), options: MountOptions::default() };
    world.engine.stage(&volume.id(), &request).unwrap();
    assert_eq!(kind(world.engine.resize(&volume.id(), Bytes::mib(200))), Kind::NotNow, "somebody else has it");
    world.unstage(&volume).unwrap();
    assert_eq!(state(&world, &volume), before);

    for content in [Volume::xfs("db").content, Content::Block] {
        let (world, volume) = prepared(content);
        let before = state(&world, &volume);
        let error = world.engine.resize(&volume.id(), Bytes::mib(400)).unwrap_err();
        assert_eq!(error.to_string(), format!("a volume that holds {content} cannot shrink: only one with ext4 can"));
        assert_eq!(state(&world, &volume), before);
    }
}

#[test]
fn on_a_node_of_a_cluster_nothing_shrinks() {
    let world = World::new();
    let volume = Volume::new("db", EXT4, false);
    world.create(&volume).unwrap();
    assert_eq!(kind(world.engine.resize(&volume.id(), Bytes::mib(200))), Kind::SizeRefused);
}

#[test]
fn what_an_earlier_shrink_left_is_taken_back_before_the_next() {
    let (world, volume) = prepared(EXT4);
    for place in [A, B] {
        world.engine.unmount(&volume.id(), Path::new(place)).unwrap();
    }
    let (machine, undo) = (world.fake.machine(), volume.image().with_file_name("shrink.undo"));
    machine.files.create_synced(&undo).unwrap();
    let attach = Attach { tag: Backing::tag_of(&volume.id()), direct_io: true };
    let device = machine.loops.attach(&volume.image(), &attach).unwrap();
    machine.tools.shrink(&device, Bytes::mib(120), &undo).unwrap();
    drop(device);
    assert_eq!(kind(world.engine.resize(&volume.id(), Bytes::mib(90))), Kind::ShrinkRefused);
    assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, volume.size, "taken back");
    world.engine.resize(&volume.id(), Bytes::mib(200)).unwrap();
    world.mount(&volume, A).unwrap();
    assert_eq!(world.fake.read_data(Path::new(A)), Some(100));
    assert!(machine.files.stat(&undo).unwrap().is_none());
}
