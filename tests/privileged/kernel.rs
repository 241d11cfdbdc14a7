//! What holds on Linux only.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ullage::host::{Attach, HeldLoop};
use ullage::model::{Bytes, FsKind, MountOptions, Owner};
use ullage::monitor::MountChanges;

use crate::common::host_expectations::{Bed, soon, soon_free};
use crate::scratch::{Scratch, is_quiet, run};

const SIZE: Bytes = Bytes::mib(320);

fn formatted(bed: &Scratch, fs: FsKind) -> PathBuf {
    let image = bed.dir().join(format!("image.{fs}"));
    bed.machine().files.create_image(&image, SIZE).unwrap();
    bed.machine().tools.format(&image, fs).unwrap();
    image
}

fn attach(bed: &Scratch, image: &Path, direct_io: bool) -> HeldLoop {
    let options = Attach { tag: "kernel".into(), direct_io };
    bed.machine().loops.attach(image, &options).unwrap()
}

fn mount(bed: &Scratch, image: &Path, fs: FsKind, flags: &[&str]) -> PathBuf {
    let target = bed.mount_point("mount");
    bed.machine().files.create_dir(&target).unwrap();
    let device = attach(bed, image, true);
    let detached = bed.machine().mounts.open(&device, fs, &MountOptions::from_flags(flags)).unwrap();
    detached.attach(&target).unwrap();
    target
}

fn allocated(bed: &Scratch, image: &Path) -> Bytes {
    bed.machine().files.stat(image).unwrap().unwrap().allocated
}

#[test]
fn direct_io_is_on_where_it_is_asked_for() {
    for pool in FsKind::ALL {
        let bed = Scratch::new(pool);
        for fs in FsKind::ALL {
            let image = formatted(&bed, fs);
            for asked in [true, false] {
                let device = attach(&bed, &image, asked);
                let backing = bed.machine().loops.backing(device.device()).unwrap().unwrap();
                assert_eq!(backing.direct_io, asked, "{fs} on {pool}");
            }
            let target = mount(&bed, &image, fs, &[]);
            let device = bed.machine().mounts.at(&target).unwrap().unwrap().device.unwrap();
            assert!(bed.machine().loops.backing(device).unwrap().unwrap().direct_io, "{fs} on {pool}, mounted");
            bed.machine().mounts.unmount(&target).unwrap();
        }
    }
}

#[test]
fn a_kept_device_keeps_its_direct_io_and_its_tag() {
    let bed = Scratch::new(FsKind::Xfs);
    let image = formatted(&bed, FsKind::Ext4);
    let held = attach(&bed, &image, true);
    let before = bed.machine().loops.backing(held.device()).unwrap().unwrap();
    bed.machine().loops.keep(&held).unwrap();
    let after = bed.machine().loops.backing(held.device()).unwrap().unwrap();
    assert!(after.direct_io && !after.autoclear);
    assert_eq!(after.tag, before.tag);
}

#[test]
fn a_reserved_image_can_be_reserved_again_after_all_that_frees_blocks() {
    for fs in FsKind::ALL {
        let bed = Scratch::new(FsKind::Xfs);
        let files = bed.machine().files;
        let image = formatted(&bed, fs);
        files.allocate(&image, SIZE).unwrap();
        files.sync(&image).unwrap();
        assert!(allocated(&bed, &image) >= SIZE, "{fs}: after mkfs");
        let target = mount(&bed, &image, fs, &[]);
        run(Command::new("fstrim").arg(&target));
        // XFS trims without waiting: what it still discards after `fstrim` would be freed again after the next line.
        soon("the discards have ended", || is_quiet(&target));
        assert!(allocated(&bed, &image) < SIZE, "{fs}: fstrim frees");
        files.allocate(&image, SIZE).unwrap();
        assert!(allocated(&bed, &image) >= SIZE, "{fs}: while it is mounted");
        bed.machine().mounts.unmount(&target).unwrap();
        assert!(allocated(&bed, &image) >= SIZE, "{fs}: after unmounting");
    }
}

#[test]
fn nothing_zeroes_the_inode_tables_of_a_fresh_ext4_later() {
    let bed = Scratch::new(FsKind::Xfs);
    let image = formatted(&bed, FsKind::Ext4);
    bed.machine().files.allocate(&image, SIZE).unwrap();
    let target = mount(&bed, &image, FsKind::Ext4, &[]);
    std::thread::sleep(Duration::from_secs(7)); // the kernel's thread would begin after some five
    assert!(allocated(&bed, &image) >= SIZE, "it punches holes: {}", allocated(&bed, &image));
    bed.machine().mounts.unmount(&target).unwrap();
}

#[test]
fn twenty_threads_attach_and_detach_and_no_device_is_lost_or_shared() {
    let bed = Scratch::new(FsKind::Xfs);
    let images: Vec<_> = (0..20).map(|number| bed.dir().join(format!("{number}"))).collect();
    let machine = bed.machine();
    std::thread::scope(|scope| {
        for (number, image) in images.iter().enumerate() {
            let machine = &machine;
            scope.spawn(move || {
                machine.files.create_image(image, Bytes::mib(1)).unwrap();
                let id = machine.files.stat(image).unwrap().unwrap().id;
                let options = Attach { tag: format!("v{number}"), direct_io: true };
                for round in 0..30 {
                    let held = machine.loops.attach(image, &options).unwrap();
                    let device = held.device();
                    assert_eq!(machine.loops.backing(device).unwrap().unwrap().image, id);
                    if round % 2 == 0 {
                        machine.loops.keep(&held).unwrap();
                        drop(held);
                        machine.loops.detach(device, id).unwrap();
                    } else {
                        drop(held);
                    }
                    // Another thread may have it open for a moment, on its way to a device of its own.
                    soon("the device is free", || !machine.loops.is_attached(image).unwrap());
                }
            });
        }
    });
    assert_eq!(bed.left_behind(), [""; 0]);
}

#[test]
fn a_file_open_elsewhere_is_not_taken_for_attached_and_a_lease_does_not_kill() {
    let bed = Scratch::new(FsKind::Ext4);
    let image = bed.dir().join("image");
    bed.machine().files.create_image(&image, Bytes::mib(1)).unwrap();
    let open = OpenOptions::new().read(true).write(true).open(&image).unwrap();
    assert!(!bed.machine().loops.is_attached(&image).unwrap());
    let device = attach(&bed, &image, true);
    assert!(bed.machine().loops.is_attached(&image).unwrap());
    drop((open, device));
    soon_free(&bed, &image);

    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                drop(File::open(&image).unwrap());
            }
        });
        let wrong = (0..10_000).map(|_| bed.machine().loops.is_attached(&image)).find(|so| !matches!(so, Ok(false)));
        done.store(true, Ordering::Relaxed);
        assert!(wrong.is_none(), "{wrong:?}");
    });
}

#[test]
fn an_option_that_the_filesystem_does_not_know_is_refused_with_its_reason() {
    let bed = Scratch::new(FsKind::Ext4);
    for fs in FsKind::ALL {
        let image = formatted(&bed, fs);
        let device = attach(&bed, &image, true);
        let options = MountOptions::from_flags(&["noatime", "no_such_option=7"]);
        let error = bed.machine().mounts.open(&device, fs, &options).err().unwrap().to_string();
        assert!(error.contains("nknown parameter 'no_such_option'"), "{error}");
    }
}

#[test]
fn owner_and_mode_of_the_root_directory_stay() {
    let bed = Scratch::new(FsKind::Xfs);
    for fs in FsKind::ALL {
        let image = formatted(&bed, fs);
        let device = attach(&bed, &image, true);
        let detached = bed.machine().mounts.open(&device, fs, &MountOptions::default()).unwrap();
        detached.set_owner(Owner { uid: 1234, gid: 5678, mode: 0o6751 }).unwrap();
        drop((detached, device));
        let target = mount(&bed, &image, fs, &[]);
        let root = fs::metadata(&target).unwrap();
        assert_eq!((root.uid(), root.gid(), root.mode() & 0o7777), (1234, 5678, 0o6751), "{fs}");
        bed.machine().mounts.unmount(&target).unwrap();
    }
}

/// What a container sees of its host: a directory that is bound to its own path is a mount point, and no disk.
#[test]
fn a_directory_at_its_own_path_is_told_from_a_disk() {
    let bed = Scratch::new(FsKind::Ext4);
    let mounts = bed.machine().mounts;
    let dir = bed.dir().join("pools/default");
    fs::create_dir_all(&dir).unwrap();
    let at_dir = |words: &[&str]| run(Command::new(words[0]).args(&words[1..]).arg(&dir));
    at_dir(&["mount", "--bind", dir.to_str().unwrap()]);
    let ground = mounts.ground(&dir).unwrap().unwrap();
    at_dir(&["mount", "-t", "tmpfs", "disk"]);
    let disk = mounts.ground(&dir).unwrap().unwrap();
    at_dir(&["umount"]);
    at_dir(&["umount"]);
    assert_eq!((ground.is_root, ground.is_itself), (false, true));
    assert_eq!((disk.is_root, disk.is_itself), (true, false));
}

#[test]
fn removing_a_tree_follows_no_link() {
    let bed = Scratch::new(FsKind::Xfs);
    let (tree, outside) = (bed.dir().join("tree"), bed.dir().join("outside"));
    fs::create_dir_all(tree.join("a")).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    symlink(&outside, tree.join("a/link")).unwrap();
    symlink(&outside, bed.dir().join("top")).unwrap();
    bed.machine().files.remove_tree(&tree).unwrap();
    assert!(!tree.exists());
    assert!(bed.machine().files.remove_tree(&bed.dir().join("top")).is_err());
    assert_eq!(fs::read_to_string(outside.join("file")).unwrap(), "precious");
}

/// Longterm kernels before 6.6 have been given the change that keeps an ext4 that gave up from being shown read-only (of 6.12), and
/// not the one by which `fsync(2)` tells (of 6.6): they count the error only.
pub(crate) fn hides_an_aborted_ext4() -> bool {
    release() < (6, 6)
}

/// The version of the kernel, as far as anything depends on it.
pub(crate) fn release() -> (u32, u32) {
    let name = nix::sys::utsname::uname().unwrap();
    let mut numbers = name.release().to_str().unwrap().split('.').map(|number| number.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[test]
fn a_filesystem_that_has_given_up_after_an_error_is_seen() {
    let bed = Scratch::new(FsKind::Xfs);
    let image = formatted(&bed, FsKind::Ext4);
    let target = mount(&bed, &image, FsKind::Ext4, &[]);
    let mounts = bed.machine().mounts;
    let device = mounts.at(&target).unwrap().unwrap().device.unwrap();
    fs::write(format!("/sys/fs/ext4/loop{}/trigger_fs_error", device.0), "played").unwrap();
    soon("the error is counted", || mounts.error_count(device, FsKind::Ext4).unwrap() > 0);
    let list = mounts.list().unwrap();
    let entry = list.iter().find(|entry| entry.target == target).unwrap();
    let is_shown = entry.filesystem_read_only || mounts.has_given_up(&target, FsKind::Ext4).unwrap();
    assert!(is_shown || hides_an_aborted_ext4(), "{entry:?}");
    mounts.unmount(&target).unwrap();

    let target = mount(&bed, &formatted(&bed, FsKind::Xfs), FsKind::Xfs, &[]);
    assert!(!mounts.has_given_up(&target, FsKind::Xfs).unwrap());
    run(Command::new("/usr/sbin/xfs_io").args(["-x", "-c", "shutdown"]).arg(&target));
    assert!(mounts.has_given_up(&target, FsKind::Xfs).unwrap());
    mounts.unmount(&target).unwrap();
}

#[test]
fn mkfs_refuses_an_xfs_that_holds_something() {
    let bed = Scratch::new(FsKind::Ext4);
    let image = formatted(&bed, FsKind::Xfs);
    let error = bed.machine().tools.format(&image, FsKind::Xfs).unwrap_err().to_string();
    assert!(error.contains("mkfs.xfs ended with exit status: 1"), "{error}");
}

#[tokio::test]
async fn each_mount_and_each_unmount_is_told_at_once() {
    async fn comes(changes: &mut MountChanges, millis: u64) -> bool {
        let change = tokio::time::timeout(Duration::from_millis(millis), changes.changed()).await;
        change.is_ok_and(|change| change.map(|()| true).unwrap())
    }
    let (dir, mut changes) = (tempfile::tempdir().unwrap(), MountChanges::new().unwrap());
    for _ in 0..20 {
        // Others may mount at the same time: what they did is behind us.
        while comes(&mut changes, 1).await {}
        run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(dir.path()));
        assert!(comes(&mut changes, 1000).await, "a mount was missed");
        while comes(&mut changes, 1).await {}
        run(Command::new("umount").arg(dir.path()));
        assert!(comes(&mut changes, 1000).await, "an unmount was missed");
    }
}
