use std::path::{Path, PathBuf};

use super::{Error, Result};
use crate::host::Machine;
use crate::model::Content;
use crate::store::Record;

/// Where a volume is staged: `staging_target_path` of CSI, a directory. A filesystem is mounted on it; a block
/// device is bound on the file `device` in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Staging<'a>(pub &'a Path);

/// Whether the filesystem follows the volume's size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Growth {
    /// It has the volume's size.
    Done,
    /// It does so at the next stage.
    Pending,
}

impl Growth {
    /// As the record has it.
    pub(super) fn of(record: &Record) -> Self {
        if record.growth_is_pending() { Self::Pending } else { Self::Done }
    }
}

impl Staging<'_> {
    /// The path that a volume with that content is bound from.
    pub fn source(self, content: Content) -> PathBuf {
        match content {
            Content::Filesystem(_) => self.0.to_owned(),
            Content::Block => self.0.join("device"),
        }
    }
}

/// That what is mounted at a path is so as it is wanted there: writable, or read-only.
///
/// # Errors
/// [`Error::Incompatible`].
pub fn same_access(machine: &Machine, path: &Path, wanted: bool) -> Result<()> {
    let found = machine.mounts.is_read_only(path)?;
    let word = |read_only| if read_only { "read-only" } else { "writable" };
    if found == wanted {
        return Ok(());
    }
    Err(Error::Incompatible { path: path.to_owned(), found: word(found), wanted: word(wanted) })
}
