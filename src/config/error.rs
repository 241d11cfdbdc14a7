use std::fmt;
use std::io;

use crate::yaml;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error("{origin}: {source}")]
    Read {
        /// The file.
        origin: String,
        /// The reason.
        source: io::Error,
    },
    /// The file is not of the right form: the error has the line.
    #[error("{origin}: {source}")]
    Form {
        /// The file.
        origin: String,
        /// The reason and the line.
        source: yaml::Error,
    },
    /// Values mean nothing that can be done: every one of them, each on a line of its own.
    #[error("{}", lines(origin, faults))]
    Meaning {
        /// The file, or the command line.
        origin: String,
        /// What is wrong.
        faults: Vec<Fault>,
    },
}

/// One wrong value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The path of its key (`pools[1].path`), or the flag or variable that gave it.
    pub key: String,
    /// The value, and what would be right.
    pub reason: String,
}

impl Fault {
    pub(super) fn new(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}

fn lines(origin: &str, faults: &[Fault]) -> String {
    let lines: Vec<String> = faults.iter().map(|fault| format!("{origin}: {fault}")).collect();
    lines.join("\n")
}
