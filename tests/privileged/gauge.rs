use std::fs;
use std::path::Path;

use ullage::api::pod::MountGauge;
use ullage::host::linux;
use ullage::model::{Bytes, Content, FsKind, MountAttributes};
use ullage::monitor::Gauge;

use crate::common::host_expectations::Bed;
use crate::kernel::release;
use crate::world::{EXT4, Volume, World, XFS};

fn gauge(path: &Path) -> MountGauge {
    MountGauge::new(path, None, linux::machine())
}

fn size(gauge: &MountGauge) -> Bytes {
    gauge.read().unwrap().size
}

fn lost(gauge: &MountGauge) -> String {
    gauge.read().unwrap_err()
}

/// What a pod sees of a volume: the exact size, also through a `subPath`, until another thing is there.
fn watch(content: Content) {
    let world = World::new(FsKind::Xfs);
    let mounts = linux::machine().mounts;
    let (volume, other) = (Volume::new("watched", content), Volume::new("other", content));
    let target = world.bring_up(&volume);
    let whole = gauge(&target);
    assert_eq!(size(&whole), volume.size);
    assert!(whole.read().unwrap().available < volume.size);

    fs::create_dir(target.join("below")).unwrap();
    let sub_path = world.scratch.mount_point("sub-path");
    fs::create_dir(&sub_path).unwrap();
    mounts.bind(&target.join("below"), &sub_path, &MountAttributes::default()).unwrap();
    let part = gauge(&sub_path);
    assert_eq!(size(&part), volume.size);
    assert!(!mounts.ground(&sub_path).unwrap().unwrap().is_root);

    let above = world.bring_up(&other);
    mounts.bind(&above, &target, &MountAttributes::default()).unwrap();
    assert!(lost(&whole).ends_with("is another mount than it was"), "{}", lost(&whole));
    mounts.unmount(&target).unwrap();
    assert_eq!(size(&whole), volume.size);

    mounts.unmount(&sub_path).unwrap();
    assert!(lost(&part).ends_with("is no mount point any more"), "{}", lost(&part));
    mounts.bind(&target.join("below"), &sub_path, &MountAttributes::default()).unwrap();
    if release() >= (6, 8) {
        // An older kernel gives the number of a mount that is gone to the next one.
        assert!(lost(&part).ends_with("is another mount than it was"), "the same volume mounted anew: {}", lost(&part));
    }
    mounts.unmount(&sub_path).unwrap();
    world.take_down(&[&volume, &other]);
    assert!(lost(&whole).ends_with("is no mount point any more"), "{}", lost(&whole));
}

#[test]
fn a_pod_sees_the_exact_size_of_an_xfs_volume() {
    watch(XFS);
}

#[test]
fn a_pod_sees_the_exact_size_of_an_ext4_volume() {
    watch(EXT4);
}

#[test]
fn a_pod_sees_its_volume_grow() {
    let world = World::new(FsKind::Xfs);
    let volume = Volume::new("grows", XFS);
    let gauge = gauge(&world.bring_up(&volume));
    let before = gauge.read().unwrap();
    world.expand(&volume, Bytes::mib(500)).unwrap();
    let after = gauge.read().unwrap();
    assert_eq!((before.size, after.size), (volume.size, Bytes::mib(500)));
    assert!(after.available > before.available.saturating_add(Bytes::mib(150)));
    world.take_down(&[&volume]);
}
