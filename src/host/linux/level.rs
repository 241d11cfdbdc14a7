use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::{Dir, Entry, OwningIter};

use super::failure::Named;
use crate::host::Result;

/// A directory on the way down a tree, and its names as they come: one of millions takes no memory. Two descriptors.
pub(super) struct Level {
    pub(super) dir: File,
    names: OwningIter,
}

impl Level {
    pub(super) fn of(dir: File, path: &Path) -> Result<Self> {
        let again = dir.try_clone().of("dup", path)?;
        Ok(Self { dir, names: Dir::from_fd(again.into()).of("fdopendir", path)?.into_iter() })
    }

    /// The next entry, its own and that of the directory above left out.
    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Entry>> {
        let is_another = |entry: &nix::Result<Entry>| !matches!(entry, Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b".."));
        self.names.find(is_another).transpose().of("readdir", path)
    }
}

pub(super) fn name_of(entry: &Entry) -> &OsStr {
    OsStr::from_bytes(entry.file_name().to_bytes())
}
