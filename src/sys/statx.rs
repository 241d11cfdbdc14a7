//! What `stat(2)` does not say: `statx(2)`.

use std::path::Path;

use linux_raw_sys::general::{STATX_MNT_ID, STATX_MNT_ID_UNIQUE};
use nix::errno::Errno;
use nix::libc;
use nix::{NixPath, Result};

/// What is at a path, links not followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Whether a mount begins here (`STATX_ATTR_MOUNT_ROOT`).
    pub is_mount_root: bool,
    /// Whether it is a block device.
    pub is_block: bool,
    /// The device on which it lies.
    pub device: Number,
    /// Its inode there.
    pub inode: u64,
    /// The device that it is, for a device node.
    pub node: Number,
    /// The mount in which it is: a number that is never used again since Linux 6.8, before that while it is mounted;
    /// 0 from a kernel that does not tell.
    pub mount: u64,
}

/// A device's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// A kernel that does not know the unique number gives the other unasked.
const WANTED: u32 = libc::STATX_TYPE | libc::STATX_INO | STATX_MNT_ID_UNIQUE;

/// Looks at a path. `EOPNOTSUPP` from a kernel that does not tell mount roots (before 5.8).
pub fn statx(path: &Path) -> Result<Entry> {
    let mut found = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    let found = path.with_nix_path(|path| {
        // SAFETY: the kernel reads the path up to its NUL and writes at most one `statx`, for which any bytes are valid.
        unsafe {
            Errno::result(libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, WANTED, found.as_mut_ptr()))?;
            Ok::<_, Errno>(found.assume_init())
        }
    })??;
    let root = u64::from(linux_raw_sys::general::STATX_ATTR_MOUNT_ROOT);
    if found.stx_attributes_mask & root == 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    Ok(Entry {
        is_mount_root: found.stx_attributes & root != 0,
        is_block: u32::from(found.stx_mode) & libc::S_IFMT == libc::S_IFBLK,
        device: Number { major: found.stx_dev_major, minor: found.stx_dev_minor },
        inode: found.stx_ino,
        node: Number { major: found.stx_rdev_major, minor: found.stx_rdev_minor },
        mount: if found.stx_mask & (STATX_MNT_ID_UNIQUE | STATX_MNT_ID) != 0 { found.stx_mnt_id } else { 0 },
    })
}
