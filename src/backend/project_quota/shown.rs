use std::path::Path;

use super::ProjectDirs;
use crate::backend::Result;
use crate::host::MountEntry;
use crate::model::VolumeId;
use crate::store::{VolumeDir, volume_of_data};

/// Where volumes are seen, by the mount table.
impl ProjectDirs {
    /// The volume whose directory is mounted at a path, by the path of that directory in its filesystem.
    pub(super) fn shown_at(&self, path: &Path) -> Result<Option<VolumeId>> {
        let mounts = &self.machine.mounts;
        let Some(there) = mounts.at(path)? else { return Ok(None) };
        let table = mounts.list()?;
        // By what is seen, not by the path: a caller may reach it by links that the mount table does not show.
        let same = table.iter().rev().find(|entry| {
            volume_of_data(&entry.root).is_some()
                && matches!(mounts.at(&entry.target), Ok(Some(mount)) if mount.root == there.root)
        });
        Ok(same.and_then(|entry| volume_of_data(&entry.root)))
    }

    /// Those of these mounts that show a volume.
    pub(super) fn mounts_of(&self, dir: &VolumeDir, id: &VolumeId, mounts: &[MountEntry]) -> Result<Vec<MountEntry>> {
        let Some(data) = self.machine.files.stat(&dir.data())? else { return Ok(Vec::new()) };
        let those = mounts.iter().filter(|entry| volume_of_data(&entry.root).as_ref() == Some(id));
        let is_it = |entry: &&MountEntry| matches!(self.machine.mounts.at(&entry.target), Ok(Some(mount)) if mount.root == data.id);
        Ok(those.filter(is_it).cloned().collect())
    }

    /// Whether the volume is mounted anywhere.
    pub(super) fn is_shown(&self, dir: &VolumeDir) -> Result<bool> {
        let Some(id) = volume_of_data(&dir.data()) else { return Ok(false) };
        Ok(!self.mounts_of(dir, &id, &self.machine.mounts.list()?)?.is_empty())
    }
}
