use std::fmt;
use std::path::{Path, PathBuf};

use crate::model::ProjectId;

/// A volume's project. A copy: whoever has it changes nothing by it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Project {
    /// Its id.
    pub id: ProjectId,
    /// The volume's id.
    pub name: String,
    /// The directory that has the project.
    pub path: PathBuf,
}

/// Who has an id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Holder {
    /// A volume, as its record says.
    Volume(Project),
    /// What is left of a volume in the trash. It has no name: until its data is gone and its limit cleared, it is nobody's.
    Trash {
        /// Its id.
        id: ProjectId,
        /// Where in the trash.
        path: PathBuf,
    },
    /// A tag on something that no record tells of, or none that can be read.
    Left {
        /// Its id.
        id: ProjectId,
        /// What has the tag.
        path: PathBuf,
        /// What is known of it.
        why: String,
    },
}

/// Two that cannot both be right. Neither is believed more than the other: both keep their ids from everybody else.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Conflict {
    /// Two share an id, and so a limit.
    #[error("project {} is that of {first} and of {second}", first.id())]
    Id {
        /// Who was known first.
        first: Holder,
        /// Who came second.
        second: Holder,
    },
    /// Two volumes share a name.
    #[error("two volumes are called '{}': one at {} with project {}, one at {} with project {}",
            first.name, first.path.display(), first.id, second.path.display(), second.id)]
    Name {
        /// Which was known first, and is found by that name.
        first: Project,
        /// Which came second.
        second: Project,
    },
}

impl Holder {
    /// The id.
    pub fn id(&self) -> ProjectId {
        match self {
            Self::Volume(project) => project.id,
            Self::Trash { id, .. } | Self::Left { id, .. } => *id,
        }
    }

    /// Where what has it lies.
    pub fn path(&self) -> &Path {
        match self {
            Self::Volume(project) => &project.path,
            Self::Trash { path, .. } | Self::Left { path, .. } => path,
        }
    }

    /// The volume, where it is one.
    pub fn volume(&self) -> Option<&Project> {
        match self {
            Self::Volume(project) => Some(project),
            Self::Trash { .. } | Self::Left { .. } => None,
        }
    }

    /// Whether it lies there: a tag is found on a volume's directory, its record beside or above.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.path().starts_with(path) || path.starts_with(self.path())
    }

    /// Whom to believe of one place: a record says more than a tag.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Volume(_) => 0,
            Self::Trash { .. } => 1,
            Self::Left { .. } => 2,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path().display();
        match self {
            Self::Volume(project) => write!(f, "volume '{}' ({path})", project.name),
            Self::Trash { .. } => write!(f, "what is being deleted ({path})"),
            Self::Left { why, .. } => write!(f, "{path} ({why})"),
        }
    }
}
