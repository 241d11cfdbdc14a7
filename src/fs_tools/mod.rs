//! The only place that runs programs: `mkfs`, `e2fsck`, `resize2fs`, `e2undo`.

pub mod check;
mod command;
pub mod format;
pub mod shrink;

/// A program that could not be run, or failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed.
    #[error("{program} is not installed (Debian package {})", package_of(program))]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// It ended otherwise than well.
    #[error("{program} ended with {status}: {output}")]
    Failed {
        /// Its name.
        program: &'static str,
        /// Its exit status in words.
        status: String,
        /// The last lines it printed.
        output: String,
    },
}

impl Error {
    /// Whether it found no room. Its exit status does not tell; its words, untranslated, do.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Self::Failed { output, .. } if output.contains("No space left on device"))
    }
}

fn package_of(program: &str) -> &'static str {
    if program.ends_with("xfs") { "xfsprogs" } else { "e2fsprogs" }
}
