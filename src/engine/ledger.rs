use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use super::{Error, Result};
use crate::config::PoolConfig;
use crate::host::{self, Files};
use crate::model::{Bytes, VolumeId};
use crate::store::PoolDir;

/// What a pool has promised: rebuilt from the records when starting, changed under one short lock.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Promises>);

#[derive(Default)]
struct Promises {
    /// Sizes of the volumes, and whether they are sparse.
    volumes: HashMap<VolumeId, (Bytes, bool)>,
    /// Images that are about to take blocks, or have lost some, and how many they will have then.
    pending: HashMap<VolumeId, (PathBuf, Bytes)>,
    /// Volumes whose images have lost some, and could not have them back.
    lacking: BTreeSet<VolumeId>,
}

/// The room of a pool, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// The size of the pool's filesystem.
    pub total: Bytes,
    /// What it has free.
    pub free: Bytes,
    /// What is never handed out.
    pub reserve: Bytes,
    /// What was admitted and is not allocated yet.
    pub pending: Bytes,
    /// What a reserved volume can still have.
    pub available: Bytes,
    /// The sizes of all volumes, added up.
    pub promised: Bytes,
    /// The same of the sparse ones.
    pub promised_sparse: Bytes,
    /// What may be promised to sparse volumes; `None`: no bound.
    pub sparse_bound: Option<Bytes>,
    /// How many volumes there are.
    pub volumes: usize,
}

/// A promise in the making, taken back when dropped before [`Admission::keep`].
pub(super) struct Admission<'a> {
    ledger: &'a Ledger,
    id: VolumeId,
    before: Option<(Bytes, bool)>,
}

/// What is asked of a pool.
pub(super) struct Ask<'a> {
    pub(super) id: &'a VolumeId,
    pub(super) image: PathBuf,
    pub(super) size: Bytes,
    pub(super) sparse: bool,
}

impl Ledger {
    pub(super) fn record(&self, id: &VolumeId, size: Bytes, sparse: bool) {
        self.promises().volumes.insert(id.clone(), (size, sparse));
    }

    pub(super) fn forget(&self, id: &VolumeId) {
        let mut promises = self.promises();
        promises.volumes.remove(id);
        promises.pending.remove(id);
        promises.lacking.remove(id);
    }

    /// The volumes that are reserved.
    pub(super) fn reserved(&self) -> Vec<VolumeId> {
        let promises = self.promises();
        let reserved = promises.volumes.iter().filter(|(_, (_, sparse))| !sparse);
        reserved.map(|(id, _)| id.clone()).collect()
    }

    /// What a reserved volume is promised.
    pub(super) fn reserved_for(&self, id: &VolumeId) -> Option<Bytes> {
        let promise = self.promises().volumes.get(id).copied();
        promise.filter(|(_, sparse)| !sparse).map(|(size, _)| size)
    }

    /// Whether an image has lost blocks that it was promised: those are nobody else's.
    pub(super) fn set_lacking(&self, id: &VolumeId, image: PathBuf, size: Option<Bytes>) {
        let mut promises = self.promises();
        match size {
            Some(size) => {
                promises.pending.insert(id.clone(), (image, size));
                promises.lacking.insert(id.clone());
            }
            None => {
                promises.pending.remove(id);
                promises.lacking.remove(id);
            }
        }
    }

    /// The volumes that lacked blocks when they were last looked at.
    pub(super) fn lacking(&self) -> Vec<VolumeId> {
        self.promises().lacking.iter().cloned().collect()
    }

    pub(super) fn clear(&self) {
        let mut promises = self.promises();
        promises.volumes.clear();
        promises.lacking.clear();
    }

    pub(super) fn room(&self, files: &dyn Files, config: &PoolConfig, dir: &PoolDir) -> Result<Room, host::Error> {
        self.promises().room(files, config, dir)
    }

    /// Promises a volume its size, or a volume that there is already a larger one.
    pub(super) fn admit(
        &self,
        files: &dyn Files,
        config: &PoolConfig,
        dir: &PoolDir,
        ask: Ask,
    ) -> Result<Admission<'_>> {
        let mut promises = self.promises();
        let room = promises.room(files, config, dir)?;
        let before = promises.volumes.get(ask.id).copied();
        let more = ask.size.saturating_sub(before.map(|(size, _)| size).unwrap_or_default());
        if ask.sparse {
            room.fits_sparse(config, more)?
        } else {
            room.fits(config, more)?
        }
        promises.volumes.insert(ask.id.clone(), (ask.size, ask.sparse));
        if !ask.sparse {
            promises.pending.insert(ask.id.clone(), (ask.image, ask.size));
        }
        Ok(Admission { ledger: self, id: ask.id.clone(), before })
    }

    fn promises(&self) -> MutexGuard<'_, Promises> {
        self.0.lock().expect("no holder panics")
    }
}

impl Promises {
    fn room(&self, files: &dyn Files, config: &PoolConfig, dir: &PoolDir) -> Result<Room, host::Error> {
        // The images first, the filesystem after: what is allocated in between counts twice, never not at all.
        let mut pending = Bytes::ZERO;
        for (image, size) in self.pending.values() {
            let allocated = files.stat(image)?.map(|stat| stat.allocated).unwrap_or_default();
            pending = pending.saturating_add(size.saturating_sub(allocated));
        }
        let space = files.space(dir.path())?;
        let reserve = config.reserve.of(space.total);
        let sizes = |sparse_only: bool| {
            let chosen = self.volumes.values().filter(move |(_, sparse)| *sparse || !sparse_only);
            chosen.map(|(size, _)| *size).sum()
        };
        Ok(Room {
            total: space.total,
            free: space.available,
            reserve,
            pending,
            available: space.available.saturating_sub(reserve).saturating_sub(pending).round_down(),
            promised: sizes(false),
            promised_sparse: sizes(true),
            sparse_bound: config.overcommit.of(space.total),
            volumes: self.volumes.len(),
        })
    }
}

impl Room {
    fn fits(&self, config: &PoolConfig, asked: Bytes) -> Result<()> {
        if asked <= self.available {
            return Ok(());
        }
        let Self { available, free, reserve, pending, .. } = *self;
        Err(Error::Full { pool: config.name.clone(), asked, available, free, reserve, pending })
    }

    fn fits_sparse(&self, config: &PoolConfig, asked: Bytes) -> Result<()> {
        if let Some(bound) = self.sparse_bound
            && self.promised_sparse.saturating_add(asked) > bound
        {
            let (pool, promised) = (config.name.clone(), self.promised_sparse);
            return Err(Error::Overcommitted { pool, asked, promised, bound });
        }
        if self.available > Bytes::ZERO { Ok(()) } else { self.fits(config, asked) }
    }
}

impl Admission<'_> {
    /// The promise holds.
    pub(super) fn keep(mut self) {
        let promises = self.ledger.promises();
        self.before = promises.volumes.get(&self.id).copied();
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut promises = self.ledger.promises();
        promises.pending.remove(&self.id);
        match self.before {
            Some(before) => promises.volumes.insert(self.id.clone(), before),
            None => promises.volumes.remove(&self.id),
        };
    }
}
