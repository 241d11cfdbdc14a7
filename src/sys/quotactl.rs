//! Project quotas: the `Q_X` calls of `quotactl_fd(2)`, and of `quotactl(2)` where the kernel is older (before 5.14).
//!
//! XFS answers them itself; for ext4 the kernel translates. They count blocks of 512 bytes.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc::{self, c_void};
use nix::{NixPath, Result};

/// Which filesystem's quotas.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// That in which a descriptor lies, be it only a place (`O_PATH`). [`takes_descriptors`] says whether the kernel can.
    Inside(BorrowedFd<'a>),
    /// That on a block device.
    Device(&'a Path),
}

/// What a project may take, and takes. A limit of 0 is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quota {
    /// The project.
    pub id: u32,
    /// The hard limit in blocks of 512 bytes.
    pub block_limit: u64,
    /// The hard limit of inodes.
    pub inode_limit: u64,
    /// The soft limit in blocks of 512 bytes.
    pub soft_block_limit: u64,
    /// The soft limit of inodes.
    pub soft_inode_limit: u64,
    /// Blocks of 512 bytes that are taken, delayed and reserved ones included.
    pub blocks: u64,
    /// Inodes that are taken.
    pub inodes: u64,
}

/// Which quotas are on for projects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State {
    /// What they take is counted.
    pub accounting: bool,
    /// Limits refuse.
    pub enforcement: bool,
}

/// `struct fs_disk_quota`: blocks are of 512 bytes.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct DiskQuota {
    version: i8,
    flags: i8,
    field_mask: u16,
    id: u32,
    block_hard_limit: u64,
    block_soft_limit: u64,
    inode_hard_limit: u64,
    inode_soft_limit: u64,
    block_count: u64,
    inode_count: u64,
    /// Timers, warnings, and the realtime section.
    rest: [u64; 7],
}

/// `struct fs_quota_statv`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Status {
    version: i8,
    padding: u8,
    flags: u16,
    in_core: u32,
    /// The files of quotas of users, groups and projects; timers, warnings, and room for more.
    rest: [u64; 19],
}

const _: () = assert!(size_of::<DiskQuota>() == 112 && size_of::<Status>() == 160);

/// `Q_X*` (`linux/dqblk_xfs.h`), as `QCMD` puts it together with `PRJQUOTA`.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Command {
    GetQuota = command(3),
    SetLimit = command(4),
    Sync = command(7),
    GetStatus = command(8),
    GetNext = command(9),
}

const PROJECTS: u32 = 2;

const fn command(number: u32) -> u32 {
    ((b'X' as u32) << 8 | number) << 8 | PROJECTS
}

/// `FS_QUOTA_PDQ_ACCT`, `FS_QUOTA_PDQ_ENFD`.
const ACCOUNTING: u16 = 1 << 4;
const ENFORCEMENT: u16 = 1 << 5;
/// `FS_DQ_ISOFT | FS_DQ_IHARD | FS_DQ_BSOFT | FS_DQ_BHARD`.
const LIMITS: u16 = 0b1111;
/// `FS_PROJ_QUOTA`.
const OF_PROJECT: i8 = 2;

/// Whether the kernel has `quotactl_fd(2)`. It is `ENOSYS` that says so, and that has other meanings too.
pub fn takes_descriptors() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        // SAFETY: -1 is no descriptor, so that nothing is looked at but the number of the call.
        let asked = unsafe { libc::syscall(libc::SYS_quotactl_fd, -1, Command::Sync as u32, 0, ptr::null::<c_void>()) };
        Errno::result(asked) != Err(Errno::ENOSYS)
    })
}

/// Which quotas of projects are on (`Q_XGETQSTATV`). `ENOSYS`, `EINVAL`: the filesystem, or the kernel for it, has none.
pub fn state(of: Of) -> Result<State> {
    let mut status = Status { version: 1, ..Status::default() };
    match call(of, Command::GetStatus, 0, (&raw mut status).cast()) {
        // So the kernel says too that none is on; then it still has the filesystem take other commands.
        Err(Errno::ENOSYS) => match call(of, Command::Sync, 0, ptr::null_mut()) {
            Ok(()) | Err(Errno::EROFS) => Ok(State { accounting: false, enforcement: false }),
            Err(errno) => Err(errno),
        },
        done => done.map(|()| State {
            accounting: status.flags & ACCOUNTING != 0,
            enforcement: status.flags & ENFORCEMENT != 0,
        }),
    }
}

/// Whether there are limits, hard or soft, of project 0: XFS gives them to every project that has none.
pub fn limits_everybody(of: Of) -> Result<bool> {
    match ask(of, Command::GetQuota, 0) {
        Err(Errno::ENOENT) => Ok(false),
        found => found.map(|found| {
            let DiskQuota { block_hard_limit, block_soft_limit, inode_hard_limit, inode_soft_limit, .. } = found;
            [block_hard_limit, block_soft_limit, inode_hard_limit, inode_soft_limit] != [0; 4]
        }),
    }
}

/// A project (`Q_XGETQUOTA`). `ENOENT`: XFS has never heard of it; `ESRCH`: quotas are off.
pub fn get(of: Of, project: u32) -> Result<Quota> {
    read(of, Command::GetQuota, project)
}

/// The project of that number, or of the next that is known (`Q_XGETNEXTQUOTA`). `ENOENT`: there is none.
pub fn next(of: Of, from: u32) -> Result<Quota> {
    read(of, Command::GetNext, from)
}

/// Sets the hard limits of a project, in blocks of 512 bytes and in inodes, and takes the soft ones away
/// (`Q_XSETQLIM`). 0: none.
pub fn set_limits(of: Of, project: u32, blocks: u64, inodes: u64) -> Result<()> {
    let mut wish = DiskQuota {
        version: 1,
        flags: OF_PROJECT,
        field_mask: LIMITS,
        id: project,
        block_hard_limit: blocks,
        inode_hard_limit: inodes,
        ..DiskQuota::default()
    };
    call(of, Command::SetLimit, project, (&raw mut wish).cast())
}

fn read(of: Of, command: Command, project: u32) -> Result<Quota> {
    let found = ask(of, command, project)?;
    Ok(Quota {
        id: found.id,
        block_limit: found.block_hard_limit,
        inode_limit: found.inode_hard_limit,
        soft_block_limit: found.block_soft_limit,
        soft_inode_limit: found.inode_soft_limit,
        blocks: found.block_count,
        inodes: found.inode_count,
    })
}

fn ask(of: Of, command: Command, project: u32) -> Result<DiskQuota> {
    let mut found = DiskQuota::default();
    call(of, command, project, (&raw mut found).cast()).map(|()| found)
}

/// `argument` is what the command reads and writes: a whole [`Status`] or [`DiskQuota`], or nothing.
fn call(of: Of, command: Command, project: u32, argument: *mut c_void) -> Result<()> {
    let command = command as u32;
    let done = match of {
        Of::Inside(fd) => {
            // SAFETY: the descriptor is open while it is borrowed; the argument is what the command wants, and outlives it.
            unsafe { libc::syscall(libc::SYS_quotactl_fd, fd.as_raw_fd(), command, project, argument) }
        }
        Of::Device(device) => device.with_nix_path(|device| {
            // SAFETY: as above; the path ends with a NUL and outlives the call.
            unsafe { libc::syscall(libc::SYS_quotactl, command, device.as_ptr(), project, argument) }
        })?,
    };
    Errno::result(done).map(drop)
}
