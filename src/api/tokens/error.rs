use std::io;
use std::path::{Path, PathBuf};

use super::{InvalidToken, InvalidTtl};

/// Why a token could not be had, kept or replaced. None of these shows a token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What lies in the file is no token.
    #[error("{}: {fault}: write one there, or run `ullage token reset`", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        fault: InvalidToken,
    },
    /// The file that was given is not there.
    #[error("{}: there is no such file: it is to hold the token (a key of a mounted Secret)", .0.display())]
    NotThere(PathBuf),
    /// Nobody has made a token here.
    #[error("{}: there is no token yet: `ullage standalone` and `ullage quota-api` make one when they start, `ullage token reset` makes one now", .0.display())]
    NoneYet(PathBuf),
    /// A Secret, which only Kubernetes changes.
    #[error("{}: is a Secret that Kubernetes mounts: replace the token in the Secret, and it arrives here", .0.display())]
    Secret(PathBuf),
    /// A file that is not to be written.
    #[error("{}: is read-only: replace the token where this file comes from, or make the file writable", .0.display())]
    ReadOnly(PathBuf),
    /// The machine refused.
    #[error("{}: cannot {step}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What was tried.
        step: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another process holds the lock and does not let go.
    #[error("{}: another process has held this lock for {} s", file.display(), seconds)]
    Locked {
        /// The file.
        file: PathBuf,
        /// For how long.
        seconds: u64,
    },
    /// The issued tokens could not be written down.
    #[error("{}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// Not a time for a token to live.
    #[error(transparent)]
    Ttl(#[from] InvalidTtl),
    /// There is a limit.
    #[error("there are {0} issued tokens already, which is the most there may be: wait until some expire")]
    TooMany(usize),
    /// The kernel gives no random numbers.
    #[error("no random numbers for a token: {0}")]
    Random(String),
}

/// The result of dealing with tokens.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failed step on a file, for `map_err`.
    pub(super) fn io(step: &'static str, file: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { file: file.to_owned(), step, source }
    }
}
