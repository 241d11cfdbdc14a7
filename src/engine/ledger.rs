use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use super::{Error, Result};
use crate::backend::Backend;
use crate::config::{Overcommit, PoolConfig};
use crate::host::{self, Machine};
use crate::model::{Bytes, ProjectId, VolumeId};
use crate::store::{PoolDir, Record, VolumeDir};

/// What a pool has promised: rebuilt from the records when starting, changed under one short lock.
#[derive(Default)]
pub(super) struct Ledger(Mutex<Promises>);

/// A volume's size, that it was promised.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) dir: VolumeDir,
    pub(super) project: Option<ProjectId>,
    pub(super) size: Bytes,
    pub(super) sparse: bool,
}

/// Where a ledger counts: the pool, and what can be asked of it.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) machine: &'a Machine,
    pub(super) config: &'a PoolConfig,
    pub(super) dir: &'a PoolDir,
    pub(super) backend: &'a dyn Backend,
}

#[derive(Default)]
struct Promises {
    volumes: HashMap<VolumeId, Promise>,
    /// Images that are about to take blocks, or have lost some, and how many they will have then.
    pending: HashMap<VolumeId, (VolumeDir, Bytes)>,
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
    /// What was admitted and is not allocated yet; in a pool of limits, what is not filled of them.
    pub pending: Bytes,
    /// What a volume can still have that is not sparse.
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
    before: Option<Promise>,
}

impl Promise {
    pub(super) fn of(dir: VolumeDir, record: &Record) -> Self {
        Self { dir, project: record.project, size: record.spec.size, sparse: record.spec.sparse }
    }
}

impl Ground<'_> {
    /// Whether volumes take what they are promised only as it is written, and nothing but a limit holds them to it.
    fn has_limits(&self) -> bool {
        self.backend.has_limits()
    }

    /// Whether a promise is bound by nothing but what others have been promised.
    pub(super) fn is_sparse(&self, sparse: bool) -> bool {
        sparse || self.has_limits() && self.config.overcommit == Overcommit::Unlimited
    }
}

impl Ledger {
    pub(super) fn record(&self, id: &VolumeId, promise: Promise) {
        self.promises().volumes.insert(id.clone(), promise);
    }

    pub(super) fn forget(&self, id: &VolumeId) {
        let mut promises = self.promises();
        promises.volumes.remove(id);
        promises.pending.remove(id);
        promises.lacking.remove(id);
    }

    pub(super) fn has(&self, id: &VolumeId) -> bool {
        self.promises().volumes.contains_key(id)
    }

    pub(super) fn ids(&self) -> Vec<VolumeId> {
        self.promises().volumes.keys().cloned().collect()
    }

    /// The volumes that are reserved.
    pub(super) fn reserved(&self) -> Vec<VolumeId> {
        let promises = self.promises();
        let reserved = promises.volumes.iter().filter(|(_, promise)| !promise.sparse);
        reserved.map(|(id, _)| id.clone()).collect()
    }

    /// What a reserved volume is promised.
    pub(super) fn reserved_for(&self, id: &VolumeId) -> Option<Bytes> {
        self.promises().volumes.get(id).filter(|promise| !promise.sparse).map(|promise| promise.size)
    }

    /// Whether an image has lost blocks that it was promised: those are nobody else's.
    pub(super) fn set_lacking(&self, id: &VolumeId, dir: VolumeDir, size: Option<Bytes>) {
        let mut promises = self.promises();
        match size {
            Some(size) => {
                promises.pending.insert(id.clone(), (dir, size));
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

    pub(super) fn room(&self, ground: Ground) -> Result<Room, host::Error> {
        self.promises().room(ground, Bytes::ZERO)
    }

    /// Promises a volume its size, or a volume that there is already a larger one.
    pub(super) fn admit(&self, ground: Ground, id: &VolumeId, promise: Promise) -> Result<Admission<'_>> {
        self.admit_held(ground, id, promise, Bytes::ZERO)
    }

    /// The same of something that lies on the filesystem already, and takes so much there.
    pub(super) fn admit_held(
        &self,
        ground: Ground,
        id: &VolumeId,
        promise: Promise,
        held: Bytes,
    ) -> Result<Admission<'_>> {
        let mut promises = self.promises();
        let before = promises.volumes.get(id).cloned();
        let more = promise.size.saturating_sub(before.as_ref().map(|before| before.size).unwrap_or_default());
        let fits = |room: Room| match ground.is_sparse(promise.sparse) {
            true => room.fits_sparse(ground.config, more),
            false => room.fits(ground.config, more),
        };
        // Where there is room though nothing were filled yet of what is promised, no volume has to be asked.
        let is_roomy = ground.has_limits() && fits(promises.at_worst(ground, held)?).is_ok();
        if !is_roomy {
            fits(promises.room(ground, held)?)?;
        }
        if !promise.sparse && !ground.has_limits() {
            promises.pending.insert(id.clone(), (promise.dir.clone(), promise.size));
        }
        promises.volumes.insert(id.clone(), promise);
        Ok(Admission { ledger: self, id: id.clone(), before })
    }

    fn promises(&self) -> MutexGuard<'_, Promises> {
        self.0.lock().expect("no holder panics")
    }
}

impl Promises {
    /// As if so much more were free.
    fn room(&self, ground: Ground, more: Bytes) -> Result<Room, host::Error> {
        // The volumes first, the filesystem after: what is allocated in between counts twice, never not at all.
        let pending = self.pending(ground)?;
        self.room_beside(ground, more, pending)
    }

    /// The same as if all that is promised had yet to be taken.
    fn at_worst(&self, ground: Ground, more: Bytes) -> Result<Room, host::Error> {
        self.room_beside(ground, more, self.volumes.values().map(|promise| promise.size).sum())
    }

    fn room_beside(&self, ground: Ground, more: Bytes, pending: Bytes) -> Result<Room, host::Error> {
        let Ground { machine, config, dir, .. } = ground;
        let space = machine.files.space(dir.path())?;
        let unused = space.available.saturating_add(more);
        let reserve = config.reserve.of(space.total);
        let sizes = |sparse_only: bool| {
            let chosen = self.volumes.values().filter(move |promise| promise.sparse || !sparse_only);
            chosen.map(|promise| promise.size).sum()
        };
        let promised = sizes(false);
        let free = unused.saturating_sub(reserve).saturating_sub(pending);
        let available = match config.overcommit {
            _ if !ground.has_limits() => free,
            Overcommit::Unlimited => unused.saturating_sub(reserve),
            bound => bound.more_of(space.total, reserve, promised).min(bound.more_of(unused, reserve, pending)),
        };
        Ok(Room {
            total: space.total,
            free: space.available,
            reserve,
            pending,
            available: available.round_down(),
            promised,
            promised_sparse: sizes(true),
            sparse_bound: config.overcommit.of(space.total).filter(|_| !ground.has_limits()),
            volumes: self.volumes.len(),
        })
    }

    /// What volumes may still take without asking anybody.
    fn pending(&self, ground: Ground) -> Result<Bytes, host::Error> {
        let mut pending = Bytes::ZERO;
        let mut add = |dir: &VolumeDir, project, size: Bytes| {
            let taken = ground.backend.taken(dir, project)?;
            pending = pending.saturating_add(size.saturating_sub(taken));
            Ok::<_, host::Error>(())
        };
        match ground.has_limits() {
            true => {
                self.volumes.values().try_for_each(|Promise { dir, project, size, .. }| add(dir, *project, *size))?
            }
            false => self.pending.values().try_for_each(|(dir, size)| add(dir, None, *size))?,
        }
        Ok(pending)
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
        self.before = promises.volumes.get(&self.id).cloned();
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let mut promises = self.ledger.promises();
        promises.pending.remove(&self.id);
        match self.before.take() {
            Some(before) => promises.volumes.insert(self.id.clone(), before),
            None => promises.volumes.remove(&self.id),
        };
    }
}
