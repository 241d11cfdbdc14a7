use std::path::Path;

use nix::errno::Errno;

use super::LoopImages;
use crate::backend::{Error, Growth, Result};
use crate::host::{LoopDevice, MountAt, MountEntry};
use crate::model::{Bytes, Content, FsKind, VolumeId};
use crate::store::{Record, VolumeDir};

impl LoopImages {
    /// Makes the image longer, and reserves the growth of a reserved one. Where there is no room nothing is changed.
    pub(super) fn enlarge(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        self.image_of(dir, record)?;
        let grown = self.take_space(dir, record, size);
        if grown.is_err() {
            self.trim(dir, record)?; // frees what was allocated past the end, too
        }
        grown
    }

    /// Longer first: an image that is longer than its record is cut by the next start. Blocks past the end of one that is as
    /// long as its record nobody would find after a kill, and the same call might have no room for them a second time.
    fn take_space(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        self.machine.files.set_len(&dir.image(), size)?;
        if record.spec.sparse { Ok(()) } else { self.reserve(dir, record.spec.size, size) }
    }

    /// Lets the device and the filesystem follow the volume's size, where it is in use; else that is for the next stage.
    ///
    /// # Errors
    /// [`Error::GrowthNotPermitted`], [`Error::GrowthReadOnly`]: the device has grown, the filesystem grows at the next stage.
    pub(super) fn follow(&self, dir: &VolumeDir, record: &Record, path: Option<&Path>) -> Result<Growth> {
        let Some(device) = self.device_of(dir, &record.id)? else {
            let raw = record.spec.content == Content::Block; // nothing in it to grow
            return Ok(if raw { Growth::Done } else { Growth::Pending });
        };
        self.set_capacity(dir, record, device)?;
        let Some(fs) = record.spec.content.filesystem() else { return Ok(Growth::Done) };
        match path.map(|path| self.grow_at(path, fs)) {
            // A pod may have it read-only, and where it is staged it takes writes.
            None | Some(Err(Error::GrowthReadOnly)) => {
                let mounts = self.mounts_of(device)?;
                match mounts.iter().find(|mount| self.takes_writes(mount, device)) {
                    Some(mount) => self.grow_at(&mount.target, fs)?,
                    None if mounts.is_empty() => return Ok(Growth::Pending), // mounted only in another namespace
                    None => return Err(Error::GrowthReadOnly),
                }
            }
            Some(grown) => grown?,
        }
        self.keep_reserved(dir, record)?; // an ext4 zeroes what is new of it, by punching holes
        Ok(Growth::Done)
    }

    fn grow_at(&self, path: &Path, fs: FsKind) -> Result<()> {
        match self.machine.mounts.grow(path, fs) {
            Err(error) if error.errno() == Some(Errno::EPERM) => Err(Error::GrowthNotPermitted),
            Err(error) if error.errno() == Some(Errno::EROFS) => Err(Error::GrowthReadOnly),
            grown => Ok(grown?),
        }
    }

    /// Whether the filesystem on a device takes writes through that mount, and the mount is not hidden by another.
    fn takes_writes(&self, mount: &MountEntry, device: LoopDevice) -> bool {
        let mounts = &self.machine.mounts;
        let is_there = |found: Option<MountAt>| found.is_some_and(|found| found.device == Some(device));
        mounts.at(&mount.target).is_ok_and(is_there) && mounts.is_read_only(&mount.target).is_ok_and(|refuses| !refuses)
    }

    /// Takes back what an interrupted growth left, and reserves again what was lost: a volume found when starting.
    pub(super) fn mend(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        if record.growth_is_pending() {
            self.take_back_shrink(dir, record)?;
            self.thaw(dir, record)?;
        }
        let stat = self.image_of(dir, record)?;
        if stat.size > record.spec.size {
            match self.device_of(dir, &record.id)? {
                Some(device) => self.set_capacity(dir, record, device)?,
                None if self.is_attached(dir)? => {}
                None => self.trim(dir, record)?,
            }
        }
        self.keep_reserved(dir, record)?;
        match record.spec.content {
            Content::Block => self.detach_orphan(dir, &record.id),
            Content::Filesystem(_) => Ok(()),
        }
    }

    /// A growth that was killed may have left an XFS frozen.
    fn thaw(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        if record.spec.content != Content::Filesystem(FsKind::Xfs) {
            return Ok(());
        }
        let Some(device) = self.device_of(dir, &record.id)? else { return Ok(()) };
        match self.mounts_of(device)?.first() {
            Some(mount) => Ok(self.machine.mounts.thaw(&mount.target)?),
            None => Ok(()),
        }
    }

    /// Detaches a block device that no path has: what a kill between unbinding and detaching leaves.
    fn detach_orphan(&self, dir: &VolumeDir, id: &VolumeId) -> Result<()> {
        let Some(device) = self.device_of(dir, id)? else { return Ok(()) };
        let Some(backing) = self.machine.loops.backing(device)? else { return Ok(()) };
        if !backing.autoclear && self.mounts_of(device)?.is_empty() {
            let gone = self.detach(device, &self.identity(id, dir)?)?;
            tracing::info!(volume = %id, %device, gone, "a device that no path has is detached");
        }
        Ok(())
    }

    /// Where a device's filesystem is mounted, or its node bound.
    pub(super) fn mounts_of(&self, device: LoopDevice) -> Result<Vec<MountEntry>> {
        let mounts = self.machine.mounts.list()?;
        Ok(mounts.into_iter().filter(|mount| mount.device == Some(device)).collect())
    }
}
