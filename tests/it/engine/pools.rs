//! Pools that are lost, found again, not ours; and what lies in them.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use ullage::engine::{CreateRequest, Engine, Kind, Result};
use ullage::host::fake::{Fake, How};
use ullage::model::{Bytes, PoolName, VolumeId};

use super::kind;
use super::looks::between;
use crate::world::{POOL, Volume, World, pool};

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
fn a_name_that_a_lost_pool_has_is_made_in_no_other() {
    let mut world = two_pools();
    let mut request = Volume::xfs("db").request();
    request.spec.pool = PoolName::parse("other").unwrap();
    world.engine.create(&request).unwrap();
    lose(&world, "/other/pool.yaml");
    world.fake.machine().files.rename(Path::new("/other/volumes"), Path::new("/kubelet/volumes")).unwrap();
    for noticed in [false, true] {
        for error in [world.create(&Volume::xfs("db")).unwrap_err(), world.engine.create(&request).unwrap_err()] {
            let text = "volume 'db' was not found, and pool 'other' is not served: its marker is gone: is its disk still mounted?";
            assert_eq!((error.kind(), error.to_string().as_str()), (Kind::Unavailable, text), "{noticed}");
        }
        world.create(&Volume::xfs("another")).unwrap();
        world.engine.tend();
    }
    world.fake.machine().files.rename(Path::new("/kubelet/volumes"), Path::new("/other/volumes")).unwrap();
    world.fake.machine().files.rename(Path::new("/kubelet/lost"), Path::new("/other/pool.yaml")).unwrap();
    world.engine.tend();
    world.stage(&Volume::xfs("db")).unwrap();
    // Of a pool that was never served nothing is known.
    world.unstage(&Volume::xfs("db")).unwrap();
    lose(&world, "/other/pool.yaml");
    world.restart(How::Kill);
    world.engine.recover();
    world.create(&Volume::xfs("db")).unwrap();
}

/// What is looked for in a pool that is not served is not found; a moment later, when the pool is back, it is there all the same.
#[test]
fn no_call_into_which_a_pool_comes_back_makes_or_deletes_what_it_has_not_seen() {
    fn in_other(name: &'static str) -> CreateRequest {
        let mut request = Volume::xfs(name).request();
        request.spec.pool = PoolName::parse("other").unwrap();
        request
    }
    type Call = fn(&World) -> Result<()>;
    let calls: [(&str, Call); 2] = [
        ("create", |world| world.engine.create(&in_other("db")).map(drop)),
        ("delete", |world| world.engine.delete(&VolumeId::from_name("db"))),
    ];
    for (what, call) in calls {
        let moments = (1..).map_while(|at| {
            // It is passed over before the other is looked into.
            let pools = vec![pool("other", "/other"), pool("default", POOL)];
            let mut world = World::with(Fake::new(Bytes::gib(100)), pools);
            let files = world.fake.machine().files;
            world.engine.create(&in_other("db")).unwrap();
            lose(&world, "/other/pool.yaml");
            files.create_dir(Path::new("/other/something")).unwrap();
            world.restart(How::Kill); // so that nobody remembers what it had
            world.engine.recover();
            let (tell, told) = mpsc::channel::<()>();
            let come_back = move |world: &World| {
                files.rename(Path::new("/kubelet/lost"), Path::new("/other/pool.yaml")).unwrap();
                world.engine.tend();
                drop(tell);
            };
            // It looks into the other when the pool is back.
            let slow_call = move |world: &World| {
                world.fake.meanwhile(1, move || told.recv_timeout(Duration::from_millis(200)).unwrap_or_default());
                call(world)
            };
            let world = Arc::new(world);
            let ((), done) = between(&world, at, come_back, slow_call)?;
            world.engine.tend(); // no more pool that could not be opened under the hands of the call
            let is_there = world.engine.record(&VolumeId::from_name("db")).is_ok();
            let is_whole = world.fake.machine().files.stat(Path::new("/other/volumes/db/image")).unwrap().is_some();
            let is_deleted = what == "delete" && done.is_ok();
            assert_eq!((is_there, is_whole), (!is_deleted, !is_deleted), "{what} at step {at} of the return: {done:?}");
            Some(())
        });
        assert!(moments.count() > 3, "{what}");
    }
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
fn a_record_that_somebody_else_has_written_counts() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let (files, path) = (world.fake.machine().files, Path::new("/pool/volumes/db/volume.yaml"));
    let sparse = || world.engine.record(&volume.id()).map(|record| record.spec.sparse);
    assert!(!sparse().unwrap());
    let written = String::from_utf8(files.read(path).unwrap().unwrap()).unwrap();
    files.write_whole(path, written.replace("sparse: false", "sparse: true").as_bytes()).unwrap();
    assert!(sparse().unwrap());
    files.write_whole(path, &written.as_bytes()[..20]).unwrap();
    assert_eq!(kind(sparse()), Kind::Failed, "half a record");
    files.write_whole(path, written.as_bytes()).unwrap();
    assert!(!sparse().unwrap());
}

#[test]
fn nothing_is_answered_before_recovery() {
    let world = World::new();
    let engine = Engine::new(world.fake.machine(), vec![pool("default", POOL)]);
    assert_eq!(engine.ready().unwrap_err(), "volumes are being recovered");
    assert_eq!(kind(engine.delete(&VolumeId::from_name("db"))), Kind::Unavailable);
}
