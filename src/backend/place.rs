use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::{Error, LoopImages, Result};
use crate::host::{FileKind, MountAt};
use crate::model::{Bytes, Content};
use crate::store::{Record, VolumeDir};

impl LoopImages {
    /// The volume's mount at exactly this path, if it is there.
    ///
    /// # Errors
    /// [`Error::ForeignMount`] where something else is.
    pub fn at(&self, dir: &VolumeDir, record: &Record, path: &Path) -> Result<Option<MountAt>> {
        self.mount_at(path, &self.identity(&record.id, dir)?)
    }

    /// Refuses a place whose content a mount would hide: its owner would look for it in vain. Whether anything is there.
    pub fn check_free(&self, content: Content, path: &Path) -> Result<bool> {
        let unfit = |reason| Err(Error::Unfit { path: path.to_owned(), reason });
        let Some(found) = self.machine.files.stat(path)? else { return Ok(false) }; // made by the mount
        match (content, found.kind) {
            (Content::Filesystem(_), FileKind::Directory) => match self.machine.files.list(path)?.is_empty() {
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
    pub fn remove_place(&self, path: &Path) -> Result<()> {
        match self.machine.files.remove_empty(path) {
            Err(error) if matches!(error.errno(), Some(Errno::ENOTEMPTY | Errno::EBUSY)) => Ok(()),
            removed => Ok(removed?),
        }
    }

    /// Where a volume is though nobody wants it there: a kubelet's mounts, or a hand's.
    pub fn unwanted(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<PathBuf>> {
        let wanted: Vec<&Path> = record.mounts.iter().map(|mount| mount.path.as_path()).collect();
        self.mounted_elsewhere(dir, record, &wanted)
    }
}
