use std::sync::{Arc, Mutex, MutexGuard, RwLock, RwLockReadGuard};

use nix::errno::Errno;
use ulid::Ulid;

use super::ledger::{Admission, Ledger, Library, Promise};
use super::opening::Proofs;
use super::projects::Limits;
use super::room::{Ground, Room};
use super::{Error, Result};
use crate::backend::{self, Backend};
use crate::config::PoolConfig;
use crate::host::{self, Lock, Machine};
use crate::model::{Bytes, PoolName, VolumeId};
use crate::store::{PoolDir, VolumeDir};

/// A directory in which volumes live, and what it has promised.
pub(super) struct Pool {
    pub(super) config: PoolConfig,
    pub(super) dir: PoolDir,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) ledger: Ledger,
    state: RwLock<Result<Served, String>>,
    /// What a pool of limits has besides, from its opening on.
    limits: RwLock<Option<Limits>>,
    /// Held by whoever empties the trash: whoever comes second waits for the room that the first one makes.
    emptying: Mutex<()>,
}

/// A pool that is served.
#[derive(Clone)]
pub(super) struct Served {
    /// The id in its marker.
    pub(super) marker: String,
    /// The longest file that it can hold.
    pub(super) longest: Bytes,
    /// Which filesystems it can make and mount.
    pub(super) filesystems: Proofs,
    /// There is never a second writer: held as long as the pool is served.
    pub(super) _lock: Arc<Lock>,
}

impl Pool {
    pub(super) fn new(machine: &Machine, config: PoolConfig) -> Self {
        let dir = PoolDir::new(&config.path);
        let state = RwLock::new(Err("it has not been opened yet".to_owned()));
        let backend: Arc<dyn Backend> = backend::of(config.backend, machine).into();
        let ground = Ground { config: config.clone(), dir: dir.clone(), backend: backend.clone() };
        Self {
            config,
            dir,
            backend,
            ledger: Ledger::new(ground),
            state,
            limits: RwLock::default(),
            emptying: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &PoolName {
        &self.config.name
    }

    /// Why it is not served, where it is not.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, Result<Served, String>> {
        self.state.read().expect("no holder panics")
    }

    pub(super) fn is_served(&self) -> bool {
        self.state().is_ok()
    }

    /// What a pool of limits has besides; none before it is opened.
    pub(super) fn limits(&self) -> Option<Limits> {
        self.limits.read().expect("no holder panics").clone()
    }

    pub(super) fn set_limits(&self, limits: Limits) {
        *self.limits.write().expect("no holder panics") = Some(limits);
    }

    /// The pool, where it is served.
    pub(super) fn served(&self) -> Result<Served> {
        let refused = |reason: &String| Error::NotServed { pool: self.name().clone(), reason: reason.clone() };
        self.state().as_ref().map(Clone::clone).map_err(refused)
    }

    pub(super) fn serve(&self, machine: &Machine, served: Result<Served, String>) {
        let is_lost = served.is_err();
        *self.state.write().expect("no holder panics") = served;
        if is_lost {
            self.leave(machine);
        }
    }

    /// What a pool that is not served has promised still counts for others, while its filesystem is there: limits go on to hold. Else
    /// nothing of it does: where it lay, or under that number, another filesystem may come to lie.
    fn leave(&self, machine: &Machine) {
        let there = machine.files.stat(self.dir.path()).ok().flatten();
        if there.is_none_or(|there| !self.ledger.is_of(there.id.device)) {
            self.ledger.leave();
        }
        let limits = self.limits.write().expect("no holder panics").take();
        if let Some(limits) = limits {
            limits.projects.leave(self.dir.path());
        }
    }

    /// Begins to count what is promised, beside the other pools on its filesystem.
    pub(super) fn begin(&self, machine: &Machine, library: &Library) -> Result<(), host::Error> {
        let there = machine.files.stat(self.dir.path())?;
        let there = there.ok_or_else(|| host::Error::call("stat", self.dir.path(), Errno::ENOENT))?;
        self.ledger.begin(library, there.id.device);
        Ok(())
    }

    /// A place in the trash that nothing has had yet.
    pub(super) fn trash_for(&self, id: &VolumeId) -> VolumeDir {
        VolumeDir::in_trash(&self.dir, id, Ulid::generate())
    }

    /// The right to take things out of the trash, or to keep them there for a moment.
    pub(super) fn emptying(&self) -> MutexGuard<'_, ()> {
        self.emptying.lock().expect("no holder panics")
    }

    /// Takes everything in the trash away. What cannot be taken away stops nothing else.
    pub(super) fn empty_trash(&self, machine: &Machine) -> Result<()> {
        let _alone = self.emptying();
        let mut failed = None;
        for name in machine.files.list(&self.dir.trash())? {
            let dir = VolumeDir::found_in_trash(&self.dir, &name);
            match (self.backend.reclaim(&dir), self.limits()) {
                (Ok(()), Some(limits)) => limits.projects.release(dir.path()),
                (Ok(()), None) => {}
                (Err(error), _) => drop(failed.get_or_insert(error)),
            }
        }
        Ok(failed.map_or(Ok(()), Err)?)
    }

    pub(super) fn room(&self, machine: &Machine) -> Result<Room> {
        Ok(self.ledger.room(machine)?)
    }

    /// What to say when blocks that were admitted could not be had.
    pub(super) fn ran_full(&self, machine: &Machine, asked: Bytes) -> Error {
        let room = self.room(machine);
        room.map_or_else(
            |error| error,
            |Room { free, reserve, .. }| Error::RanFull { pool: self.name().clone(), asked, free, reserve },
        )
    }

    /// Promises room. Where there is none, the trash is emptied and the question asked once more.
    pub(super) fn admit(&self, machine: &Machine, id: &VolumeId, promise: Promise) -> Result<Admission<'_>> {
        let longest = self.served()?.longest;
        if promise.size > longest {
            return Err(Error::TooLong { pool: self.name().clone(), asked: promise.size, longest });
        }
        match self.ledger.admit(machine, id, promise.clone()) {
            Err(Error::Full { .. }) => {
                if let Err(error) = self.empty_trash(machine) {
                    tracing::warn!(pool = %self.name(), %error, "the trash is not empty");
                }
                self.ledger.admit(machine, id, promise)
            }
            other => other,
        }
    }
}
