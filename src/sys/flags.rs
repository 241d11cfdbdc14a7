//! The flags of a file that `chattr(1)` sets: `FS_IOC_GETFLAGS`, `FS_IOC_SETFLAGS`.

use std::os::fd::{AsFd, AsRawFd};

use linux_raw_sys::general::FS_SYNC_FL;
use linux_raw_sys::ioctl::{FS_IOC_GETFLAGS, FS_IOC_SETFLAGS};
use nix::Result;

mod ioctl {
    // Their numbers say `long`; the kernel reads and writes an `int`.
    nix::ioctl_read_bad!(get, super::FS_IOC_GETFLAGS, u32);
    nix::ioctl_write_ptr_bad!(set, super::FS_IOC_SETFLAGS, u32);
}

/// From now on every write to a file is on disk when it returns, whoever writes (`chattr +S`). Whether the filesystem does
/// that: one may take the flag and forget it.
pub fn write_through(file: impl AsFd) -> Result<bool> {
    let fd = file.as_fd().as_raw_fd();
    let flags = get(fd)? | FS_SYNC_FL;
    // SAFETY: the kernel only reads the one number.
    unsafe { ioctl::set(fd, &flags) }?;
    Ok(get(fd)? & FS_SYNC_FL != 0)
}

fn get(fd: i32) -> Result<u32> {
    let mut flags = 0;
    // SAFETY: the kernel writes one `int`, for which any bits are valid.
    unsafe { ioctl::get(fd, &raw mut flags) }?;
    Ok(flags)
}
