//! Paths where a volume may be mounted, whatever it is made of.

use std::path::Path;

use nix::errno::Errno;

use super::{Error, Result, Staging};
use crate::host::{FileKind, Machine};
use crate::model::{Bytes, Content};

/// Refuses a place whose content a mount would hide: its owner would look for it in vain. Whether anything is there.
pub fn check_free(machine: &Machine, content: Content, path: &Path) -> Result<bool> {
    let unfit = |reason| Err(Error::Unfit { path: path.to_owned(), reason });
    let Some(found) = machine.files.stat(path)? else { return Ok(false) }; // made by the mount
    match (content, found.kind) {
        (Content::Filesystem(_), FileKind::Directory) => match machine.files.list(path)?.is_empty() {
            true => Ok(true),
            false => unfit("it is not empty, and the volume would hide what is in it"),
        },
        (Content::Filesystem(_), _) => unfit("it is not a directory"),
        (Content::Block, FileKind::Directory) => unfit("it is a directory, and a block volume needs a file"),
        (Content::Block, FileKind::Regular) if found.size == Bytes::ZERO => Ok(true),
        (Content::Block, _) => unfit("it is there already"),
    }
}

/// Takes an empty place away that was made for a mount. What somebody has put there stays.
pub fn remove_place(machine: &Machine, path: &Path) -> Result<()> {
    match machine.files.remove_empty(path) {
        Err(error) if matches!(error.errno(), Some(Errno::ENOTEMPTY | Errno::EBUSY)) => Ok(()),
        removed => Ok(removed?),
    }
}

/// Takes the topmost mount at a path away.
///
/// # Errors
/// [`Error::Busy`].
pub(super) fn unmount(machine: &Machine, path: &Path) -> Result<()> {
    match machine.mounts.unmount(path) {
        Err(error) if error.errno() == Some(Errno::EBUSY) => Err(Error::Busy { what: path.display().to_string() }),
        left => Ok(left?),
    }
}

/// Whether anything is mounted or bound at a path, or staged there.
pub fn is_occupied(machine: &Machine, path: &Path) -> Result<bool> {
    let node = Staging(path).source(Content::Block);
    Ok(machine.mounts.at(path)?.is_some() || machine.mounts.at(&node)?.is_some())
}
