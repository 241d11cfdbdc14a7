//! Growing mounted filesystems: the ioctls of ext4 and XFS.

use std::os::fd::{AsFd, AsRawFd};

use nix::Result;
use nix::errno::Errno;

mod ioctl {
    nix::ioctl_write_ptr!(ext4_resize_fs, b'f', 16, u64);
    nix::ioctl_read!(xfs_geometry, b'X', 126, super::Geometry);
    nix::ioctl_write_ptr!(xfs_grow_data, b'X', 110, super::GrowData);
    nix::ioctl_readwrite!(freeze, b'X', 119, nix::libc::c_int);
    nix::ioctl_readwrite!(thaw, b'X', 120, nix::libc::c_int);
}

/// `struct xfs_fsop_geom`, the 256 bytes of it.
#[repr(C)]
struct Geometry {
    block_size: u32,
    realtime_extent: u32,
    group_blocks: u32,
    group_count: u32,
    log_blocks: u32,
    sector_size: u32,
    inode_size: u32,
    inode_percent: u32,
    data_blocks: u64,
    rest: [u64; 27],
}

/// `struct xfs_growfs_data`.
#[repr(C)]
struct GrowData {
    blocks: u64,
    inode_percent: u32,
    padding: u32,
}

/// Grows the ext4 in which a descriptor lies to so many of its blocks (`EXT4_IOC_RESIZE_FS`). `EPERM` without
/// `CAP_SYS_RESOURCE`.
pub fn ext4(inside: impl AsFd, blocks: u64) -> Result<()> {
    // SAFETY: the kernel only reads the one number.
    unsafe { ioctl::ext4_resize_fs(inside.as_fd().as_raw_fd(), &blocks) }.map(drop)
}

/// Grows the XFS in which a descriptor lies to a size in bytes (`XFS_IOC_FSGROWFSDATA`). One that is larger is left as it
/// is: XFS would take a smaller number for a wish to shrink.
///
/// One of that size is asked all the same: when it grew, the power may have gone after its log had that, and before the
/// copies of its superblock did, by whose majority `xfs_repair` believes that it is small. The kernel writes them again.
pub fn xfs(inside: impl AsFd, bytes: u64) -> Result<()> {
    let fd = inside.as_fd().as_raw_fd();
    let mut found = std::mem::MaybeUninit::<Geometry>::zeroed();
    // SAFETY: the kernel writes at most one `xfs_fsop_geom`, for which any bytes are valid.
    let found = unsafe {
        ioctl::xfs_geometry(fd, found.as_mut_ptr())?;
        found.assume_init()
    };
    let blocks = bytes / u64::from(found.block_size.max(1));
    if blocks < found.data_blocks {
        return Ok(());
    }
    let wish = GrowData { blocks, inode_percent: found.inode_percent, padding: 0 };
    // SAFETY: `wish` is a whole `xfs_growfs_data` that the kernel only reads during the call.
    unsafe { ioctl::xfs_grow_data(fd, &wish) }.map(drop)
}

/// Holds the writers of an XFS until all that its log has is in its place, and lets them go on (`FIFREEZE`, `FITHAW`).
///
/// For one that has just grown: its superblock is only in the log, and a kernel that recovers that log after a power cut meets
/// what is new before the superblock that knows of it, and gives up. One that somebody else has frozen is in its place already.
///
/// Killed in between it stays frozen: [`thaw`].
///
/// There is no deadline, for the kernel knows none: it waits for every write that is under way, without an end to it and deaf to
/// signals, and `FITHAW` refuses a freeze that is not complete. A write that is held up itself (which reads from a FUSE that does
/// not answer; before Linux 6.8 a splice from an empty pipe) so holds up the others, and whoever asked. Ask for it where it is
/// needed, and nowhere else.
pub fn settle(inside: impl AsFd) -> Result<()> {
    let fd = inside.as_fd().as_raw_fd();
    nix::unistd::syncfs(&inside)?; // while nobody has to wait
    // SAFETY: the kernel does not look at the argument.
    match unsafe { ioctl::freeze(fd, std::ptr::null_mut()) } {
        Err(Errno::EBUSY) => Ok(()),
        frozen => frozen.map(drop).and_then(|()| thaw(inside)),
    }
}

/// Lets the writers of a frozen filesystem go on; one that is not frozen is left as it is.
pub fn thaw(inside: impl AsFd) -> Result<()> {
    // SAFETY: the kernel does not look at the argument.
    match unsafe { ioctl::thaw(inside.as_fd().as_raw_fd(), std::ptr::null_mut()) } {
        Err(Errno::EINVAL) => Ok(()),
        thawed => thawed.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structures_are_as_long_as_the_kernels() {
        assert_eq!(size_of::<Geometry>(), 256);
        assert_eq!(size_of::<GrowData>(), 16);
    }
}
