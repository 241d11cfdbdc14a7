//! What the engine promises, refuses and finds.

use std::path::Path;

use nix::errno::Errno;
use ullage::config::{Overcommit, Reserve};
use ullage::engine::{Engine, Error, Kind, PublishRequest, SizeRange, StageRequest};
use ullage::host::fake::{Fake, How};
use ullage::host::{Attach, LoopDevice};
use ullage::model::{Bytes, Content, FsKind, MountOptions, PoolName, VolumeId};

use crate::world::{POOL, Volume, World, pool};

const EXT4: Content = Content::Filesystem(FsKind::Ext4);

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    result.unwrap_err().kind()
}

fn sized(name: &'static str, size: Bytes) -> Volume {
    Volume { size, ..Volume::xfs(name) }
}

#[test]
fn a_full_pool_refuses_with_its_numbers_and_leaves_no_file() {
    let world = World::new();
    let before = world.fake.paths();
    let error = world.create(&sized("large", Bytes::gib(96))).unwrap_err();
    assert_eq!(error.kind(), Kind::Full);
    let text = "pool 'default' is full: 96Gi asked for, 94.9Gi available (99.9Gi free, 5Gi reserve, 0 promised to calls under way)";
    assert_eq!(error.to_string(), text);
    assert_eq!(world.fake.paths(), before);
    world.create(&sized("fits", Bytes::gib(94))).unwrap();
}

#[test]
fn a_pool_that_others_fill_meanwhile_leaves_no_file() {
    let world = World::new();
    let before = world.fake.paths();
    world.fake.fail_next("fallocate", Errno::ENOSPC);
    let error = world.create(&Volume::xfs("db")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pool 'default' ran full while 1Gi were taken: others write there too (99.9Gi free now, 5Gi reserve)"
    );
    assert_eq!(error.kind(), Kind::Full);
    assert_eq!(world.fake.paths(), before);
}

#[test]
fn the_trash_is_emptied_before_a_pool_is_called_full() {
    let world = World::new();
    let (first, second) = (sized("first", Bytes::gib(60)), sized("second", Bytes::gib(60)));
    world.create(&first).unwrap();
    world.delete(&first).unwrap();
    assert!(world.fake.paths().iter().any(|path| path.starts_with("/pool/trash/first.")), "deleting only renames");
    world.create(&second).unwrap();
    assert_eq!(kind(world.create(&first)), Kind::Full);
}

#[test]
fn sparse_volumes_may_promise_more_than_the_disk_up_to_the_bound() {
    let mut bounded = pool("default", POOL);
    bounded.overcommit = Overcommit::Ratio(200);
    let world = World::with(Fake::new(Bytes::gib(100)), vec![bounded]);
    let sparse = |name, size| Volume { size, ..Volume::new(name, EXT4, true) };
    world.create(&sparse("a", Bytes::gib(150))).unwrap();
    let error = world.create(&sparse("b", Bytes::gib(51))).unwrap_err();
    assert_eq!(error.kind(), Kind::Full);
    assert!(
        error.to_string().ends_with("51Gi asked for, 150Gi of at most 200Gi promised to sparse volumes"),
        "{error}"
    );
    let name = PoolName::parse("default").unwrap();
    assert_eq!(world.engine.capacity(&name, true).unwrap().maximum, Bytes::gib(50));
    world.create(&sparse("b", Bytes::gib(50))).unwrap();
    // What is reserved is not for the taking by sparse volumes, and the other way round.
    assert!(world.engine.capacity(&name, false).unwrap().available > Bytes::gib(90));
}

#[test]
fn capacity_is_what_can_be_created() {
    let world = World::new();
    let name = PoolName::parse("default").unwrap();
    let capacity = world.engine.capacity(&name, false).unwrap();
    assert_eq!(capacity.available, capacity.maximum);
    assert_eq!(kind(world.create(&sized("more", capacity.maximum.saturating_add(Bytes::new(4096))))), Kind::Full);
    world.create(&sized("all", capacity.maximum.saturating_sub(Bytes::mib(1)))).unwrap();
    let unlimited = world.engine.capacity(&name, true).unwrap().maximum;
    assert_eq!(unlimited, Bytes::gib(16 << 10), "the longest file there is");
    let too_long = Volume { size: unlimited.saturating_add(Bytes::new(4096)), ..Volume::new("long", EXT4, true) };
    assert_eq!(kind(world.create(&too_long)), Kind::Full);
}

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
    assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, Bytes::gib(1));
    world.unpublish(&volume).unwrap();
    world.unstage(&volume).unwrap();
    world.stage(&volume).unwrap();
    assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, Bytes::gib(2));
    assert!(!world.engine.record(&volume.id()).unwrap().growth_is_pending());
    assert_eq!(world.expand(&volume, Bytes::gib(2), Some(&volume.staging())).unwrap(), Bytes::gib(2));
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
fn an_image_that_somebody_else_attached_is_not_attached_twice() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let theirs = Attach { volume: VolumeId::from_name("theirs"), direct_io: false };
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
    let ours = Attach { volume: volume.id(), direct_io: true };
    let held = world.fake.machine().loops.attach(&volume.image(), &ours).unwrap();
    world.fake.machine().loops.keep(&held).unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    world.stage(&volume).unwrap();
    assert_eq!(world.fake.attached(), 1);
    assert_eq!(world.engine.inspect(&volume.id()).unwrap().presence.device, Some(LoopDevice(0)));
}

#[test]
fn a_single_writer_has_one_target() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    let publish = |target: &str, exclusive| {
        let (staging, access) = (volume.staging(), volume.access());
        let request = PublishRequest { staging, target: target.into(), access, read_only: false, exclusive };
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

fn two_pools() -> World {
    World::with(Fake::new(Bytes::gib(100)), vec![pool("default", POOL), pool("other", "/other")])
}

fn lose(world: &World, file: &str) {
    world.fake.machine().files.rename(Path::new(file), Path::new("/kubelet/lost")).unwrap();
}

#[test]
fn a_pool_that_is_lost_takes_no_volume_and_does_not_stop_the_other() {
    let world = two_pools();
    lose(&world, "/other/pool.yaml");
    let mut volume = Volume::xfs("db").request();
    volume.spec.pool = PoolName::parse("other").unwrap();
    let error = world.engine.create(&volume).unwrap_err();
    assert_eq!(error.to_string(), "pool 'other' is not served: its marker is gone: is its disk still mounted?");
    assert_eq!(error.kind(), Kind::Full, "another node may have it");
    world.create(&Volume::xfs("here")).unwrap();
    world.engine.ready().unwrap();
    // Nobody can know now whether it exists.
    assert_eq!(kind(world.engine.delete(&VolumeId::from_name("db"))), Kind::Unavailable);
    assert_eq!(world.engine.capacity(&volume.spec.pool, false).unwrap().available, Bytes::ZERO);
}

#[test]
fn a_pool_that_comes_back_is_served_again_with_its_volumes() {
    let mut world = two_pools();
    let mut request = Volume::xfs("db").request();
    request.spec.pool = PoolName::parse("other").unwrap();
    world.engine.create(&request).unwrap();
    lose(&world, "/other/pool.yaml");
    world.fake.machine().files.create_dir(Path::new("/other/something")).unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    let id = VolumeId::from_name("db");
    let error = world.engine.record(&id).unwrap_err();
    assert!(error.to_string().ends_with("/other has no pool.yaml and is not empty: it holds 'something'"), "{error}");
    world.fake.machine().files.rename(Path::new("/kubelet/lost"), Path::new("/other/pool.yaml")).unwrap();
    world.engine.tend();
    assert_eq!(world.engine.record(&id).unwrap().spec, request.spec);
}

#[test]
fn a_pod_can_go_though_its_pool_is_out_of_reach() {
    let mut world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    world.publish(&volume).unwrap();
    lose(&world, "/pool/pool.yaml");
    world.restart(How::Kill);
    world.engine.recover();
    assert!(world.engine.ready().unwrap_err().contains("no pool is served: pool 'default'"));
    assert_eq!(kind(world.engine.unpublish(&VolumeId::from_name("another"), &volume.target())), Kind::NotNow);
    world.unpublish(&volume).unwrap();
    world.unstage(&volume).unwrap();
    assert_eq!(world.fake.mount_targets(), Vec::<std::path::PathBuf>::new());
    assert_eq!(world.fake.attached(), 0);
    // The answer was lost: the same again.
    world.unpublish(&volume).unwrap();
    world.unstage(&volume).unwrap();
}

#[test]
fn a_pool_that_is_lost_is_noticed_by_whoever_misses_a_volume() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    lose(&world, "/pool/pool.yaml");
    world.fake.machine().files.rename(Path::new("/pool/volumes"), Path::new("/kubelet/volumes")).unwrap();
    assert_eq!(kind(world.delete(&volume)), Kind::Unavailable, "it is not deleted");
    assert_eq!(kind(world.stage(&volume)), Kind::Unavailable);
    assert_eq!(world.engine.capacity(&PoolName::parse("default").unwrap(), false).unwrap().available, Bytes::ZERO);
    world.engine.tend();
    assert!(world.engine.ready().unwrap_err().contains("its marker is gone"));
}

#[test]
fn an_image_without_a_record_is_neither_made_anew_nor_deleted() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let files = world.fake.machine().files;
    files.rename(Path::new("/pool/volumes/db/volume.yaml"), Path::new("/kubelet/record")).unwrap();
    for error in [world.create(&volume).unwrap_err(), world.delete(&volume).unwrap_err()] {
        assert!(error.to_string().contains("there is no record, and there is 'image'"), "{error}");
    }
    assert!(world.fake.filesystem(&volume.image()).is_some());
}

#[test]
fn a_volume_in_two_pools_is_touched_in_neither() {
    let mut world = two_pools();
    lose(&world, "/other/pool.yaml");
    world.engine.tend();
    world.create(&Volume::xfs("db")).unwrap();
    let files = world.fake.machine().files;
    let record = files.read(Path::new("/pool/volumes/db/volume.yaml")).unwrap().unwrap();
    files.create_dir(Path::new("/other/volumes/db")).unwrap();
    files.write_whole(Path::new("/other/volumes/db/volume.yaml"), &record).unwrap();
    files.create_image(Path::new("/other/volumes/db/image"), Bytes::gib(1)).unwrap();
    files.rename(Path::new("/kubelet/lost"), Path::new("/other/pool.yaml")).unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    let error = world.stage(&Volume::xfs("db")).unwrap_err();
    assert!(error.to_string().ends_with("it lies in more than one pool: default, other"), "{error}");
    assert_eq!(kind(world.delete(&Volume::xfs("db"))), Kind::Failed);
}

#[test]
fn blocks_that_a_discard_gave_away_are_taken_again_and_are_nobody_elses() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let files = world.fake.machine().files;
    let punch = || {
        files.set_len(&volume.image(), Bytes::ZERO).unwrap();
        files.set_len(&volume.image(), Bytes::gib(1)).unwrap();
    };
    punch();
    world.engine.tend();
    assert_eq!(files.stat(&volume.image()).unwrap().unwrap().allocated, Bytes::gib(1));
    punch();
    world.fake.set_capacity_of_disk(Bytes::mib(600));
    world.engine.tend();
    let room = world.engine.pools()[0].room.clone().unwrap();
    assert!(room.pending > Bytes::mib(400) && room.available == Bytes::ZERO, "{room:?}");
    world.fake.set_capacity_of_disk(Bytes::gib(100));
    world.engine.tend();
    assert_eq!(world.engine.pools()[0].room.clone().unwrap().pending, Bytes::ZERO);
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

#[test]
fn a_directory_that_is_not_ours_is_refused_and_a_new_disk_is_taken() {
    for (inside, refused) in [("/pool/lost+found", false), ("/pool/photos", true)] {
        let fake = Fake::new(Bytes::gib(10));
        fake.machine().files.create_dir(Path::new(inside)).unwrap();
        let world = World::with(fake, vec![pool("default", POOL)]);
        assert_eq!(world.engine.ready().is_err(), refused, "{inside}");
        assert_eq!(world.fake.paths().iter().any(|path| path == "/pool/pool.yaml"), !refused);
    }
}

#[test]
fn the_marker_of_another_pool_is_refused() {
    let fake = World::new().fake;
    let again = World::with(fake, vec![pool("renamed", POOL)]);
    assert!(again.engine.ready().unwrap_err().contains("/pool/pool.yaml is the marker of pool 'default'"));
}

#[test]
fn a_pool_that_must_be_a_mount_point_is_not_served_bare() {
    let mut mounted = pool("default", POOL);
    mounted.require_mount_point = true;
    let world = World::with(Fake::new(Bytes::gib(10)), vec![mounted]);
    let reason = world.engine.ready().unwrap_err();
    assert!(reason.contains("/pool is not a mount point, and requireMountPoint is set"), "{reason}");
}

#[test]
fn one_bad_record_is_set_aside_and_the_node_goes_on() {
    let mut world = World::new();
    let (good, bad) = (Volume::xfs("good"), Volume::xfs("bad"));
    world.create(&good).unwrap();
    world.create(&bad).unwrap();
    let files = world.fake.machine().files;
    files.write_whole(Path::new("/pool/volumes/bad/volume.yaml"), b"schema: 1\nid: [").unwrap();
    files.create_dir(Path::new("/pool/volumes/stray/photos")).unwrap();
    files.create_dir(Path::new("/pool/volumes/empty")).unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    world.engine.ready().unwrap();
    let aside: Vec<_> = world.engine.set_aside().into_iter().map(|aside| aside.path).collect();
    assert_eq!(aside, [Path::new("/pool/volumes/bad"), Path::new("/pool/volumes/stray")]);
    assert_eq!(world.engine.health(&bad.id()).unwrap()[0].reason(), "RecordUnreadable");
    assert_eq!(kind(world.delete(&bad)), Kind::Failed, "what cannot be read is not deleted");
    assert_eq!(world.engine.list(None, 0).unwrap().0.len(), 1);
    world.stage(&good).unwrap();
}

#[test]
fn a_newer_record_is_not_touched() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let files = world.fake.machine().files;
    let record = Path::new("/pool/volumes/db/volume.yaml");
    files.write_whole(record, b"schema: 2\nshape: new").unwrap();
    let error = world.delete(&volume).unwrap_err();
    assert!(error.to_string().contains("schema 2, and this program knows schema 1"), "{error}");
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

#[test]
fn lists_in_pages_in_the_order_of_ids() {
    let world = World::new();
    for name in ["c", "a", "b"] {
        world.create(&Volume::xfs(name)).unwrap();
    }
    let page = |after: Option<&str>, limit| {
        let after = after.map(VolumeId::from_name);
        let (records, more) = world.engine.list(after.as_ref(), limit).unwrap();
        (records.into_iter().map(|record| record.spec.name).collect::<Vec<_>>().join(""), more)
    };
    assert_eq!(page(None, 0), ("abc".into(), false));
    assert_eq!(page(None, 2), ("ab".into(), true));
    assert_eq!(page(Some("b"), 2), ("c".into(), false));
    assert_eq!(page(Some("bb"), 0), ("c".into(), false));
    world.delete(&Volume::xfs("b")).unwrap();
    assert_eq!(page(Some("b"), 0), ("c".into(), false), "a token outlives its volume");
}

#[test]
fn an_amount_in_reserve_is_kept_back() {
    let mut reserved = pool("default", POOL);
    reserved.reserve = Reserve::Amount(Bytes::gib(90));
    let world = World::with(Fake::new(Bytes::gib(100)), vec![reserved]);
    assert_eq!(kind(world.create(&sized("db", Bytes::gib(10)))), Kind::Full);
    world.create(&sized("db", Bytes::gib(9))).unwrap();
}

#[test]
fn nothing_is_answered_before_recovery() {
    let world = World::new();
    let engine = Engine::new(world.fake.machine(), vec![pool("default", POOL)]);
    assert_eq!(engine.ready().unwrap_err(), "volumes are being recovered");
    assert_eq!(kind(engine.delete(&VolumeId::from_name("db"))), Kind::Unavailable);
}
