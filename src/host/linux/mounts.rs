use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, major, makedev, minor};
use nix::sys::statvfs::{FsFlags, Statvfs, statvfs};

use super::failure::{Named, refused};
use super::owner::set_owner;
use super::superblock::Ext4;
use super::{block, kernel, mount_table};
use crate::host::{
    Detached, Error, FileId, Ground, HeldLoop, LoopDevice, MountAt, MountEntry, MountIdentity, Mounts, Result,
};
use crate::model::{Bytes, FsKind, Inodes, MountAttributes, MountOptions, Owner, Usage};
use crate::sys::grow;
use crate::sys::mount::{Answer, Context, add_attributes, attribute, clone_tree, move_to};
use crate::sys::statx::{Number, statx};

pub(super) struct LinuxMounts;

/// The last wait, each twice as long as the one before, until a mount that is in use is believed to be.
const LONGEST_WAIT: Duration = Duration::from_millis(16);

impl Mounts for LinuxMounts {
    fn open(&self, device: &HeldLoop, fs: FsKind, options: &MountOptions) -> Result<Box<dyn Detached>> {
        let device = device.device().path();
        let mount = open(&device, fs, options).map_err(|error| refused(error, &device))?;
        Ok(Box::new(OpenFilesystem { mount, fs, device }))
    }

    fn bind(&self, from: &Path, to: &Path, attributes: &MountAttributes) -> Result<()> {
        let mount = clone_tree(from).of("open_tree", from)?;
        add_attributes(&mount, bits(*attributes)).of("mount_setattr", from)?;
        move_to(&mount, to).of("move_mount", to)
    }

    fn unmount(&self, target: &Path) -> Result<()> {
        let mut wait = Duration::from_millis(1);
        loop {
            match umount2(target, MntFlags::UMOUNT_NOFOLLOW) {
                // A program that we just start for another volume has a copy of our descriptors until it executes.
                Err(Errno::EBUSY) if wait <= LONGEST_WAIT => std::thread::sleep(wait),
                done => return done.of("umount2", target),
            }
            wait *= 2;
        }
    }

    fn at(&self, path: &Path) -> Result<Option<MountAt>> {
        let found = match statx(path) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            // It must be unmounted all the same.
            Err(errno) if is_shut_down(errno) => {
                return Ok(in_table(path)?.map(|entry| MountAt {
                    device: entry.device,
                    is_block: false,
                    root: id(Number { major: entry.device_number.0, minor: entry.device_number.1 }, 0),
                }));
            }
            found => found.of("statx", path)?,
        };
        if !found.is_mount_root {
            return Ok(None);
        }
        let number = if found.is_block { found.node } else { found.device };
        let root = id(found.device, found.inode);
        Ok(Some(MountAt { device: block::loop_of(number), is_block: found.is_block, root }))
    }

    fn is_read_only(&self, path: &Path) -> Result<bool> {
        match statvfs(path) {
            Err(errno) if is_shut_down(errno) => {
                let refuses = |entry: MountEntry| entry.attributes.read_only || entry.filesystem_read_only;
                Ok(in_table(path)?.is_some_and(refuses))
            }
            found => Ok(found.of("statvfs", path)?.flags().contains(FsFlags::ST_RDONLY)),
        }
    }

    fn identity(&self, path: &Path) -> Result<Option<MountIdentity>> {
        match statx(path) {
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            found => {
                let found = found.of("statx", path)?;
                let device = (found.device.major, found.device.minor);
                Ok(found.is_mount_root.then_some(MountIdentity { device, id: found.mount }))
            }
        }
    }

    fn ground(&self, path: &Path) -> Result<Option<Ground>> {
        mount_table::ground(path)
    }

    fn device_size(&self, mount: MountIdentity) -> Result<Option<Bytes>> {
        block::size_of(Number { major: mount.device.0, minor: mount.device.1 })
    }

    fn list(&self) -> Result<Vec<MountEntry>> {
        mount_table::read()
    }

    fn usage(&self, path: &Path) -> Result<Usage> {
        usage(path)
    }

    fn grow(&self, path: &Path, fs: FsKind) -> Result<()> {
        let inside = File::open(path).of("open", path)?;
        grow_inside(&inside, fs, path)?;
        match fs {
            FsKind::Xfs if !kernel::recovers_growth() => grow::settle(&inside).of("FIFREEZE", path),
            FsKind::Xfs | FsKind::Ext4 => Ok(()),
        }
    }

    fn thaw(&self, path: &Path) -> Result<()> {
        grow::thaw(File::open(path).of("open", path)?).of("FITHAW", path)
    }

    fn error_count(&self, device: LoopDevice, fs: FsKind) -> Result<u64> {
        match fs {
            FsKind::Ext4 => Ok(Ext4::read(device)?.error_count()),
            FsKind::Xfs => Ok(0),
        }
    }

    fn has_given_up(&self, path: &Path, fs: FsKind) -> Result<bool> {
        let (call, asked) = match fs {
            FsKind::Ext4 => ("fsync", File::open(path).and_then(|root| root.sync_all())),
            FsKind::Xfs => ("stat", std::fs::symlink_metadata(path).map(drop)),
        };
        match asked.of(call, path) {
            Err(error) if matches!(error.errno(), Some(Errno::EIO | Errno::ESHUTDOWN | Errno::EROFS)) => Ok(true),
            // Whoever asks has the path from a table that may be old by now.
            Err(error) if matches!(error.errno(), Some(Errno::ENOENT | Errno::ENOTDIR)) => Ok(false),
            asked => asked.map(|()| false),
        }
    }
}

/// What `fsmount(2)` gave.
struct OpenFilesystem {
    mount: OwnedFd,
    fs: FsKind,
    device: PathBuf,
}

impl Detached for OpenFilesystem {
    fn set_owner(&self, owner: Owner) -> Result<()> {
        set_owner(&self.root()?, owner, &self.device)
    }

    fn grow(&self) -> Result<()> {
        grow_inside(&self.root()?, self.fs, &self.device)
    }

    fn set_read_only(&self) -> Result<()> {
        add_attributes(&self.mount, attribute::MOUNT_ATTR_RDONLY).of("mount_setattr", &self.device)
    }

    fn attach(self: Box<Self>, target: &Path) -> Result<()> {
        move_to(&self.mount, target).of("move_mount", target)
    }
}

impl OpenFilesystem {
    fn root(&self) -> Result<File> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(&self.mount, ".", flags, Mode::empty()).map(File::from).of("openat", &self.device)
    }
}

fn open(device: &Path, fs: FsKind, options: &MountOptions) -> Answer<OwnedFd> {
    let context = Context::new(fs.as_str())?;
    context.set("source", device.to_str())?;
    if options.attributes.read_only {
        context.set("ro", None)?;
    }
    if fs == FsKind::Ext4 {
        // Else a thread zeroes the inode tables that growing has added, by punching holes into a reserved image. They
        // are zero already: that part of the image is new.
        context.set("noinit_itable", None)?;
    }
    for (key, value) in &options.filesystem {
        context.set(key, value.as_deref())?;
    }
    context.mount(bits(options.attributes))
}

fn bits(attributes: MountAttributes) -> u32 {
    let MountAttributes { read_only, no_suid, no_dev, no_exec, no_atime, no_diratime, strict_atime, no_symfollow } =
        attributes;
    // One field of the word holds a choice of three, where noatime is the stronger wish.
    let atime = match (no_atime, strict_atime) {
        (true, _) => attribute::MOUNT_ATTR_NOATIME,
        (false, true) => attribute::MOUNT_ATTR_STRICTATIME,
        (false, false) => attribute::MOUNT_ATTR_RELATIME,
    };
    let bit = |set: bool, bit: u32| if set { bit } else { 0 };
    atime
        | bit(read_only, attribute::MOUNT_ATTR_RDONLY)
        | bit(no_suid, attribute::MOUNT_ATTR_NOSUID)
        | bit(no_dev, attribute::MOUNT_ATTR_NODEV)
        | bit(no_exec, attribute::MOUNT_ATTR_NOEXEC)
        | bit(no_diratime, attribute::MOUNT_ATTR_NODIRATIME)
        | bit(no_symfollow, attribute::MOUNT_ATTR_NOSYMFOLLOW)
}

/// The topmost mount at a path, by the mount table.
fn in_table(path: &Path) -> Result<Option<MountEntry>> {
    let shown = mount_table::shown(path);
    Ok(mount_table::read()?.into_iter().rfind(|entry| entry.target == shown))
}

/// What a filesystem that has shut itself down says to whoever asks of its root.
fn is_shut_down(errno: Errno) -> bool {
    matches!(errno, Errno::EIO | Errno::ESTALE | Errno::ESHUTDOWN)
}

fn id(device: Number, inode: u64) -> FileId {
    FileId { device: makedev(device.major.into(), device.minor.into()), inode }
}

/// Grows the filesystem in which an open directory lies to the size of its loop device.
fn grow_inside(inside: &File, fs: FsKind, object: &Path) -> Result<()> {
    let number = inside.metadata().of("fstat", object)?.dev();
    let narrow = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
    let number = Number { major: narrow(major(number)), minor: narrow(minor(number)) };
    let device = block::loop_of(number).ok_or_else(|| Error::call("fstat", object, Errno::ENOTBLK))?;
    let size = block::size(device)?;
    match fs {
        FsKind::Xfs => grow::xfs(inside.as_fd(), size.get()).of("XFS_IOC_FSGROWFSDATA", object),
        FsKind::Ext4 => match Ext4::read(device)?.room_on(size) {
            Some(blocks) => grow::ext4(inside.as_fd(), blocks).of("EXT4_IOC_RESIZE_FS", object),
            None => Ok(()),
        },
    }
}

/// As `statvfs(3)` counts.
pub(super) fn usage(path: &Path) -> Result<Usage> {
    statvfs(path).of("statvfs", path).map(counted)
}

pub(super) fn counted(found: Statvfs) -> Usage {
    let bytes = |blocks: u64| Bytes::new(blocks.saturating_mul(found.fragment_size()));
    Usage {
        total: bytes(found.blocks()),
        used: bytes(found.blocks().saturating_sub(found.blocks_free())),
        available: bytes(found.blocks_available()),
        inodes: Inodes {
            total: found.files(),
            used: found.files().saturating_sub(found.files_free()),
            free: found.files_free(),
        },
    }
}
