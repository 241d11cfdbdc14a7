use std::path::Path;

use nix::errno::Errno;
use tracing::info_span;

use super::LoopImages;
use crate::backend::{Error, Result};
use crate::host::{self, Attach, Backing, Machine, Stat};
use crate::model::{Bytes, FsKind, MountOptions, Owner, VolumeId};
use crate::store::{Record, VolumeDir};

impl LoopImages {
    /// Makes the image of a new volume: its space, its filesystem, its owner. On disk when this returns.
    ///
    /// # Errors
    /// `EEXIST` where there is an image already: nothing is ever formatted that this call did not make.
    pub(super) fn provision(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        let (files, image, spec) = (&self.machine.files, dir.image(), &record.spec);
        files.create_image(&image, spec.size)?;
        if !spec.sparse {
            self.reserve(dir, Bytes::ZERO, spec.size)?;
        }
        if let Some(fs) = spec.content.filesystem() {
            info_span!("format").in_scope(|| self.machine.tools.format(&image, fs))?;
            if !spec.sparse {
                self.reserve(dir, spec.size, spec.size)?; // mkfs punches holes
            }
        }
        if let (Some(fs), Some(owner)) = (spec.content.filesystem(), spec.owner) {
            self.set_owner(dir, record, fs, owner)?;
        }
        Ok(files.sync(&image)?)
    }

    /// Makes and mounts a filesystem of that kind in a scratch image, to see whether this machine can.
    pub(super) fn prove(&self, dir: &VolumeDir, fs: FsKind) -> Result<()> {
        let image = dir.image();
        self.machine.files.create_image(&image, Bytes::mib(300))?;
        self.machine.tools.format(&image, fs)?;
        let device =
            self.machine.loops.attach(&image, &Attach { tag: Backing::tag_of(&probe_id()), direct_io: true })?;
        self.machine.mounts.open(&device, fs, &MountOptions::default())?;
        Ok(())
    }

    /// Gives every block of the first `to` bytes to the image; those before `from` may be in use.
    pub(super) fn reserve(&self, dir: &VolumeDir, from: Bytes, to: Bytes) -> Result<()> {
        reserve(&self.machine, &dir.image(), from, to)
    }

    /// The image as it is on disk; what is wrong with it is an error.
    pub(super) fn image_of(&self, dir: &VolumeDir, record: &Record) -> Result<Stat> {
        let image = dir.image();
        let Some(stat) = self.machine.files.stat(&image)? else { return Err(Error::ImageMissing { image }) };
        if stat.size < record.spec.size {
            return Err(Error::ImageTruncated { image, actual: stat.size, recorded: record.spec.size });
        }
        Ok(stat)
    }

    /// Mounted nowhere, so that a kill in between leaves nothing behind. Attached as stage does it: where somebody looks at the
    /// device meanwhile it outlives this, and a stage that comes soon takes it as it is.
    fn set_owner(&self, dir: &VolumeDir, record: &Record, fs: FsKind, owner: Owner) -> Result<()> {
        let attach = Attach { tag: Backing::tag_of(&record.id), direct_io: record.spec.direct_io };
        let device = self.machine.loops.attach(&dir.image(), &attach)?;
        self.machine.mounts.open(&device, fs, &MountOptions::default())?.set_owner(owner)?;
        Ok(())
    }

    /// Gives a reserved volume its lost blocks again; where there is no room it is used all the same, and that is said.
    pub(super) fn keep_reserved(&self, dir: &VolumeDir, record: &Record) -> Result<(), host::Error> {
        if !record.spec.sparse && !self.reserve_again(dir, record.spec.size)? {
            tracing::warn!(volume = %record.id, "the pool has no room to reserve the volume's holes again");
        }
        Ok(())
    }

    /// Whether the image has all the blocks it was promised; those it lost are given again where there is room.
    pub(super) fn reserve_again(&self, dir: &VolumeDir, size: Bytes) -> Result<bool, host::Error> {
        if self.reserve(dir, size, size).is_ok() {
            return Ok(true);
        }
        Ok(self.machine.files.stat(&dir.image())?.is_none_or(|stat| stat.allocated >= size))
    }
}

/// Gives every block of the first `to` bytes to an image; those before `from` may be in use.
pub(in crate::backend) fn reserve(machine: &Machine, image: &Path, from: Bytes, to: Bytes) -> Result<()> {
    let _step = info_span!("reserve").entered();
    tracing::debug!(image = %image.display(), %to, "allocate");
    match machine.files.allocate(image, to) {
        // Such a filesystem punches no holes either (but for ext4 without extents): what was filled once stays filled.
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) && from < to => {
            Ok(machine.files.fill(image, from, to)?)
        }
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => Ok(()),
        other => Ok(other?),
    }
}

fn probe_id() -> VolumeId {
    VolumeId::from_name("probe")
}
