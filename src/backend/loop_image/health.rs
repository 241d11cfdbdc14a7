use std::path::{Path, PathBuf};

use super::LoopImages;
use crate::backend::{Error, Fault, Presence, Result, Staging};
use crate::host::{LoopDevice, MountAt, MountEntry, Stat};
use crate::model::{Content, FsKind, Usage, VolumeId};
use crate::store::{Record, VolumeDir};

impl LoopImages {
    /// Where a volume is attached, where `mounts` show it, and what it takes.
    pub(super) fn presence(&self, dir: &VolumeDir, id: &VolumeId, mounts: &[MountEntry]) -> Result<Presence> {
        let stat = self.machine.files.stat(&dir.image())?;
        let device = self.device_of(dir, id)?;
        let mounts = mounts.iter().filter(|mount| device.is_some() && mount.device == device).cloned().collect();
        Ok(Presence { device, mounts, allocated: stat.map(|stat| stat.allocated).unwrap_or_default() })
    }

    /// How full the volume is, measured at a path where it must be mounted.
    pub(super) fn usage(&self, dir: &VolumeDir, id: &VolumeId, path: &Path) -> Result<Usage> {
        let (place, mount) = self.mounted(dir, id, path)?;
        let measured = match mount.device {
            Some(device) if mount.is_block => {
                self.machine.loops.size(device).map(|total| Usage { total, ..Usage::default() })
            }
            _ => self.machine.mounts.usage(&place),
        };
        // A question takes no lock: meanwhile the mount may have gone, and below it lies the host's disk.
        self.mounted(dir, id, path)?;
        Ok(measured?)
    }

    /// The volume's mount at a path that a caller names: a target, a staging path, or that of a block device.
    ///
    /// # Errors
    /// [`Error::NotMounted`], [`Error::ForeignMount`].
    pub(super) fn mounted(&self, dir: &VolumeDir, id: &VolumeId, path: &Path) -> Result<(PathBuf, MountAt)> {
        let volume = self.identity(id, dir)?;
        for path in [path.to_owned(), Staging(path).source(Content::Block)] {
            if let Some(mount) = self.mount_at(&path, &volume)? {
                return Ok((path, mount));
            }
        }
        Err(Error::NotMounted { path: path.to_owned() })
    }

    /// In what a volume is not what its record says; `is_lacking` tells of a reserved image whether it has not all its blocks.
    pub(super) fn differences(
        &self,
        dir: &VolumeDir,
        record: &Record,
        is_lacking: impl FnOnce(Stat) -> Result<bool>,
    ) -> Result<Vec<Fault>> {
        let mut faults = match self.image_of(dir, record) {
            Ok(image) if !record.spec.sparse && is_lacking(image)? => vec![Fault::ReservationBroken],
            Ok(_) => Vec::new(),
            Err(Error::ImageMissing { .. }) => vec![Fault::ImageMissing],
            Err(Error::ImageTruncated { .. }) => vec![Fault::ImageTruncated],
            Err(error) => return Err(error),
        };
        if record.growth_is_pending() {
            faults.push(Fault::GrowthPending);
        }
        Ok(faults)
    }

    /// Everything else that is wrong with a volume.
    pub(super) fn faults(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Vec<Fault>> {
        let mut faults = Vec::new();
        if let Some(device) = self.device_of(dir, &record.id)? {
            let found = self.faults_in_use(record, device, mounts);
            // A question takes no lock: meanwhile the device may have gone, or be another volume's.
            if self.is_ours(device, &self.identity(&record.id, dir)?)? {
                faults.extend(found?);
            }
        }
        Ok(faults)
    }

    fn faults_in_use(&self, record: &Record, device: LoopDevice, mounts: &[MountEntry]) -> Result<Vec<Fault>> {
        let mut faults = Vec::new();
        if let Content::Filesystem(fs) = record.spec.content {
            let errors = self.machine.mounts.error_count(device, fs)?;
            let mut shown = mounts.iter().filter(|mount| mount.device == Some(device)).peekable();
            let has_given_up = match shown.peek() {
                // Asking an ext4 flushes its disk: not without a reason.
                Some(mount) if fs == FsKind::Xfs || errors > 0 => {
                    self.machine.mounts.has_given_up(&mount.target, fs)?
                }
                _ => false,
            };
            if has_given_up || shown.any(|mount| mount.filesystem_read_only && !mount.attributes.read_only) {
                faults.push(Fault::FilesystemReadOnly);
            }
            if errors > 0 {
                faults.push(Fault::FilesystemErrors(errors));
            }
        }
        let backing = self.machine.loops.backing(device)?;
        if record.spec.direct_io && backing.is_some_and(|backing| !backing.direct_io) {
            faults.push(Fault::DirectIoOff);
        }
        Ok(faults)
    }
}
