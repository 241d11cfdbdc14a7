//! Where a volume is wanted on a machine of its own, and what is done with it there.

mod crash;
mod shrink;

use std::path::{Path, PathBuf};

use ullage::engine::{Kind, MountRequest, Result};
use ullage::host::fake::How;
use ullage::model::{Bytes, Content, FsKind};

use crate::world::{Volume, World};

const EXT4: Content = Content::Filesystem(FsKind::Ext4);

const A: &str = "/kubelet/mnt/a";
const B: &str = "/kubelet/mnt/b";

fn mounted(world: &World) -> Vec<PathBuf> {
    let mut targets = world.fake.mount_targets();
    targets.sort();
    targets
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> Kind {
    result.unwrap_err().kind()
}

fn reasons(world: &World, volume: &Volume) -> Vec<String> {
    world.engine.health(&volume.id()).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_mounted_is_mounted_again_whatever_ended() {
    for how in [How::Kill, How::Reboot, How::PowerCut] {
        let mut world = World::keeping_mounts();
        for volume in [Volume::xfs("db"), Volume::new("raw", Content::Block, false)] {
            world.create(&volume).unwrap();
            world.mount(&volume, &format!("/kubelet/mnt/{}", volume.name)).unwrap();
        }
        let reader = MountRequest { target: "/kubelet/mnt/reader".into(), read_only: true };
        world.engine.mount(&Volume::xfs("db").id(), &reader).unwrap();
        let inside = Volume::xfs("inside");
        world.create(&inside).unwrap();
        world.mount(&inside, "/kubelet/mnt/db/inside").unwrap();
        let before = mounted(&world);
        assert_eq!(before.len(), 4);
        world.restart(how);
        world.engine.recover();
        assert_eq!(mounted(&world), before, "{how:?}");
        let presence = world.engine.inspect(&Volume::xfs("db").id()).unwrap().presence;
        let read_only: Vec<_> =
            presence.mounts.iter().map(|mount| (mount.target.as_path(), mount.attributes.read_only)).collect();
        assert!(read_only.contains(&(Path::new("/kubelet/mnt/reader"), true)), "{read_only:?}");
        assert_eq!(reasons(&world, &inside), [""; 0]);
        assert_eq!(world.fake.attached(), 3);
    }
}

#[test]
fn what_a_kubelet_mounts_is_not_written_down() {
    let mut world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    world.publish(&volume).unwrap();
    world.mount(&volume, A).unwrap();
    assert_eq!(world.engine.record(&volume.id()).unwrap().mounts, []);
    world.restart(How::Reboot);
    world.engine.recover();
    assert_eq!(mounted(&world), [""; 0].map(PathBuf::from));
    let mut world = World::keeping_mounts();
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    world.publish(&volume).unwrap();
    world.restart(How::Reboot);
    world.engine.recover();
    assert_eq!(mounted(&world), [""; 0].map(PathBuf::from));
}

#[test]
fn a_path_that_somebody_else_has_is_left_reported_and_tried_again() {
    let mut world = World::keeping_mounts();
    let (volume, other) = (Volume::xfs("db"), Volume::xfs("other"));
    for volume in [&volume, &other] {
        world.create(volume).unwrap();
    }
    world.mount(&volume, A).unwrap();
    world.mount(&other, B).unwrap();
    world.restart(How::Reboot);
    let files = world.fake.machine().files;
    files.create_dir(Path::new("/kubelet/mnt/a/letters")).unwrap();
    world.engine.recover();
    assert_eq!(mounted(&world), [PathBuf::from(B)], "the other is mounted all the same");
    let said = "it is not mounted where it is wanted: /kubelet/mnt/a: nothing is mounted at /kubelet/mnt/a: it is not \
                empty, and the volume would hide what is in it";
    assert_eq!(reasons(&world, &volume), [said]);
    files.remove_empty(Path::new("/kubelet/mnt/a/letters")).unwrap();
    world.engine.tend();
    assert_eq!(mounted(&world).len(), 2);
    assert_eq!(reasons(&world, &volume), [""; 0]);
}

#[test]
fn a_pool_that_comes_late_brings_its_mounts() {
    let mut world = World::keeping_mounts();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.mount(&volume, A).unwrap();
    world.restart(How::Reboot);
    let (marker, away) = (Path::new("/pool/pool.yaml"), Path::new("/kubelet/away"));
    world.fake.machine().files.rename(marker, away).unwrap();
    world.engine.recover();
    assert!(world.engine.ready().is_err());
    world.fake.machine().files.rename(away, marker).unwrap();
    world.engine.tend();
    assert_eq!(mounted(&world), [PathBuf::from(A)]);
}

#[test]
fn unmounted_is_forgotten_and_a_path_that_was_made_goes() {
    let mut world = World::keeping_mounts();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.fake.machine().files.create_dir(Path::new(B)).unwrap();
    world.mount(&volume, A).unwrap();
    world.mount(&volume, B).unwrap();
    world.fake.set_busy(Path::new(A), true);
    assert_eq!(kind(world.engine.unmount(&volume.id(), Path::new(A))), Kind::NotNow);
    world.fake.set_busy(Path::new(A), false);
    for path in [A, B, "/kubelet/mnt/never"] {
        world.engine.unmount(&volume.id(), Path::new(path)).unwrap();
    }
    let left: Vec<_> = world.fake.paths().into_iter().filter(|path| path.starts_with("/kubelet/mnt/")).collect();
    assert_eq!(left, ["/kubelet/mnt/", "/kubelet/mnt/b/"], "what was there before stays");
    world.restart(How::Reboot);
    world.engine.recover();
    assert_eq!((mounted(&world).len(), world.fake.attached()), (0, 0));
}

#[test]
fn nothing_is_hidden_and_nothing_foreign_is_taken() {
    let world = World::keeping_mounts();
    let (volume, other) = (Volume::xfs("db"), Volume::new("raw", Content::Block, false));
    for volume in [&volume, &other] {
        world.create(volume).unwrap();
    }
    world.fake.machine().files.create_dir(Path::new("/kubelet/full/of")).unwrap();
    for (volume, path) in [(&volume, "/kubelet/full"), (&other, "/kubelet/full"), (&volume, "relative")] {
        assert_eq!(kind(world.mount(volume, path)), Kind::NotNow, "{path}");
    }
    world.mount(&volume, A).unwrap();
    assert_eq!(kind(world.mount(&other, A)), Kind::NotNow);
    let read_only = MountRequest { target: A.into(), read_only: true };
    assert_eq!(kind(world.engine.mount(&volume.id(), &read_only)), Kind::Exists);
    assert_eq!(kind(world.engine.unmount(&other.id(), Path::new(A))), Kind::NotNow);
    let kept: Vec<_> = world.engine.record(&volume.id()).unwrap().mounts.clone();
    assert_eq!(
        kept.iter().map(|mount| (mount.path.as_path(), mount.read_only)).collect::<Vec<_>>(),
        [(Path::new(A), false)]
    );
    assert_eq!(world.engine.record(&other.id()).unwrap().mounts, []);
}

#[test]
fn a_volume_goes_with_its_mounts_unless_it_is_used() {
    let world = World::keeping_mounts();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    world.mount(&volume, A).unwrap();
    world.mount(&volume, B).unwrap();
    assert_eq!(kind(world.delete(&volume)), Kind::NotNow, "a call of CSI takes nothing from under anybody");
    world.fake.set_busy(Path::new(A), true);
    assert_eq!(kind(world.engine.remove(&volume.id())), Kind::NotNow);
    assert_eq!(mounted(&world), [A, B].map(PathBuf::from), "the one that had gone is back");
    world.fake.set_busy(Path::new(A), false);
    world.stage(&volume).unwrap();
    let error = world.engine.remove(&volume.id()).unwrap_err();
    assert_eq!(error.to_string(), "volume 'db' is in use: /kubelet/staging/db");
    world.unstage(&volume).unwrap();
    world.engine.remove(&volume.id()).unwrap();
    world.engine.remove(&volume.id()).unwrap();
    assert_eq!((mounted(&world).len(), world.fake.attached()), (0, 0));
    assert!(
        world
            .fake
            .paths()
            .iter()
            .all(|path| !path.starts_with("/kubelet/mnt/a") && !path.starts_with("/kubelet/mnt/b"))
    );
}

#[test]
fn a_growth_reaches_the_filesystem_through_any_mount() {
    let world = World::keeping_mounts();
    let volume = Volume::new("db", EXT4, false);
    world.create(&volume).unwrap();
    world.engine.mount(&volume.id(), &MountRequest { target: A.into(), read_only: true }).unwrap();
    world.mount(&volume, B).unwrap();
    assert_eq!(world.engine.resize(&volume.id(), Bytes::gib(2)).unwrap(), Bytes::gib(2));
    assert_eq!(world.fake.filesystem(&volume.image()).unwrap().size, Bytes::gib(2));
}
