//! What is done with a volume, refused, and found wrong with it.

use std::iter;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use ullage::backend::Fault;
use ullage::engine::{Kind, PublishRequest, StageRequest};
use ullage::host::fake::How;
use ullage::host::{Attach, Backing, LoopDevice};
use ullage::model::{Bytes, Content, MountOptions, Owner, VolumeId};

use super::{EXT4, kind};
use crate::world::{Volume, World};

#[test]
fn a_mounted_volume_is_not_deleted() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    let error = world.delete(&volume).unwrap_err();
    assert_eq!(error.kind(), Kind::NotNow);
    assert_eq!(error.to_string(), "volume 'db' is in use: /kubelet/staging/db");
    world.unstage(&volume).unwrap();
    world.delete(&volume).unwrap();
    world.delete(&volume).unwrap();
}

#[test]
fn a_filesystem_that_has_given_up_is_a_fault_until_it_is_mounted_again() {
    let world = World::new();
    for (volume, counted) in [(Volume::xfs("db"), None), (Volume::new("web", EXT4, false), Some("FilesystemErrors"))] {
        let reasons = || world.engine.health(&volume.id()).unwrap().iter().map(Fault::reason).collect::<Vec<_>>();
        world.create(&volume).unwrap();
        world.stage(&volume).unwrap();
        world.publish(&volume).unwrap();
        assert_eq!(reasons(), [""; 0]);
        world.fake.break_filesystem(&volume.staging());
        assert_eq!(reasons(), iter::once("FilesystemReadOnly").chain(counted).collect::<Vec<_>>());
        world.unpublish(&volume).unwrap();
        world.unstage(&volume).unwrap();
        world.stage(&volume).unwrap();
        assert_eq!(reasons(), counted.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn an_image_that_somebody_else_attached_is_not_attached_twice() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let theirs = Attach { tag: Backing::tag_of(&VolumeId::from_name("theirs")), direct_io: false };
    let held = world.fake.machine().loops.attach(&volume.image(), &theirs).unwrap();
    let error = world.stage(&volume).unwrap_err();
    assert_eq!(error.kind(), Kind::NotNow);
    assert!(error.to_string().contains("somebody else has attached the image"), "{error}");
    assert_eq!(kind(world.delete(&volume)), Kind::NotNow);
    drop(held);
    world.stage(&volume).unwrap();
}

#[test]
fn a_device_that_is_still_there_is_taken_again() {
    let mut world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    // Held by a copy of the mount in another namespace, say: unmounted here, and still attached.
    let ours = Attach { tag: Backing::tag_of(&volume.id()), direct_io: true };
    let held = world.fake.machine().loops.attach(&volume.image(), &ours).unwrap();
    world.fake.machine().loops.keep(&held).unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    world.stage(&volume).unwrap();
    assert_eq!(world.fake.attached(), 1);
    assert_eq!(world.engine.inspect(&volume.id()).unwrap().presence.device, Some(LoopDevice(0)));
}

#[test]
fn a_device_that_outlives_its_making_is_as_good_as_a_new_one() {
    let world = World::new();
    let owner = Some(Owner { uid: 1000, gid: 0, mode: 0o750 });
    let volume = Volume { owner, ..Volume::xfs("db") };
    world.fake.look_at_devices(true);
    world.create(&volume).unwrap();
    assert_eq!(world.fake.attached(), 1, "somebody looks at it");
    world.stage(&volume).unwrap();
    world.fake.look_at_devices(false);
    assert_eq!(world.engine.health(&volume.id()).unwrap(), [], "it was taken as it was: with direct I/O");
    world.unstage(&volume).unwrap();
    assert_eq!(world.fake.attached(), 0);
}

#[test]
fn a_block_device_that_cannot_be_shown_is_detached_and_the_reason_is_said() {
    let world = World::new();
    let volume = Volume::new("db", Content::Block, false);
    world.create(&volume).unwrap();
    world.fake.fail_next("move_mount", Errno::ENOMEM);
    let error = world.stage(&volume).unwrap_err();
    assert!(error.to_string().contains("move_mount"), "{error}");
    assert_eq!(world.fake.attached(), 0);
    world.stage(&volume).unwrap();
}

#[test]
fn a_single_writer_has_one_target() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    let publish = |target: &str, exclusive| {
        let (staging, access) = (volume.staging(), volume.access());
        let request = PublishRequest { staging, target: target.into(), access, read_only: false, exclusive, pod: None };
        world.engine.publish(&volume.id(), &request)
    };
    publish("/kubelet/a", true).unwrap();
    publish("/kubelet/a", true).unwrap();
    assert_eq!(publish("/kubelet/b", true).unwrap_err().to_string(), "volume 'db' is in use: /kubelet/a");
    publish("/kubelet/b", false).unwrap();
}

#[test]
fn a_path_with_something_else_on_it_is_left_alone() {
    let world = World::new();
    let (mine, theirs) = (Volume::xfs("mine"), Volume::xfs("theirs"));
    for volume in [&mine, &theirs] {
        world.create(volume).unwrap();
        world.stage(volume).unwrap();
    }
    assert_eq!(kind(world.engine.unpublish(&mine.id(), &theirs.staging())), Kind::NotNow);
    assert_eq!(kind(world.engine.unstage(&mine.id(), &theirs.staging())), Kind::NotNow);
    assert_eq!(kind(world.engine.usage(&mine.id(), &theirs.staging())), Kind::NotNow);
    let request = StageRequest { staging: theirs.staging(), access: mine.access(), options: MountOptions::default() };
    assert_eq!(kind(world.engine.stage(&mine.id(), &request)), Kind::NotNow);
    assert_eq!(world.fake.mount_targets().len(), 2);
}

#[test]
fn the_wrong_content_is_refused() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let error = world.stage(&Volume::new("db", Content::Block, false)).unwrap_err();
    assert_eq!(error.to_string(), "volume 'db' holds xfs, and a block device was asked for");
    assert_eq!(kind(world.stage(&Volume::new("db", EXT4, false))), Kind::Invalid);
}

#[test]
fn faults_have_stable_names() {
    let world = World::new();
    let volume = Volume::xfs("db");
    let reasons = || {
        let faults = world.engine.health(&volume.id()).unwrap();
        faults.into_iter().map(|fault| fault.reason()).collect::<Vec<_>>()
    };
    world.create(&volume).unwrap();
    assert_eq!(reasons(), Vec::<&str>::new());
    let files = world.fake.machine().files;
    files.set_len(&volume.image(), Bytes::mib(500)).unwrap();
    assert_eq!(reasons(), ["ImageTruncated"]);
    assert_eq!(kind(world.stage(&volume)), Kind::Failed);
    files.set_len(&volume.image(), Bytes::gib(1)).unwrap();
    assert_eq!(reasons(), Vec::<&str>::new(), "the hole is filled again");
    files.set_len(&volume.image(), Bytes::mib(500)).unwrap();
    files.set_len(&volume.image(), Bytes::gib(1)).unwrap();
    world.fake.set_capacity_of_disk(Bytes::mib(600));
    assert_eq!(reasons(), ["ReservationBroken", "PoolNearlyFull"]);
    world.fake.set_capacity_of_disk(Bytes::gib(100));
    files.rename(&volume.image(), Path::new("/kubelet/image")).unwrap();
    assert_eq!(reasons(), ["ImageMissing"]);
}

/// What is done behind the calls is nobody's call: a caller that meets it is not told to come again.
#[test]
fn a_caller_that_is_alone_is_never_told_of_another() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.fake.slow_fallocate(Duration::from_millis(5));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                world.engine.tend();
            }
        });
        let calls = (0..20).try_for_each(|_| world.stage(&volume).and_then(|()| world.unstage(&volume)));
        done.store(true, Ordering::Relaxed);
        calls.unwrap();
    });
}

#[test]
fn lists_in_pages_in_the_order_of_ids() {
    let world = World::new();
    for name in ["c", "a", "b"] {
        world.create(&Volume::xfs(name)).unwrap();
    }
    let page = |after: Option<&str>, limit| {
        let after = after.map(VolumeId::from_name);
        let (records, more) = world.engine.list(after.as_ref(), limit).unwrap();
        (records.into_iter().map(|record| record.spec.name.clone()).collect::<Vec<_>>().join(""), more)
    };
    assert_eq!(page(None, 0), ("abc".into(), false));
    assert_eq!(page(None, 2), ("ab".into(), true));
    assert_eq!(page(Some("b"), 2), ("c".into(), false));
    assert_eq!(page(Some("bb"), 0), ("c".into(), false));
    world.delete(&Volume::xfs("b")).unwrap();
    assert_eq!(page(Some("b"), 0), ("c".into(), false), "a token outlives its volume");
}
