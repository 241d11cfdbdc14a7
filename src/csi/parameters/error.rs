use std::num::ParseIntError;

use crate::csi::Refusal;
use crate::model::{Bytes, FsKind};

/// A parameter that cannot be honoured.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ParameterError {
    /// Keys that are not known.
    #[error("options '{}' are not among supported ones: {}", unknown.join(", "), supported.join(", "))]
    Unknown {
        /// Those keys, sorted.
        unknown: Vec<String>,
        /// All that are known, sorted.
        supported: &'static [&'static str],
    },
    /// No such pool on this node.
    #[error("pool '{pool}' is not among those of this node: {}", pools.join(", "))]
    Pool {
        /// The pool asked for.
        pool: String,
        /// Those that there are.
        pools: Vec<String>,
    },
    /// No such backend.
    #[error("only the backends loop and quota are supported, '{0}' requested")]
    Backend(String),
    /// The pool has another backend, or none has this one.
    #[error("backend '{backend}' is not that of pool '{pool}'")]
    BackendOfPool {
        /// The backend asked for.
        backend: String,
        /// The pool.
        pool: String,
    },
    /// No such filesystem.
    #[error("only xfs and ext4 filesystems are supported, '{0}' requested")]
    Filesystem(String),
    /// Two places ask for different filesystems.
    #[error("filesystems do not agree: '{first}' by {place}, '{second}' by {other}")]
    Disagree {
        /// One.
        first: FsKind,
        /// Where it is asked for.
        place: &'static str,
        /// The other.
        second: FsKind,
        /// Where that is asked for.
        other: &'static str,
    },
    /// A filesystem that does not fit a volume of that size.
    #[error("requested size '{}' is smaller than the minimum of {} for {fs}", size.get(), fs.smallest())]
    TooSmall {
        /// The filesystem.
        fs: FsKind,
        /// The size asked for.
        size: Bytes,
    },
    /// A parameter that means nothing in a pool of that backend.
    #[error("'{key}' is not there in pool '{pool}': {why}")]
    NotThere {
        /// The parameter.
        key: &'static str,
        /// The pool.
        pool: String,
        /// Why not.
        why: &'static str,
    },
    /// No number of inodes.
    #[error("'inodeLimit' option should be auto (one for each 4 KiB) or a number from 2 on, but received '{0}'")]
    Inodes(String),
    /// No percentage.
    #[error("'warnPercent' option should be a whole number from 1 to 99, but received '{0}'")]
    Percent(String),
    /// No boolean.
    #[error("'{key}' option should be one of {} but received '{value}'", super::values::BOOLEANS.join(", "))]
    Boolean {
        /// The key.
        key: &'static str,
        /// What it was given.
        value: String,
    },
    /// A negative id.
    #[error("'{key}' option should be >= 0 but received '{value}'")]
    Negative {
        /// The key.
        key: &'static str,
        /// What it was given.
        value: String,
    },
    /// An id past the last: 2^32-1 means "leave it" to `chown(2)`.
    #[error("'{key}' option should be <= 4294967294 but received '{value}'")]
    TooLarge {
        /// The key.
        key: &'static str,
        /// What it was given.
        value: String,
    },
    /// No integer.
    #[error("cannot parse '{key}' option value '{value}' as an integer: {source}")]
    Integer {
        /// The key.
        key: &'static str,
        /// What it was given.
        value: String,
        /// Why.
        source: ParseIntError,
    },
    /// A mode out of range.
    #[error("mode value '{0}' does not fall between 0 and 7777 in octal encoding")]
    ModeRange(String),
    /// No octal number.
    #[error("cannot parse mode '{value}' as positive 4-position octal: {source}")]
    Mode {
        /// What was given.
        value: String,
        /// Why.
        source: ParseIntError,
    },
}

impl ParameterError {
    /// The kind of fault.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::TooSmall { .. } => Refusal::OutOfRange,
            Self::Unknown { .. }
            | Self::Pool { .. }
            | Self::Backend(_)
            | Self::BackendOfPool { .. }
            | Self::Filesystem(_)
            | Self::Disagree { .. }
            | Self::NotThere { .. }
            | Self::Inodes(_)
            | Self::Percent(_)
            | Self::Boolean { .. }
            | Self::Negative { .. }
            | Self::TooLarge { .. }
            | Self::Integer { .. }
            | Self::ModeRange(_)
            | Self::Mode { .. } => Refusal::InvalidArgument,
        }
    }
}
