//! Pools without a disk: the filesystem in a file that the driver makes, mounts, finds again and grows.

use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use ullage::config::{LimitSettings, Overcommit, PoolConfig, PoolImage};
use ullage::engine::Result;
use ullage::host::Attach;
use ullage::host::fake::{Cut, Fake, How};
use ullage::model::{Backend, Bytes, FsKind, MountOptions};
use ullage::store::Record;

use crate::world::{POOL, Volume, World, pool};

const IMAGE: &str = "/images/here.img";
const SIZE: Bytes = Bytes::gib(2);
const GROWN: Bytes = Bytes::gib(3);

const WAYS: [How; 5] = [How::Kill, How::Reboot, How::PowerCut, How::Fail(Errno::EIO), How::Fail(Errno::ENOSPC)];

fn in_image(size: Bytes) -> Vec<PoolConfig> {
    let limits = LimitSettings { image: Some(PoolImage { file: IMAGE.into(), size }), ..LimitSettings::default() };
    vec![PoolConfig { backend: Backend::Quota, overcommit: Overcommit::NONE, limits, ..pool("default", POOL) }]
}

/// A process on that machine, which does not think of what an earlier one did.
fn started(fake: &Fake, size: Bytes) -> World {
    World::with(fake.clone(), in_image(size))
}

fn create(world: &World, name: &str, size: Bytes) -> Result<Arc<Record>> {
    let mut request = Volume { size, ..Volume::xfs("any") }.request();
    request.spec.name = name.to_owned();
    world.engine.create(&request)
}

fn reason(world: &World) -> String {
    world.engine.ready().unwrap_err()
}

/// One image, one device, one mount, and room of that size.
#[track_caller]
fn check_in_order(fake: &Fake, size: Bytes) {
    let machine = fake.machine();
    assert_eq!(machine.files.list(Path::new("/images")).unwrap(), ["here.img"]);
    let image = machine.files.stat(Path::new(IMAGE)).unwrap().unwrap();
    assert!(image.size == size && image.allocated >= size, "{image:?}");
    let at_pool = fake.mount_targets().into_iter().filter(|target| target == Path::new(POOL)).count();
    assert_eq!((fake.attached(), at_pool), (1, 1));
    assert_eq!(machine.mounts.usage(Path::new(POOL)).unwrap().total, size);
}

#[test]
fn a_pool_without_a_disk_lies_in_an_image_that_is_made_once() {
    let fake = Fake::new(Bytes::gib(100));
    let world = started(&fake, SIZE);
    world.engine.ready().unwrap();
    check_in_order(&fake, SIZE);
    let (_, backing) = fake.machine().loops.list().unwrap().remove(0);
    assert!(backing.direct_io && backing.autoclear && !backing.is_volume(), "{backing:?}");
    assert_eq!(backing.volume(), None);
    let made = create(&world, "a", Bytes::gib(1)).unwrap();
    create(&world, "too large", Bytes::gib(1)).unwrap_err();
    for how in [How::Kill, How::Reboot, How::PowerCut] {
        fake.restart(how);
        let world = started(&fake, SIZE);
        check_in_order(&fake, SIZE);
        assert_eq!(world.engine.record(&made.id).unwrap(), made, "{how:?}");
        assert_eq!(world.engine.health(&made.id).unwrap(), [], "{how:?}");
    }
}

#[test]
fn killed_at_every_step_of_being_made_it_is_made_once_and_nothing_is_left() {
    for how in WAYS {
        let mut at = 1;
        loop {
            let fake = Fake::new(Bytes::gib(100));
            fake.machine().files.create_dir(Path::new(POOL)).unwrap();
            fake.machine().files.create_dir(Path::new("/kubelet")).unwrap();
            fake.cut(Some(Cut { at, how }));
            let world = started(&fake, SIZE);
            if fake.steps() < at {
                break;
            }
            let world = match how {
                How::Fail(_) => {
                    world.engine.tend();
                    world
                }
                how => {
                    fake.restart(how);
                    drop(world);
                    started(&fake, SIZE)
                }
            };
            assert_eq!(world.engine.ready(), Ok(()), "{how:?} at step {at}");
            check_in_order(&fake, SIZE);
            create(&world, "a", Bytes::gib(1)).unwrap();
            at += 1;
        }
        assert!(at > 30, "{how:?}: {at}");
    }
}

#[test]
fn killed_at_every_step_of_growing_it_grows_and_keeps_what_is_in_it() {
    for how in WAYS {
        let mut at = 1;
        loop {
            let fake = Fake::new(Bytes::gib(100));
            let made = create(&started(&fake, SIZE), "a", Bytes::gib(1)).unwrap();
            fake.restart(if at % 2 == 0 { How::Kill } else { How::Reboot });
            fake.cut(Some(Cut { at, how }));
            let world = started(&fake, GROWN);
            if fake.steps() < at {
                break;
            }
            fake.cut(None);
            fake.restart(if matches!(how, How::Fail(_)) { How::Kill } else { how });
            drop(world);
            let world = started(&fake, GROWN);
            assert_eq!(world.engine.ready(), Ok(()), "{how:?} at step {at}");
            check_in_order(&fake, GROWN);
            assert_eq!(world.engine.record(&made.id).unwrap(), made, "{how:?} at step {at}");
            create(&world, "b", Bytes::gib(1)).unwrap();
            at += 1;
        }
        assert!(at > 20, "{how:?}: {at}");
    }
}

#[test]
fn a_smaller_size_is_refused_and_one_that_does_not_fit_leaves_it_as_it_is() {
    let fake = Fake::new(Bytes::gib(10));
    let made = create(&started(&fake, SIZE), "a", Bytes::gib(1)).unwrap();
    fake.restart(How::Kill);
    let refused = reason(&started(&fake, Bytes::gib(1)));
    assert!(refused.contains("image is 2Gi, and its configured size is 1Gi"), "{refused}");
    fake.restart(How::Kill);
    let world = started(&fake, Bytes::gib(50));
    assert_eq!(world.engine.record(&made.id).unwrap(), made);
    check_in_order(&fake, SIZE);
}

#[test]
fn an_image_that_does_not_fit_is_not_begun() {
    let fake = Fake::new(Bytes::gib(10));
    let refused = reason(&started(&fake, Bytes::gib(50)));
    assert!(refused.contains("/images/here.img: a pool's image of 50Gi does not fit, for 10Gi are free"), "{refused}");
    assert_eq!(fake.machine().files.list(Path::new("/images")).unwrap(), [""; 0]);
}

#[test]
fn who_unmounts_it_has_it_mounted_again() {
    let fake = Fake::new(Bytes::gib(100));
    let world = started(&fake, SIZE);
    let made = create(&world, "a", Bytes::gib(1)).unwrap();
    fake.machine().mounts.unmount(Path::new(POOL)).unwrap();
    create(&world, "not on the bare directory", Bytes::gib(1)).unwrap_err();
    world.engine.tend();
    check_in_order(&fake, SIZE);
    assert_eq!(world.engine.record(&made.id).unwrap(), made);
}

#[test]
fn what_a_discard_takes_is_given_back() {
    let fake = Fake::new(Bytes::gib(100));
    let world = started(&fake, SIZE);
    let files = fake.machine().files;
    files.set_len(Path::new(IMAGE), Bytes::gib(1)).unwrap();
    files.set_len(Path::new(IMAGE), SIZE).unwrap();
    world.engine.tend();
    check_in_order(&fake, SIZE);
}

#[test]
fn nothing_of_others_is_hidden_taken_or_thrown_away() {
    type Prepare = fn(&Fake);
    let cases: [(Prepare, &str); 6] = [
        (
            |fake| fake.machine().files.create_dir(Path::new("/pool/photos")).unwrap(),
            "/pool is not empty: it holds 'photos', which the pool's own filesystem would hide",
        ),
        (|fake| mount_another(fake, Path::new("/other.img")), "/pool: something else is mounted there"),
        (
            |fake| {
                drop(started(fake, SIZE));
                fake.restart(How::Reboot);
                let attach = Attach { tag: "somebody".into(), direct_io: false };
                let loops = fake.machine().loops;
                loops.keep(&loops.attach(Path::new(IMAGE), &attach).unwrap()).unwrap();
            },
            "somebody else has attached the image",
        ),
        (|fake| fake.machine().files.create_dir(Path::new("/images/here.img.new/a")).unwrap(), "is not a regular file"),
        (|fake| fake.machine().files.create_dir(Path::new(IMAGE)).unwrap(), "here.img is not a regular file"),
        (
            |fake| {
                drop(started(fake, SIZE));
                fake.restart(How::Kill);
                fake.machine().files.rename(Path::new(IMAGE), Path::new("/images/lost")).unwrap();
            },
            "/images/here.img: the image is missing",
        ),
    ];
    for (prepare, expected) in cases {
        let fake = Fake::new(Bytes::gib(100));
        fake.machine().files.create_dir(Path::new(POOL)).unwrap();
        fake.machine().files.create_dir(Path::new("/images")).unwrap();
        prepare(&fake);
        let before = (fake.paths(), fake.mount_targets(), fake.attached());
        let refused = reason(&started(&fake, SIZE));
        assert!(refused.contains(expected), "{refused}");
        let mut after = (fake.paths(), fake.mount_targets(), fake.attached());
        after.0.retain(|path| !path.starts_with("/kubelet") || before.0.contains(path));
        assert_eq!(after, before, "{expected}");
    }
}

fn mount_another(fake: &Fake, image: &Path) {
    let machine = fake.machine();
    machine.files.create_image(image, Bytes::gib(1)).unwrap();
    machine.tools.format(image, FsKind::Xfs).unwrap();
    let device = machine.loops.attach(image, &Attach { tag: "ullage-pool/other".into(), direct_io: false }).unwrap();
    machine.mounts.open(&device, FsKind::Xfs, &MountOptions::default()).unwrap().attach(Path::new(POOL)).unwrap();
}

#[test]
fn a_kernel_without_quotas_is_named_and_nothing_is_left_for_it() {
    let fake = Fake::new(Bytes::gib(100));
    fake.set_project_quotas(None);
    let world = started(&fake, SIZE);
    let refused = reason(&world);
    assert!(refused.contains("/pool: no project quotas: this kernel does not mount an xfs with prjquota"), "{refused}");
    assert_eq!(fake.machine().files.list(Path::new("/images")).unwrap(), [""; 0]);
    assert_eq!((fake.attached(), fake.mount_targets().len()), (0, 0));
}

#[test]
fn a_pool_that_is_refused_is_not_left_mounted() {
    let fake = Fake::new(Bytes::gib(100));
    drop(started(&fake, SIZE));
    fake.restart(How::Reboot);
    // What is in it is no pool's any more.
    let device =
        fake.machine().loops.attach(Path::new(IMAGE), &Attach { tag: "hand".into(), direct_io: false }).unwrap();
    let options = MountOptions::from_flags(&["prjquota"]);
    fake.machine().files.create_dir(Path::new("/hand")).unwrap();
    fake.machine().mounts.open(&device, FsKind::Xfs, &options).unwrap().attach(Path::new("/hand")).unwrap();
    fake.machine().files.write_whole(Path::new("/hand/pool.yaml"), b"nonsense").unwrap();
    fake.machine().mounts.unmount(Path::new("/hand")).unwrap();
    drop(device);
    let world = started(&fake, SIZE);
    assert!(reason(&world).contains("/pool/pool.yaml"), "{}", reason(&world));
    assert_eq!((fake.attached(), fake.mount_targets().len()), (0, 0));
}
