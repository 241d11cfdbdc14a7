use std::path::{Path, PathBuf};

use nix::errno::Errno;

use crate::fs_tools;

/// What the machine refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A system call failed.
    #[error("{call} {}: {}{}", object.display(), errno.desc(), said.as_ref().map(|said| format!(" ({said})")).unwrap_or_default())]
    Call {
        /// The call, by the name of its manual page.
        call: &'static str,
        /// The file, device or mount it was about.
        object: PathBuf,
        /// The kernel's answer.
        errno: Errno,
        /// What the kernel said beyond the number (the log of a filesystem context).
        said: Option<String>,
    },
    /// A program failed.
    #[error(transparent)]
    Tool(#[from] fs_tools::Error),
}

/// The result of a call to the machine.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failed call on `object`.
    pub fn call(call: &'static str, object: impl AsRef<Path>, errno: Errno) -> Self {
        Self::Call { call, object: object.as_ref().to_owned(), errno, said: None }
    }

    /// The kernel's number, where it was a call that failed.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Call { errno, .. } => Some(*errno),
            Self::Tool(_) => None,
        }
    }

    /// Whether there was no room: `ENOSPC`, or a quota's `EDQUOT`.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Call { errno, .. } => matches!(errno, Errno::ENOSPC | Errno::EDQUOT),
            Self::Tool(error) => error.is_no_space(),
        }
    }
}
