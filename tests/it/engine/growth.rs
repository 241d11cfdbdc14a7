//! Volumes become larger, at once or later, and whole or not at all.

use nix::errno::Errno;
use ullage::engine::{Kind, PublishRequest, SizeRange, StageRequest};
use ullage::host::fake::How;
use ullage::model::{Bytes, Content, MountOptions};

use super::{EXT4, kind};
use crate::world::{Volume, World};

#[test]
fn a_volume_only_grows() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let grow = |at_least, at_most| world.engine.expand(&volume.id(), None, SizeRange { at_least, at_most });
    assert_eq!(grow(Bytes::gib(1), None).unwrap(), Bytes::gib(1));
    assert_eq!(kind(grow(Bytes::mib(500), None)), Kind::SizeRefused);
    assert_eq!(kind(grow(Bytes::ZERO, Some(Bytes::mib(500)))), Kind::SizeRefused);
    let before = world.fake.paths();
    let full = grow(Bytes::gib(200), None).unwrap_err();
    assert_eq!(full.kind(), Kind::SizeRefused, "never RESOURCE_EXHAUSTED: the user must be able to take it back");
    assert_eq!(world.fake.paths(), before);
    assert_eq!(world.engine.record(&volume.id()).unwrap().spec.size, Bytes::gib(1));
    assert_eq!(world.engine.pools()[0].room.as_ref().unwrap().promised, Bytes::gib(1));
    assert_eq!(grow(Bytes::gib(2), Some(Bytes::gib(3))).unwrap(), Bytes::gib(2));
}

#[test]
fn a_growth_that_meets_a_full_disk_is_taken_back_whole() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.fake.fail_next("ftruncate", Errno::ENOSPC); // after the blocks were had
    assert_eq!(kind(world.expand(&volume, Bytes::gib(2), None)), Kind::SizeRefused);
    let inspection = world.engine.inspect(&volume.id()).unwrap();
    assert_eq!((inspection.record.spec.size, inspection.presence.allocated), (Bytes::gib(1), Bytes::gib(1)));
    assert!(!inspection.record.growth_is_pending());
}

#[test]
fn a_growth_that_was_cut_and_is_asked_for_no_more_is_taken_back() {
    for restage in [false, true] {
        let mut world = World::new();
        let volume = Volume::xfs("db");
        world.create(&volume).unwrap();
        world.fake.fail_next("write", Errno::EIO); // the record, after the image has grown
        assert_eq!(kind(world.expand(&volume, Bytes::gib(2), None)), Kind::Failed);
        if restage {
            world.stage(&volume).unwrap();
        } else {
            world.restart(How::Kill);
            world.engine.recover();
        }
        let inspection = world.engine.inspect(&volume.id()).unwrap();
        assert_eq!((inspection.record.spec.size, inspection.presence.allocated), (Bytes::gib(1), Bytes::gib(1)));
    }
}

#[test]
fn where_a_mounted_ext4_may_not_grow_the_next_stage_finishes_it() {
    let world = World::new();
    world.fake.refuse_online_ext4(true);
    let volume = Volume::new("db", EXT4, false);
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    world.publish(&volume).unwrap();
    for _ in 0..2 {
        let error = world.expand(&volume, Bytes::gib(2), Some(&volume.target())).unwrap_err();
        assert_eq!(error.kind(), Kind::NotNow);
        assert!(error.to_string().contains("CAP_SYS_RESOURCE"), "{error}");
    }
    world.stage(&volume).unwrap(); // as before: it is staged
    assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, Bytes::gib(1));
    world.unpublish(&volume).unwrap();
    world.unstage(&volume).unwrap();
    world.stage(&volume).unwrap();
    assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, Bytes::gib(2));
    assert!(!world.engine.record(&volume.id()).unwrap().growth_is_pending());
    assert_eq!(world.expand(&volume, Bytes::gib(2), Some(&volume.staging())).unwrap(), Bytes::gib(2));
}

#[test]
fn an_ext4_that_zeroes_what_is_new_of_it_keeps_every_block_it_was_promised() {
    for online in [true, false] {
        let world = World::new();
        world.fake.refuse_online_ext4(!online);
        let volume = Volume::new("db", EXT4, false);
        world.create(&volume).unwrap();
        let allocated = || world.fake.machine().files.stat(&volume.image()).unwrap().unwrap().allocated;
        let path = online.then(|| {
            world.stage(&volume).unwrap();
            volume.staging()
        });
        world.expand(&volume, Bytes::gib(2), path.as_deref()).unwrap();
        if path.is_none() {
            world.stage(&volume).unwrap();
        }
        assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, Bytes::gib(2));
        assert_eq!(allocated(), Bytes::gib(2), "online: {online}");
    }
}

#[test]
fn what_one_reader_has_grows_where_it_is_staged_with_writes() {
    for (stage_flags, expected) in [(&[][..], Ok(Bytes::gib(2))), (&["ro"], Err(Kind::NotNow))] {
        let world = World::new();
        let volume = Volume::xfs("db");
        world.create(&volume).unwrap();
        let (staging, access, target) = (volume.staging(), volume.access(), volume.target());
        let options = MountOptions::from_flags(stage_flags);
        world.engine.stage(&volume.id(), &StageRequest { staging: staging.clone(), access, options }).unwrap();
        let (read_only, exclusive, pod) = (true, false, None);
        let request = PublishRequest { staging, target: target.clone(), access, read_only, exclusive, pod };
        world.engine.publish(&volume.id(), &request).unwrap();
        let grown = world.expand(&volume, Bytes::gib(2), Some(&target));
        let said = grown.as_ref().err().map(ToString::to_string).unwrap_or_default();
        assert_eq!(grown.map_err(|error| error.kind()), expected);
        assert_eq!(said.contains("the filesystem is mounted read-only"), expected.is_err(), "{said}");
        let size = world.fake.filesystem(&volume.image()).unwrap().size;
        assert_eq!(size, expected.unwrap_or(Bytes::gib(1)));
        assert_eq!(world.engine.record(&volume.id()).unwrap().growth_is_pending(), expected.is_err());
    }
}

#[test]
fn a_growth_waits_for_a_stage_that_may_write() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.expand(&volume, Bytes::gib(2), None).unwrap();
    let options = MountOptions::from_flags(&["ro"]);
    let request = StageRequest { staging: volume.staging(), access: volume.access(), options };
    world.engine.stage(&volume.id(), &request).unwrap();
    assert_eq!(world.engine.health(&volume.id()).unwrap()[0].reason(), "GrowthPending");
    world.unstage(&volume).unwrap();
    world.stage(&volume).unwrap();
    assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, Bytes::gib(2));
}

#[test]
fn a_block_device_does_not_grow_by_what_a_cut_growth_left() {
    let world = World::new();
    let volume = Volume::new("db", Content::Block, false);
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    // The image has grown, the record has not, and the process cannot even take the growth back.
    let device = world.engine.inspect(&volume.id()).unwrap().presence.device.unwrap();
    world.fake.machine().files.set_len(&volume.image(), Bytes::gib(2)).unwrap();
    world.stage(&volume).unwrap();
    assert_eq!(world.fake.machine().loops.size(device).unwrap(), Bytes::gib(1));
    assert_eq!(world.fake.machine().files.stat(&volume.image()).unwrap().unwrap().size, Bytes::gib(1));
    // Somebody else made the device larger: nothing is cut away under it.
    world.fake.machine().files.set_len(&volume.image(), Bytes::gib(2)).unwrap();
    world.fake.machine().loops.set_capacity(device).unwrap();
    assert_eq!(kind(world.stage(&volume)), Kind::Failed);
    assert_eq!(world.fake.machine().files.stat(&volume.image()).unwrap().unwrap().size, Bytes::gib(2));
}
