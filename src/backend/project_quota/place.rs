use std::path::Path;

use super::ProjectDirs;
use crate::backend::place::unmount;
use crate::backend::{Error, Growth, Result, same_access};
use crate::host::MountAt;
use crate::model::{MountAttributes, VolumeId};
use crate::store::{Record, VolumeDir};

impl ProjectDirs {
    /// Makes the volume's directory, and nothing above it, appear at a path.
    pub(super) fn show(
        &self,
        dir: &VolumeDir,
        record: &Record,
        path: &Path,
        attributes: &MountAttributes,
    ) -> Result<Growth> {
        if self.at(dir, path)?.is_some() {
            same_access(&self.machine, path, attributes.read_only)?;
            return Ok(Growth::Done);
        }
        // Nobody gets in whom nothing holds to the size.
        self.mend(dir, record)?;
        self.machine.files.create_mount_point(path)?;
        self.machine.mounts.bind(&dir.data(), path, attributes)?;
        Ok(Growth::Done)
    }

    /// The volume's mount at exactly this path, if it is there.
    pub(super) fn at(&self, dir: &VolumeDir, path: &Path) -> Result<Option<MountAt>> {
        let Some(mount) = self.machine.mounts.at(path)? else { return Ok(None) };
        let data = self.machine.files.stat(&dir.data())?;
        match data.is_some_and(|data| data.id == mount.root) {
            true => Ok(Some(mount)),
            false => Err(Error::ForeignMount { path: path.to_owned() }),
        }
    }

    /// Takes every mount of the volume at this path away. Without its directory the mount table tells whose it is.
    pub(super) fn leave(&self, id: &VolumeId, dir: Option<&VolumeDir>, path: &Path) -> Result<()> {
        while let Some(mount) = self.machine.mounts.at(path)? {
            let by_directory = dir.map(|dir| self.machine.files.stat(&dir.data())).transpose()?.flatten();
            let is_ours = by_directory.is_some_and(|data| data.id == mount.root)
                || self.shown_at(path)?.is_some_and(|shown| shown == *id);
            if !is_ours {
                return Err(Error::ForeignMount { path: path.to_owned() });
            }
            unmount(&self.machine, path)?;
        }
        Ok(())
    }
}
