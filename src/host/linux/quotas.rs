use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, major, minor};
use nix::sys::statfs::{self, FsType};
use nix::sys::statvfs::fstatvfs;

use super::failure::Named;
use super::{any_file, fill, mount_table, mounts, strays};
use crate::host::{Error, ProjectQuotas, QuotaState, Result, Strays};
use crate::model::{Bytes, ProjectId, ProjectLimit, ProjectTag, ProjectUsage, Usage};
use crate::sys::quotactl::{self, Of, Quota};
use crate::sys::statx::Number;
use crate::sys::{capability, fsxattr};

/// How the kernel wants to hear of which filesystem it is asked.
#[derive(Clone, Copy)]
pub(super) enum LinuxQuotas {
    ByDescriptor,
    /// Before Linux 5.14.
    ByDevice,
}

/// The unit in which the kernel counts what a project takes.
const BLOCK: u64 = 512;

impl ProjectQuotas for LinuxQuotas {
    fn state(&self, dir: &Path) -> Result<QuotaState> {
        let fs = name_of(statfs::statfs(dir).of("statfs", dir)?.filesystem_type());
        match self.ask("Q_XGETQSTATV", dir, quotactl::state) {
            Ok(quotactl::State { accounting, enforcement }) => {
                let limits_everybody =
                    fs == "xfs" && accounting && self.ask("Q_XGETQUOTA", dir, quotactl::limits_everybody)?;
                Ok(QuotaState { fs, accounting, enforcement, limits_everybody })
            }
            Err(error) if !has_projects(fs) && is_no_support(&error) => {
                Ok(QuotaState { fs, accounting: false, enforcement: false, limits_everybody: false })
            }
            Err(error) => Err(error),
        }
    }

    fn usage(&self, dir: &Path, project: ProjectId) -> Result<Option<ProjectUsage>> {
        let found = self.ask("Q_XGETQUOTA", dir, |of| if_any(quotactl::get(of, project.get())))?;
        Ok(found.and_then(known).map(|(_, usage)| usage))
    }

    fn usage_and_space(&self, dir: &Path, project: ProjectId) -> Result<(Option<ProjectUsage>, Usage)> {
        match self {
            Self::ByDescriptor => {
                let place = place(dir)?;
                let found = if_any(quotactl::get(Of::Inside(place.as_fd()), project.get())).of("Q_XGETQUOTA", dir)?;
                let space = mounts::counted(fstatvfs(&place).of("fstatvfs", dir)?);
                Ok((found.and_then(known).map(|(_, usage)| usage), space))
            }
            Self::ByDevice => Ok((self.usage(dir, project)?, mounts::usage(dir)?)),
        }
    }

    fn set_limit(&self, dir: &Path, project: ProjectId, limit: ProjectLimit) -> Result<()> {
        let blocks = limit.bytes.map(|bytes| bytes.get() / BLOCK);
        if blocks == Some(0) || limit.inodes == Some(0) {
            return Err(Error::call("Q_XSETQLIM", dir, Errno::EINVAL)); // to the kernel it would be none
        }
        let (blocks, inodes) = (blocks.unwrap_or(0), limit.inodes.unwrap_or(0));
        self.ask("Q_XSETQLIM", dir, |of| quotactl::set_limits(of, project.get(), blocks, inodes))
    }

    fn projects(&self, dir: &Path) -> Result<Vec<(ProjectId, ProjectUsage)>> {
        let (mut projects, mut from) = (Vec::new(), Some(1));
        while let Some(id) = from {
            let found = self.ask("Q_XGETNEXTQUOTA", dir, |of| if_any(quotactl::next(of, id)))?;
            let Some(found) = found else { break };
            projects.extend(known(found));
            from = found.id.max(id).checked_add(1).filter(|id| ProjectId::new(*id).is_some());
        }
        Ok(projects)
    }

    fn project_of(&self, path: &Path) -> Result<Option<ProjectTag>> {
        let opened = opened_as_it_is(path)?;
        let fsxattr::Project { id, inherited } = fsxattr::project(&opened).of("FS_IOC_FSGETXATTR", path)?;
        Ok(ProjectId::new(id).map(|id| ProjectTag { id, inherited }))
    }

    fn set_project(&self, dir: &Path, project: ProjectId) -> Result<()> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(dir).of("open", dir)?;
        let wish = fsxattr::Project { id: project.get(), inherited: true };
        fsxattr::set_project(&opened, wish).of("FS_IOC_FSSETXATTR", dir)?;
        opened.sync_all().of("fsync", dir)
    }

    fn strays(&self, dir: &Path, project: ProjectId, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Strays>> {
        strays::count(dir, project, go_on)
    }

    fn usage_of_all(&self, dir: &Path) -> Result<Option<Usage>> {
        any_file::usage_of(dir)
    }

    fn try_filling(&self, dir: &Path, at_most: Bytes) -> Result<Bytes> {
        // A thread of its own: it gives up for good what ext4 would let it past the limit with.
        let unprivileged = || {
            capability::drop_from_thread(capability::SYS_RESOURCE).of("capset", dir)?;
            fill::to_the_limit(dir, at_most)
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().spawn_scoped(scope, unprivileged).of("clone", dir)?;
            thread.join().expect("filling does not panic")
        })
    }
}

/// A directory, only to say which.
fn place(dir: &Path) -> Result<OwnedFd> {
    open(dir, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).of("open", dir)
}

impl LinuxQuotas {
    pub(super) fn of_this_kernel() -> Self {
        if quotactl::takes_descriptors() { Self::ByDescriptor } else { Self::ByDevice }
    }

    fn ask<T>(self, call: &'static str, dir: &Path, ask: impl FnOnce(Of) -> nix::Result<T>) -> Result<T> {
        match self {
            Self::ByDescriptor => {
                let place = place(dir)?;
                ask(Of::Inside(place.as_fd())).of(call, dir)
            }
            Self::ByDevice => ask(Of::Device(&device_under(dir)?)).of(call, dir),
        }
    }
}

/// The kernel's name of a filesystem, as far as one meets it under a pool.
fn name_of(fs: FsType) -> &'static str {
    match fs {
        statfs::XFS_SUPER_MAGIC => "xfs",
        statfs::EXT4_SUPER_MAGIC => "ext4",
        statfs::BTRFS_SUPER_MAGIC => "btrfs",
        statfs::F2FS_SUPER_MAGIC => "f2fs",
        statfs::TMPFS_MAGIC => "tmpfs",
        statfs::OVERLAYFS_SUPER_MAGIC => "overlay",
        statfs::NFS_SUPER_MAGIC => "nfs",
        statfs::FUSE_SUPER_MAGIC => "fuse",
        FsType(0x2FC1_2FC1) => "zfs",
        FsType(0xCA45_1A4E) => "bcachefs",
        _ => "of a kind that is not known",
    }
}

/// Whether a filesystem could have project quotas, so that their absence is the kernel's.
fn has_projects(fs: &str) -> bool {
    matches!(fs, "xfs" | "ext4" | "f2fs")
}

/// As a filesystem says that it has no quotas, none of projects, or no device.
fn is_no_support(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::ENOSYS | Errno::EINVAL | Errno::ENOTBLK))
}

/// The block device of a filesystem, by a path that opens.
fn device_under(dir: &Path) -> Result<PathBuf> {
    let number = fs::metadata(dir).of("stat", dir)?.dev();
    let narrow = |part: u64| u32::try_from(part).unwrap_or(u32::MAX);
    let under = Number { major: narrow(major(number)), minor: narrow(minor(number)) };
    let by_number = PathBuf::from(format!("/dev/block/{}:{}", under.major, under.minor));
    let is_it = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device() && found.rdev() == number)
    };
    let mut known = std::iter::once(by_number).chain(mount_table::sources(under)?);
    known.find(is_it).ok_or_else(|| Error::call("quotactl", dir, Errno::ENOTBLK))
}

/// `ENOENT` from the quotas themselves: they know of none.
fn if_any(found: nix::Result<Quota>) -> nix::Result<Option<Quota>> {
    match found {
        Err(Errno::ENOENT) => Ok(None),
        found => found.map(Some),
    }
}

/// ext4 tells of every number that is asked for; so none that nothing is known of is known.
fn known(found: Quota) -> Option<(ProjectId, ProjectUsage)> {
    let bytes = |blocks: u64| Bytes::new(blocks.saturating_mul(BLOCK));
    let limit = |blocks: u64, inodes: u64| ProjectLimit {
        bytes: (blocks > 0).then(|| bytes(blocks)),
        inodes: (inodes > 0).then_some(inodes),
    };
    let usage = ProjectUsage {
        limit: limit(found.block_limit, found.inode_limit),
        soft: limit(found.soft_block_limit, found.soft_inode_limit),
        bytes: bytes(found.blocks),
        inodes: found.inodes,
    };
    ProjectId::new(found.id).filter(|_| usage != ProjectUsage::default()).map(|id| (id, usage))
}

/// Opens a file or directory without an effect on it: a device, a pipe or a link is refused with `EOPNOTSUPP`.
pub(super) fn opened_as_it_is(path: &Path) -> Result<File> {
    let place = open(path, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty()).of("open", path)?;
    opened_again(&File::from(place), path)
}

/// The same of what was opened as a place only (`O_PATH`).
pub(super) fn opened_again(place: &File, path: &Path) -> Result<File> {
    let kind = place.metadata().of("fstat", path)?.file_type();
    if !kind.is_file() && !kind.is_dir() {
        return Err(Error::call("FS_IOC_FSGETXATTR", path, Errno::EOPNOTSUPP));
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let again = format!("/proc/self/fd/{}", place.as_raw_fd());
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(again).of("open", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_of_which_nothing_is_known_is_not_known() {
        assert_eq!(known(Quota { id: 100, ..Quota::default() }), None);
        assert_eq!(known(Quota { id: 0, inodes: 3, ..Quota::default() }), None);
        let found = Quota { id: 100, block_limit: 2048, soft_inode_limit: 7, blocks: 8, inodes: 1, ..Quota::default() };
        let limit = ProjectLimit { bytes: Some(Bytes::mib(1)), inodes: None };
        let soft = ProjectLimit { bytes: None, inodes: Some(7) };
        let usage = ProjectUsage { limit, soft, bytes: Bytes::new(4096), inodes: 1 };
        assert_eq!(known(found), ProjectId::new(100).map(|id| (id, usage)));
    }

    #[test]
    fn filling_takes_what_there_is_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for size in [0, 1, 4096, (1 << 20) + 7] {
            assert_eq!(LinuxQuotas::ByDescriptor.try_filling(dir.path(), Bytes::new(size)).unwrap(), Bytes::new(size));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let none = LinuxQuotas::ByDescriptor.try_filling(&dir.path().join("none"), Bytes::mib(1));
        assert_eq!(none.unwrap_err().errno(), Some(Errno::ENOENT));
    }

    #[test]
    fn the_device_of_a_filesystem_is_found_or_there_is_none() {
        let none = device_under(Path::new("/proc"));
        assert_eq!(none.unwrap_err().errno(), Some(Errno::ENOTBLK));
    }

    #[test]
    fn a_link_or_a_device_has_no_project_that_can_be_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink("/etc", &link).unwrap();
        for path in [link.as_path(), Path::new("/dev/null")] {
            assert_eq!(
                LinuxQuotas::ByDescriptor.project_of(path).unwrap_err().errno(),
                Some(Errno::EOPNOTSUPP),
                "{}",
                path.display()
            );
        }
    }
}
