use std::fmt;

use crate::yaml::{self, Place};

/// Why a stream is left as it is, with where and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// It is no YAML.
    #[error("document {document}, {error}")]
    Unreadable {
        /// From 1.
        document: usize,
        /// With the place.
        error: yaml::Error,
    },
    /// A workload that cannot have the quota API as it is.
    #[error("document {document}{}: {reason}", place.map(|place| format!(", {place}")).unwrap_or_default())]
    Unfit {
        /// From 1.
        document: usize,
        /// The line, where it is known.
        place: Option<Place>,
        /// Which, why, and what would be right.
        reason: String,
    },
}

/// What is wrong in a workload, below these keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) keys: Vec<String>,
    workload: String,
    reason: String,
}

pub(super) type Result<T, E = Fault> = std::result::Result<T, E>;

impl Error {
    /// A text that cannot be read has no documents: they are counted by what begins one.
    pub(super) fn unreadable(text: &str, error: yaml::Error) -> Self {
        let line = error.place().map_or(1, |place| place.line);
        let before = text.lines().take(line.saturating_sub(1));
        let counted = before.fold((0, false), |(documents, within), line| match line.trim_end() {
            line if line == "---" || line.starts_with("--- ") => (documents + 1, true),
            line if line.is_empty() || line.starts_with('#') => (documents, within),
            _ => (documents + usize::from(!within), true),
        });
        Self::Unreadable { document: counted.0.max(1), error }
    }

    pub(super) fn stuck(document: usize, error: &yaml::Error) -> Self {
        Self::Unfit { document, place: error.place(), reason: error.message().to_owned() }
    }
}

impl Fault {
    pub(super) fn new<const N: usize>(keys: [&str; N], reason: impl Into<String>) -> Self {
        Self { keys: keys.map(str::to_owned).to_vec(), workload: String::new(), reason: reason.into() }
    }

    /// The same, seen from above.
    pub(super) fn below<'k>(mut self, keys: impl Iterator<Item = &'k str>, workload: &str) -> Self {
        self.keys.splice(0..0, keys.map(str::to_owned));
        workload.clone_into(&mut self.workload);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.keys.is_empty() {
            true => write!(f, "{}: {}", self.workload, self.reason),
            false => write!(f, "{}: {}: {}", self.workload, self.keys.join("."), self.reason),
        }
    }
}
