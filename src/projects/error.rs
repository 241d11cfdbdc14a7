use std::path::PathBuf;

use super::{Conflict, ProjectRange};
use crate::host;

/// Why there is no project, or its line cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine refused.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// Every id is somebody's.
    #[error(
        "no project id is free: of {range}, {taken} are taken by volumes and what is left of them on this filesystem, and \
         {foreign} are used by others: configure a larger range"
    )]
    Exhausted {
        /// The range.
        range: ProjectRange,
        /// How many of it the table has.
        taken: usize,
        /// How many of it belong to others.
        foreign: usize,
    },
    /// Which ids a pool has is not known.
    #[error("{}: which project ids that pool has was not read, so none is given out there", path.display())]
    NotRead {
        /// Where the volume would lie.
        path: PathBuf,
    },
    /// A volume of that name lies somewhere else.
    #[error("'{name}' lies at {} and cannot be made at {}", known.display(), asked.display())]
    Elsewhere {
        /// The volume.
        name: String,
        /// Where it lies.
        known: PathBuf,
        /// Where it should.
        asked: PathBuf,
    },
    /// Somebody else asks for the same volume's id.
    #[error("'{name}' is just being given a project id")]
    Busy {
        /// The volume.
        name: String,
    },
    /// The id or the name is another's.
    #[error(transparent)]
    Conflict(#[from] Box<Conflict>),
    /// Where a managed block begins and ends cannot be told.
    #[error("{}: line {line}: {reason}: nothing was written; mend it by hand", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The line, the first being 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// What should be replaced is no file of its own.
    #[error("{}: not a regular file, and it would be replaced by one: name the directory that it leads to", file.display())]
    NotAFile {
        /// Which.
        file: PathBuf,
    },
    /// Another process is writing there.
    #[error("{}: another process has held the lock on this directory for {seconds} s", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// How long.
        seconds: u64,
    },
    /// It would not be one line.
    #[error("'{value}' cannot be written into {file}: {reason}")]
    Unwritable {
        /// The name or path.
        value: String,
        /// `projects` or `projid`.
        file: &'static str,
        /// Why not.
        reason: &'static str,
    },
}

/// The result of a call here.
pub type Result<T, E = Error> = std::result::Result<T, E>;
