use std::path::Path;

use super::Result;
use crate::model::{Bytes, ProjectId, ProjectLimit, ProjectTag, ProjectUsage, Usage};

/// Project quotas of the filesystem on which a path lies: what a directory and all below it may take.
pub trait ProjectQuotas: Send + Sync {
    /// Whether the kernel counts and bounds projects on that filesystem.
    ///
    /// # Errors
    /// `ENOSYS`, `ENOTSUP` and the like where the kernel has no quotas at all.
    fn state(&self, dir: &Path) -> Result<QuotaState>;

    /// What a project takes and may take; `None` where the kernel knows nothing of it (`Q_XGETQUOTA`, `ENOENT`).
    ///
    /// # Errors
    /// `ENOSYS` (XFS) or `ESRCH` (ext4) where projects are not counted; so with a limit and with the list.
    fn usage(&self, dir: &Path, project: ProjectId) -> Result<Option<ProjectUsage>>;

    /// The same, and after it how full the filesystem is by that directory (`fstatvfs(3)`), which is looked up once.
    fn usage_and_space(&self, dir: &Path, project: ProjectId) -> Result<(Option<ProjectUsage>, Usage)>;

    /// Bounds a project (`Q_XSETQLIM`), and takes soft limits away. On disk only after the filesystem's next commit: a start sets it again.
    ///
    /// The kernel takes a limit below what is used: the caller is the guard.
    fn set_limit(&self, dir: &Path, project: ProjectId, limit: ProjectLimit) -> Result<()>;

    /// Every project that the kernel knows there, by usage or limit (`Q_XGETNEXTQUOTA`), in ascending order. Not that of id 0.
    fn projects(&self, dir: &Path) -> Result<Vec<(ProjectId, ProjectUsage)>>;

    /// The project of a file or directory itself (`FS_IOC_FSGETXATTR`), no link followed; `None`: id 0.
    fn project_of(&self, path: &Path) -> Result<Option<ProjectTag>>;

    /// How many files and directories, this one and all below it, are of another project, or of none. No link is followed and
    /// no mount crossed; links, devices, pipes and sockets cannot be asked, and are not counted. What is in motion is counted
    /// as it is met. `go_on` is asked again and again: `None` once it says no.
    fn strays(&self, dir: &Path, project: ProjectId, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Strays>>;

    /// Gives an empty directory to a project, and everything that is made in it from now on
    /// (`FS_IOC_FSSETXATTR`, `FS_XFLAG_PROJINHERIT`); synced.
    fn set_project(&self, dir: &Path, project: ProjectId) -> Result<()>;

    /// How full the whole filesystem is, whatever the limit of the directory, without any privilege. A regular file in it tells
    /// (`statvfs(3)`): a directory of a project shows the limit, and older kernels forget there what others took. `None` where no
    /// such file is seen near the top.
    fn usage_of_all(&self, dir: &Path) -> Result<Option<Usage>>;

    /// Writes a file into a directory until `at_most` is in it or the kernel refuses more, takes it away again, and says
    /// how much there was. As a process in a container writes: without `CAP_SYS_RESOURCE`, which ext4 lets past every limit.
    ///
    /// Room and inode are back milliseconds later, not at once. XFS refuses a project that is full even an empty file.
    fn try_filling(&self, dir: &Path, at_most: Bytes) -> Result<Bytes>;
}

/// What was met of others where one project should be all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Strays {
    /// Files and directories.
    pub count: u64,
    /// Directories that were not looked into, since they lie deeper than [`Strays::DEEPEST`].
    pub too_deep: u64,
}

impl Strays {
    /// So many directories below each other are looked into: whoever makes more of them holds nobody up.
    pub const DEEPEST: usize = 256;
}

/// How a filesystem treats projects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuotaState {
    /// The kernel's name of the filesystem: `xfs`, `ext4`, or what else it is.
    pub fs: &'static str,
    /// Whether what projects take is counted.
    pub accounting: bool,
    /// Whether a limit refuses writes.
    pub enforcement: bool,
    /// Whether a project without a limit is given one: that of project 0 (XFS).
    pub limits_everybody: bool,
}
