use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::ledger::Promise;
use super::{Error, Result};
use crate::backend::Backend;
use crate::config::{Overcommit, PoolConfig};
use crate::host::{self, Machine};
use crate::model::{Bytes, ProjectId, VolumeId};
use crate::store::{PoolDir, VolumeDir};

/// Where is counted: a pool, and what can be asked of it.
pub(super) struct Ground {
    pub(super) config: PoolConfig,
    pub(super) dir: PoolDir,
    pub(super) backend: Arc<dyn Backend>,
}

/// What one pool has promised.
pub(super) struct Promises {
    ground: Arc<Ground>,
    pub(super) volumes: HashMap<VolumeId, Promise>,
    /// Images that are about to take blocks, or have lost some, and how many they will have then.
    pub(super) pending: HashMap<VolumeId, (VolumeDir, Bytes)>,
    /// Volumes whose images have lost some, and could not have them back.
    pub(super) lacking: BTreeSet<VolumeId>,
}

/// What one pool has promised, and what was promised beside it of the same filesystem.
pub(super) struct Account<'a> {
    own: &'a Promises,
    beside: Vec<&'a Promises>,
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
    /// What was admitted and is not allocated yet, and what is not filled of limits: of this pool's, and of all others that
    /// take from the same filesystem.
    pub pending: Bytes,
    /// What a volume can still have that is not sparse.
    pub available: Bytes,
    /// The sizes of all volumes, added up.
    pub promised: Bytes,
    /// The same of the sparse ones.
    pub promised_sparse: Bytes,
    /// What may be promised to sparse volumes, less what other pools on the filesystem have promised to theirs; `None`: no bound.
    pub sparse_bound: Option<Bytes>,
    /// How many volumes there are.
    pub volumes: usize,
}

impl Ground {
    /// Whether volumes take what they are promised only as it is written, and nothing but a limit holds them to it.
    pub(super) fn has_limits(&self) -> bool {
        self.backend.has_limits()
    }

    /// Whether a promise is bound by nothing but what others have been promised.
    pub(super) fn is_sparse(&self, sparse: bool) -> bool {
        sparse || self.has_limits() && self.config.overcommit == Overcommit::Unlimited
    }
}

impl Promises {
    pub(super) fn none(ground: &Arc<Ground>) -> Self {
        Self {
            ground: ground.clone(),
            volumes: HashMap::default(),
            pending: HashMap::default(),
            lacking: BTreeSet::default(),
        }
    }

    /// Whether others must leave the room for them.
    fn are_kept(&self) -> bool {
        !self.ground.is_sparse(false)
    }

    fn sizes(&self, sparse_only: bool) -> Bytes {
        let chosen = self.volumes.values().filter(move |promise| promise.sparse || !sparse_only);
        chosen.map(|promise| promise.size).sum()
    }

    /// The limits that volumes have.
    fn limits(&self) -> Bytes {
        if self.ground.has_limits() { self.sizes(false) } else { Bytes::ZERO }
    }

    /// What volumes may still take without asking anybody.
    fn pending(&self) -> Result<Bytes, host::Error> {
        let mut pending = Bytes::ZERO;
        let mut add = |dir: &VolumeDir, project: Option<ProjectId>, size: Bytes| {
            let taken = self.ground.backend.taken(dir, project)?;
            pending = pending.saturating_add(size.saturating_sub(taken));
            Ok::<_, host::Error>(())
        };
        match self.ground.has_limits() {
            true => {
                self.volumes.values().try_for_each(|Promise { dir, project, size, .. }| add(dir, *project, *size))?
            }
            false => self.pending.values().try_for_each(|(dir, size)| add(dir, None, *size))?,
        }
        Ok(pending)
    }

    /// The same as if nothing of it were taken yet: nobody is asked.
    fn pending_at_worst(&self) -> Bytes {
        match self.ground.has_limits() {
            true => self.sizes(false),
            false => self.pending.values().map(|(_, size)| *size).sum(),
        }
    }
}

impl<'a> Account<'a> {
    /// That of a pool, among all on its filesystem.
    pub(super) fn of(own: &'a Promises, all: impl Iterator<Item = &'a Promises>) -> Self {
        let beside = all.filter(|other| !Arc::ptr_eq(&other.ground, &own.ground) && other.are_kept());
        Self { own, beside: beside.collect() }
    }

    /// As if so much more were free.
    pub(super) fn room(&self, machine: &Machine, more: Bytes) -> Result<Room, host::Error> {
        // The volumes first, the filesystem after: what is allocated in between counts twice, never not at all.
        let add = |sum: Bytes, promises: &Promises| Ok::<_, host::Error>(sum.saturating_add(promises.pending()?));
        let pending = self.all().try_fold(Bytes::ZERO, add)?;
        self.room_but(machine, more, pending)
    }

    /// The same as if all that is promised had yet to be taken.
    pub(super) fn at_worst(&self, machine: &Machine, more: Bytes) -> Result<Room, host::Error> {
        self.room_but(machine, more, self.all().map(Promises::pending_at_worst).sum())
    }

    fn all(&self) -> impl Iterator<Item = &Promises> {
        std::iter::once(self.own).chain(self.beside.iter().copied())
    }

    fn room_but(&self, machine: &Machine, more: Bytes, pending: Bytes) -> Result<Room, host::Error> {
        let Ground { config, dir, .. } = &*self.own.ground;
        let has_limits = self.own.ground.has_limits();
        let space = machine.files.space(dir.path())?;
        let unused = space.available.saturating_add(more);
        // What any of them never hands out, none does.
        let reserves = self.all().map(|promises| promises.ground.config.reserve.of(space.total));
        let reserve = reserves.max().unwrap_or_default();
        let limits = self.all().map(Promises::limits).sum();
        let available = match config.overcommit {
            Overcommit::Unlimited if has_limits => unused.saturating_sub(reserve),
            bound if has_limits => {
                bound.more_of(space.total, reserve, limits).min(bound.more_of(unused, reserve, pending))
            }
            _ => unused.saturating_sub(reserve).saturating_sub(pending),
        };
        Ok(Room {
            total: space.total,
            free: space.available,
            reserve,
            pending,
            available: available.round_down(),
            promised: self.own.sizes(false),
            promised_sparse: self.own.sizes(true),
            sparse_bound: config
                .overcommit
                .of(space.total)
                .filter(|_| !has_limits)
                .map(|bound| bound.saturating_sub(self.beside.iter().map(|promises| promises.sizes(true)).sum())),
            volumes: self.own.volumes.len(),
        })
    }
}

impl Room {
    pub(super) fn fits(&self, config: &PoolConfig, asked: Bytes) -> Result<()> {
        if asked <= self.available {
            return Ok(());
        }
        let Self { available, free, reserve, pending, .. } = *self;
        Err(Error::Full { pool: config.name.clone(), asked, available, free, reserve, pending })
    }

    pub(super) fn fits_sparse(&self, config: &PoolConfig, asked: Bytes) -> Result<()> {
        if let Some(bound) = self.sparse_bound
            && self.promised_sparse.saturating_add(asked) > bound
        {
            let (pool, promised) = (config.name.clone(), self.promised_sparse);
            return Err(Error::Overcommitted { pool, asked, promised, bound });
        }
        if self.available > Bytes::ZERO { Ok(()) } else { self.fits(config, asked) }
    }
}
