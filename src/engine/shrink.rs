use tracing::info_span;

use super::ledger::Promise;
use super::{Engine, Error, Found, Result, SizeRange};
use crate::backend;
use crate::model::{Bytes, Content, FsKind, VolumeId, VolumeSpec};

impl Engine {
    /// Gives a volume another size: grown online, or made smaller, where a limit is all that holds it or this engine keeps
    /// mounts. Returns it.
    pub fn resize(&self, id: &VolumeId, size: Bytes) -> Result<Bytes> {
        let found = self.existing(id)?;
        let may_shrink = self.keeps_mounts || found.pool.backend.has_limits();
        match may_shrink && size <= found.record.spec.size {
            true => self.shrink(id, size),
            false => self.expand(id, None, SizeRange { at_least: size, at_most: None }),
        }
    }

    /// Makes a volume smaller that is bounded by a limit: that is lowered at once, wherever the volume is mounted, but not
    /// below what is in it and a margin.
    ///
    /// Or an ext4 volume: taken off the places where it is wanted, shrunk, and put back. Where it cannot be, all
    /// is as before. One that is small enough is left as it is.
    ///
    /// In this order, so that whoever finds the volume after a kill finds a whole one:
    ///
    /// 1. *The filesystem has yet to grow* is written into the record, for it may soon be smaller than the volume.
    /// 2. The filesystem shrinks, what is overwritten kept in `shrink.undo`. While that file is there, the shrink has not
    ///    happened: the next start or mount takes it back. Without it the next mount grows the filesystem again.
    /// 3. The device goes: none is ever larger than its record.
    /// 4. The record says the new size. From here on the volume is smaller.
    /// 5. The image is cut, last, when nothing counts on what is past the end. An image that is longer than its record is
    ///    cut by every start and every mount.
    pub fn shrink(&self, id: &VolumeId, size: Bytes) -> Result<Bytes> {
        let lock = self.locks.lock(id)?;
        let mut found = self.existing(id)?;
        if size == found.record.spec.size {
            found.pool.backend.mend(&found.dir, &found.record)?; // the cut may have failed
            drop(lock);
            return self.expand(id, None, SizeRange { at_least: size, at_most: None });
        }
        self.may_shrink(&found, size)?;
        if found.pool.backend.has_limits() {
            return self.lower(&mut found, size).map(|()| size);
        }
        self.step_aside(&mut found)?;
        let shrunk = self.make_smaller(&mut found, size);
        self.put_back_after(&mut found, shrunk).map(|()| size)
    }

    /// What can be known without touching it.
    fn may_shrink(&self, found: &Found, asked: Bytes) -> Result<()> {
        let spec = &found.record.spec;
        if asked > spec.size {
            return Err(Error::Larger { size: spec.size, asked });
        }
        let has_limits = found.pool.backend.has_limits();
        if spec.content != Content::Filesystem(FsKind::Ext4) && !has_limits {
            return Err(Error::Unshrinkable { content: spec.content.to_string() });
        }
        if asked < VolumeSpec::SMALLEST {
            return Err(Error::TooSmall { asked });
        }
        if has_limits {
            let least = found.pool.backend.smallest(&found.dir, &found.record)?;
            return if least > asked { Err(Error::TooFull { asked, least }) } else { Ok(()) };
        }
        let presence = found.pool.backend.presence(&found.dir, &found.record, &self.machine.mounts.list()?)?;
        let Some(mount) = presence.mounts.first() else { return Ok(()) };
        let used = found.pool.backend.usage(&found.dir, &found.record, &mount.target)?.used;
        if used > asked { Err(Error::TooFull { asked, least: used }) } else { Ok(()) }
    }

    /// Where a limit is all: nothing has to leave its place.
    ///
    /// The limit first: killed before the record says so, the next start raises it again, as no success was answered.
    fn lower(&self, found: &mut Found, size: Bytes) -> Result<()> {
        found.pool.backend.shrink(&found.dir, &found.record, size).map_err(|error| match error {
            backend::Error::Filled { used } => Error::TooFull { asked: size, least: used },
            error => error.into(),
        })?;
        let before = found.record.clone();
        found.record_mut().set_size(size);
        if let Err(error) = self.save(found) {
            // In doubt the larger promise.
            found.record = self.records.load(&found.dir).ok().flatten().unwrap_or(before);
            found.pool.backend.trim(&found.dir, &found.record)?;
            return Err(error);
        }
        found.pool.ledger.record(&found.record.id, Promise::of(found.dir.clone(), &found.record));
        Ok(())
    }

    fn make_smaller(&self, found: &mut Found, size: Bytes) -> Result<()> {
        let _step = info_span!("make smaller").entered();
        // What an earlier shrink has left half done, nothing may be done to but that: it would be mixed up with the rest.
        found.pool.backend.take_back_shrink(&found.dir, &found.record)?;
        let least = found.pool.backend.smallest(&found.dir, &found.record)?;
        if least > size {
            return Err(Error::TooFull { asked: size, least });
        }
        let before = found.record.clone();
        found.record_mut().grown_to = size.min(before.grown_to);
        self.save(found)?;
        found.pool.backend.shrink(&found.dir, &found.record, size)?;
        found.record_mut().set_size(size);
        // Written it may be though it failed, but not on disk: then the image must not be cut.
        let saved = self.save(found).or_else(|_| self.save(found));
        if saved.is_err() {
            let there = self.records.load(&found.dir);
            found.record = there.ok().flatten().unwrap_or(before); // in doubt the larger promise
        }
        // Before the cut: what a reserved volume was promised is allocated again behind the calls.
        found.pool.ledger.record(&found.record.id, Promise::of(found.dir.clone(), &found.record));
        saved?;
        Ok(found.pool.backend.trim(&found.dir, &found.record)?)
    }
}
