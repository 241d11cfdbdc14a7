use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Bytes, Inodes};

/// A project id of a filesystem (`xfs(5)`, "Project Quotas"). Never 0: that is every inode that was given none; nor the
/// highest number, which is none to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct ProjectId(u32);

/// What a file or directory says of its project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProjectTag {
    /// Which it counts for.
    pub id: ProjectId,
    /// Whether what is made in this directory gets it, too.
    pub inherited: bool,
}

/// What a project may take. `None`: as much as there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProjectLimit {
    /// Bytes, a multiple of 512: the kernel counts in basic blocks.
    pub bytes: Option<Bytes>,
    /// Files and directories, the volume's own directory among them.
    pub inodes: Option<u64>,
}

/// What the kernel says of a project.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProjectUsage {
    /// What it may take.
    pub limit: ProjectLimit,
    /// Its soft limits, which XFS shows as the size, and the kernel makes hard ones after a while. None are ever set here.
    pub soft: ProjectLimit,
    /// What it takes. Space that was freed leaves it milliseconds later.
    pub bytes: Bytes,
    /// How many inodes it has.
    pub inodes: u64,
}

impl ProjectUsage {
    /// Whether it may take exactly that, now and later.
    pub fn is_held_to(&self, limit: ProjectLimit) -> bool {
        (self.limit, self.soft) == (limit, ProjectLimit::default())
    }

    /// Its inodes, in a filesystem that says those of a directory in it.
    pub fn inodes_of(&self, filesystem: Inodes) -> Inodes {
        let used = self.inodes;
        let total = self.limit.inodes.unwrap_or_else(|| used.saturating_add(filesystem.free));
        Inodes { total, used, free: filesystem.free.min(total.saturating_sub(used)) }
    }
}

impl ProjectId {
    /// The project of that number; `None` for 0 and 2^32 - 1.
    pub const fn new(id: u32) -> Option<Self> {
        if id == 0 || id == u32::MAX { None } else { Some(Self(id)) }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u32> for ProjectId {
    type Error = &'static str;

    fn try_from(id: u32) -> Result<Self, Self::Error> {
        Self::new(id).ok_or("a project id is 1 to 4294967294: 0 is every file that was given none")
    }
}

impl From<ProjectId> for u32 {
    fn from(id: ProjectId) -> Self {
        id.0
    }
}
