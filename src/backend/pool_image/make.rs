use std::path::Path;

use tracing::info_span;

use super::{FS, PoolDisk, options};
use crate::backend::loop_image::reserve;
use crate::backend::{Error, Result};
use crate::host::{FileKind, beside};
use crate::model::Bytes;

impl PoolDisk<'_> {
    /// Makes the image under another name, and renames it last: what has its own name is complete, and what has the other is
    /// what a kill has left of an attempt of ours.
    pub(super) fn make(&self) -> Result<()> {
        let (new, size) = (beside(&self.image.file), self.image.size);
        tracing::info!(pool = %self.pool, image = %self.image.file.display(), %size, "the pool's image is made");
        self.throw_away(&new)?;
        self.machine.files.create_image(&new, size)?;
        if let Err(error) = self.fill(&new) {
            if let Err(error) = self.throw_away(&new) {
                tracing::warn!(%error, "what was begun is left, and goes with the next attempt");
            }
            return Err(if error.is_no_space() { self.no_room(size) } else { error });
        }
        Ok(self.machine.files.rename(&new, &self.image.file)?)
    }

    /// Its space, its filesystem, and the proof that the kernel mounts it as a pool needs it: else the space would be taken
    /// for nothing.
    fn fill(&self, new: &Path) -> Result<()> {
        reserve(self.machine, new, Bytes::ZERO, self.image.size)?;
        info_span!("format").in_scope(|| self.machine.tools.format(new, FS))?;
        self.try_mounting(new)?;
        reserve(self.machine, new, self.image.size, self.image.size)?; // mkfs punches holes
        Ok(self.machine.files.sync(new)?)
    }

    /// Mounted nowhere: a kill in between leaves nothing behind.
    fn try_mounting(&self, new: &Path) -> Result<()> {
        let device = self.machine.loops.attach(new, &self.attaching())?;
        let refused = |error| Error::NoQuotas {
            dir: self.path.to_owned(),
            reason: format!("this kernel does not mount an {FS} with prjquota ({error})"),
        };
        self.machine.mounts.open(&device, FS, &options()).map(drop).map_err(refused)
    }

    fn throw_away(&self, new: &Path) -> Result<()> {
        let files = &self.machine.files;
        let Some(left) = files.stat(new)? else { return Ok(()) };
        if left.kind != FileKind::Regular {
            return Err(Error::NotAFile { file: new.to_owned() });
        }
        Ok(files.throw_away(new)?)
    }

    /// Lets a mounted image, its device and its filesystem become as large as is configured. Killed in between, the same call
    /// goes on. Only for what is known to be the pool: before that nothing is changed.
    ///
    /// # Errors
    /// [`Error::NoRoomForImage`]: it stays as it is.
    pub fn grow(&self) -> Result<()> {
        let (file, size) = (&self.image.file, self.image.size);
        let found = self.found()?;
        if found.size < size {
            tracing::info!(pool = %self.pool, image = %file.display(), from = %found.size, to = %size, "the pool's image grows");
            let enlarged = reserve(self.machine, file, found.size, size);
            if let Err(error) = enlarged.and_then(|()| Ok(self.machine.files.set_len(file, size)?)) {
                self.machine.files.set_len(file, found.size)?; // frees what was allocated past the end, too
                return Err(if error.is_no_space() { self.no_room(size) } else { error });
            }
        } else if !self.reserve_again()? {
            tracing::warn!(pool = %self.pool, image = %file.display(), "there is no room to fill its holes again");
        }
        let mount = self.machine.mounts.at(self.path)?;
        let device =
            mount.and_then(|mount| mount.device).ok_or_else(|| Error::NotMounted { path: self.path.to_owned() })?;
        if self.machine.loops.size(device)? < size {
            self.machine.loops.set_capacity(device)?;
        }
        self.machine.mounts.thaw(self.path)?; // a growth that was killed may have left it frozen
        Ok(self.machine.mounts.grow(self.path, FS)?)
    }

    fn no_room(&self, size: Bytes) -> Error {
        let image = self.image.file.clone();
        let dir = image.parent().unwrap_or(Path::new("/"));
        let free = self.machine.files.space(dir).map(|space| space.available).unwrap_or_default();
        Error::NoRoomForImage { image, size, free }
    }
}
