use nix::errno::Errno;

use super::LoopImages;
use crate::backend::{Error, Result};
use crate::model::Bytes;
use crate::store::{Record, VolumeDir};

impl LoopImages {
    /// How small the filesystem of an unmounted volume can become. Nothing is written.
    pub(super) fn smallest(&self, dir: &VolumeDir, record: &Record) -> Result<Bytes> {
        let device = self.attach(dir, record)?;
        Ok(self.machine.tools.smallest(&device)?)
    }

    /// Makes the ext4 of an unmounted volume smaller; its image stays as long as it is. No device has it afterwards.
    ///
    /// By a device, which nobody can mount while the program has it open: one that outlives us, too. What the program
    /// overwrites it keeps beside the image first, on disk. While that is there, the shrink has not happened.
    pub(super) fn shrink(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        let shrunk = self.attach(dir, record).and_then(|device| {
            let _step = tracing::info_span!("shrink").entered();
            // The program writes into it without waiting for the disk, and the device does not wait for it either.
            self.machine.files.create_synced(&dir.undo()).map_err(|error| match error.errno() {
                Some(Errno::EOPNOTSUPP) => Error::NoWriteThrough { file: dir.undo() },
                _ => Error::Host(error),
            })?;
            Ok(self.machine.tools.shrink(&device, size, &dir.undo())?)
        });
        // Only when nobody has the device open any more, everything is in the file.
        let settled = shrunk.and_then(|()| match self.stays_attached(dir)? {
            true => Err(Error::Busy { what: dir.image().display().to_string() }),
            false => Ok(self.machine.files.sync(&dir.image())?),
        });
        let shrunk = settled.and_then(|()| self.forget_undo(dir));
        if shrunk.is_err() {
            self.take_back_shrink(dir, record)?;
        }
        shrunk
    }

    /// Gives a filesystem back what a shrink that did not end has overwritten. Before this it is not mounted.
    pub(super) fn take_back_shrink(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        let undo = dir.undo();
        let Some(stat) = self.machine.files.stat(&undo)? else { return Ok(()) };
        // An empty one: nothing was overwritten yet, or all that is finished.
        if stat.size > Bytes::ZERO {
            tracing::info!(volume = %record.id, "a shrink that did not end is taken back");
            let device = self.attach(dir, record)?;
            self.machine.tools.undo_shrink(&device, &undo)?;
            drop(device);
            self.machine.files.sync(&dir.image())?;
        }
        self.forget_undo(dir)
    }

    fn forget_undo(&self, dir: &VolumeDir) -> Result<()> {
        Ok(self.machine.files.throw_away(&dir.undo())?)
    }
}
