//! A pool in an image of its own, on the real machine. The kernel needs `CONFIG_XFS_QUOTA`: without it the pool says so.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MntFlags, umount2};
use ullage::config::{LimitSettings, Overcommit, PoolConfig, PoolImage, Reserve};
use ullage::engine::{Access, Engine, StageRequest};
use ullage::host::linux;
use ullage::model::{Backend, Bytes, FsKind, MountOptions, PoolName};

use crate::common::host_expectations::{Bed, soon};
use crate::scratch::Scratch;
use crate::world::{Volume, XFS};

const SIZE: Bytes = Bytes::mib(400);
const GROWN: Bytes = Bytes::mib(600);

/// An engine over one pool, whose image lies in the scratch pool.
fn started(scratch: &Scratch, size: Bytes) -> Engine {
    let image = Some(PoolImage { file: image(scratch), size });
    let pool = PoolConfig {
        name: PoolName::parse("default").unwrap(),
        path: path(scratch),
        backend: Backend::Quota,
        require_mount_point: true,
        reserve: Reserve::Share(500),
        overcommit: Overcommit::NONE,
        limits: LimitSettings { etc: scratch.dir().join("etc"), image, ..LimitSettings::default() },
    };
    fs::create_dir_all(scratch.dir().join("etc")).unwrap();
    let engine = Engine::new(linux::machine(), vec![pool]);
    engine.recover();
    engine
}

fn image(scratch: &Scratch) -> PathBuf {
    scratch.dir().join("images/here.img")
}

fn path(scratch: &Scratch) -> PathBuf {
    scratch.mount_point("here")
}

/// One image with all its blocks, one device with direct I/O, one mount.
#[track_caller]
fn check_in_order(scratch: &Scratch, size: Bytes) {
    let machine = scratch.machine();
    assert_eq!(machine.files.list(&scratch.dir().join("images")).unwrap(), ["here.img"]);
    let found = machine.files.stat(&image(scratch)).unwrap().unwrap();
    assert!(found.size == size && found.allocated >= size, "{found:?}");
    assert_eq!(scratch.loops().len(), 1);
    let device = machine.mounts.at(&path(scratch)).unwrap().unwrap().device.unwrap();
    let backing = machine.loops.backing(device).unwrap().unwrap();
    assert!(backing.image == found.id && backing.direct_io && !backing.is_volume(), "{backing:?}");
    assert_eq!(scratch.mounts().iter().filter(|target| **target == path(scratch)).count(), 1);
    let total = machine.mounts.usage(&path(scratch)).unwrap().total;
    assert!(total > size.saturating_sub(Bytes::mib(100)) && total < size, "{total} of {size}");
}

/// A kernel that does not bound projects is named, and nothing is left for it.
fn is_refused(scratch: &Scratch, engine: &Engine) -> bool {
    let Err(reason) = engine.ready() else { return false };
    assert!(!Path::new("/proc/fs/xfs/xqmstat").exists(), "this kernel has quotas: {reason}");
    assert!(reason.contains("no project quotas: this kernel does not mount an xfs with prjquota"), "{reason}");
    assert_eq!(scratch.machine().files.list(&scratch.dir().join("images")).unwrap(), [""; 0]);
    soon("no device and no mount is left", || scratch.left_behind().is_empty());
    engine.tend();
    assert!(engine.ready().unwrap_err().contains("no project quotas"), "it is tried again");
    soon("no device and no mount is left", || scratch.left_behind().is_empty());
    true
}

fn put_away(scratch: &Scratch, engine: Engine) {
    drop(engine);
    soon("it can be unmounted", || scratch.machine().mounts.unmount(&path(scratch)).is_ok());
    soon("no device and no mount is left", || scratch.left_behind().is_empty());
}

#[test]
fn an_image_is_made_mounted_found_again_and_grown_or_the_kernel_is_named() {
    let scratch = Scratch::new(FsKind::Xfs);
    let engine = started(&scratch, SIZE);
    if is_refused(&scratch, &engine) {
        return;
    }
    engine.ready().unwrap();
    check_in_order(&scratch, SIZE);
    let volume = Volume::new("db", XFS).sized(Bytes::mib(50));
    let made = engine.create(&volume.request()).unwrap();
    drop(engine);

    let engine = started(&scratch, SIZE);
    check_in_order(&scratch, SIZE);
    assert_eq!(engine.record(&made.id).unwrap(), made);
    drop(engine);

    // As after a reboot.
    soon("it can be unmounted", || scratch.machine().mounts.unmount(&path(&scratch)).is_ok());
    let engine = started(&scratch, GROWN);
    check_in_order(&scratch, GROWN);
    assert_eq!(engine.health(&made.id).unwrap(), []);
    drop(engine);

    let refused = started(&scratch, SIZE).ready().unwrap_err();
    assert!(refused.contains("image is 600Mi, and its configured size is 400Mi"), "{refused}");

    // Grown where it is mounted.
    let larger = Bytes::mib(800);
    let engine = started(&scratch, larger);
    check_in_order(&scratch, larger);
    put_away(&scratch, engine);
}

#[test]
fn who_unmounts_it_has_it_mounted_again_and_pods_keep_theirs() {
    let scratch = Scratch::new(FsKind::Xfs);
    let engine = started(&scratch, SIZE);
    if is_refused(&scratch, &engine) {
        return;
    }
    let volume = Volume::new("db", XFS).sized(Bytes::mib(50));
    let made = engine.create(&volume.request()).unwrap();
    let staging = scratch.mount_point("staging");
    let options = MountOptions::from_flags(&["noexec", "nodev", "nosuid"]);
    let request = StageRequest { staging: staging.clone(), access: Access::Mount(Some(FsKind::Xfs)), options };
    engine.stage(&made.id, &request).unwrap();
    let mut script = OpenOptions::new().write(true).create_new(true).mode(0o755).open(staging.join("run")).unwrap();
    script.write_all(b"#!/bin/sh\n").unwrap();
    drop(script);
    let refused = Command::new(staging.join("run")).status().unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(Errno::EACCES as i32), "noexec holds");

    // It is held by the pool's lock and by the volume: only a lazy one goes.
    umount2(&path(&scratch), MntFlags::MNT_DETACH).unwrap();
    engine.tend();
    engine.ready().unwrap();
    check_in_order(&scratch, SIZE);
    assert_eq!(engine.record(&made.id).unwrap(), made);
    assert!(staging.join("run").exists());
    engine.unstage(&made.id, &staging).unwrap();
    put_away(&scratch, engine);
}

#[test]
fn what_lies_at_the_path_or_under_the_name_is_left_alone() {
    let scratch = Scratch::new(FsKind::Xfs);
    fs::create_dir(path(&scratch)).unwrap();
    fs::write(path(&scratch).join("photo"), "precious").unwrap();
    let refused = started(&scratch, SIZE).ready().unwrap_err();
    assert!(refused.contains("is not empty: it holds 'photo'"), "{refused}");
    assert!(!image(&scratch).exists());
    fs::remove_file(path(&scratch).join("photo")).unwrap();
    fs::write(image(&scratch), "precious").unwrap();
    started(&scratch, SIZE).ready().unwrap_err();
    assert_eq!(fs::read_to_string(image(&scratch)).unwrap(), "precious");
    assert!(!Path::new(&format!("{}.new", image(&scratch).display())).exists());
    soon("no device and no mount is left", || scratch.left_behind().is_empty());
}
