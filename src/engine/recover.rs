use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::ledger::Promise;
use super::pool::Pool;
use super::{Engine, Error, Result, SetAside};
use crate::backend::PoolDisk;
use crate::model::VolumeId;
use crate::store::{self, Phase, Record};

impl Engine {
    /// Opens every pool and brings what an earlier process left in order: *Creating* is undone (no success was ever
    /// answered), *Ready* is checked,
    /// and mounted where it is wanted. One bad record is set aside and reported, and never stops the node.
    pub fn recover(&self) {
        for pool in &self.pools {
            self.open(pool);
        }
        self.remount();
        self.recovered.store(true, Ordering::Release);
    }

    /// What is done behind the calls, again and again: pools that were not served are tried, those that are served are
    /// looked at, and the trash is emptied.
    pub fn tend(&self) {
        // First what is lost, all of it: the number of its filesystem may be that of one that comes back.
        let is_lost = |pool: &&Pool| pool.is_served() && !self.keeps_serving(pool);
        let lost: Vec<_> = self.pools.iter().filter(is_lost).map(Pool::name).collect();
        let mut is_back = false;
        for pool in &self.pools {
            match pool.is_served() {
                true => self.tend_served(pool),
                // Tried the next time; but an image of its own is mounted again at once.
                false if lost.contains(&pool.name()) && pool.config.limits.image.is_none() => {}
                false => is_back |= self.open(pool),
            }
        }
        match is_back {
            true => self.remount(), // one has come back, with its volumes
            false => self.remount_absent(),
        }
    }

    /// Serves a pool no more that is not there.
    fn keeps_serving(&self, pool: &Pool) -> bool {
        pool.still_there(&self.machine).map_err(|error| self.lose(pool, error)).is_ok()
    }

    fn lose(&self, pool: &Pool, error: Error) {
        tracing::error!(pool = %pool.name(), %error, "the pool is not served any more");
        self.lost.remember(pool);
        let reason = match error {
            Error::NotServed { reason, .. } => reason,
            error => error.to_string(),
        };
        pool.serve(&self.machine, Err(reason));
    }

    fn tend_served(&self, pool: &Pool) {
        if let Err(error) = pool.prove_again(&self.machine) {
            return self.lose(pool, error);
        }
        if let Some(Ok(false) | Err(_)) = PoolDisk::of(&self.machine, &pool.config).map(|disk| disk.reserve_again()) {
            tracing::warn!(pool = %pool.name(), "its image has holes, and there is no room to fill them");
        }
        self.reserve_again(pool);
        self.undo_again(pool);
        if let Some(limits) = pool.limits() {
            limits.write_names(pool); // somebody may have taken them away
        }
        if let Err(error) = pool.empty_trash(&self.machine) {
            tracing::warn!(pool = %pool.name(), %error, "the trash is emptied later");
        }
    }

    /// A discard inside a reserved volume gives its blocks back to the pool. They are taken again before somebody else
    /// does; where that fails, they count as promised.
    fn reserve_again(&self, pool: &Pool) {
        for id in pool.ledger.reserved() {
            let Ok(_lock) = self.locks.lock_behind(&id) else { continue }; // looked at the next time
            // Asked now: it may have shrunk meanwhile, or be gone.
            let Some(size) = pool.ledger.reserved_for(&id) else { continue };
            let dir = pool.dir.volume(&id);
            let lacking = matches!(pool.backend.reserve_again(&dir, size), Ok(false)).then_some(size);
            pool.ledger.set_lacking(&id, dir, lacking);
        }
    }

    /// A call that failed, and could not take away what it had made, leaves a directory that no promise is made for. Until the next
    /// start nobody else would come by.
    fn undo_again(&self, pool: &Pool) {
        let names = self.machine.files.list(&pool.dir.volumes()).unwrap_or_default(); // a pool that is lost says so itself
        let is_unknown = |name: &&String| VolumeId::parse(name).is_ok_and(|id| !pool.ledger.has(&id));
        let is_aside = |name: &str| {
            let (path, aside) = (pool.dir.volumes().join(name), self.set_aside.read().expect("no holder panics"));
            aside.iter().any(|aside| aside.path == path)
        };
        for name in names.iter().filter(is_unknown).filter(|name| !is_aside(name)) {
            if let Err(error) = self.recover_volume(pool, name) {
                tracing::debug!(pool = %pool.name(), name, %error, "left alone for now");
            }
        }
    }

    /// Whether it is served now.
    fn open(&self, pool: &Pool) -> bool {
        let before = pool.state().as_ref().err().cloned();
        let alone = pool.ledger.at_rest();
        let opened = match alone {
            Some(_) => pool.open(&self.machine, &self.tables),
            None => Err("a call that began before it was lost still works on it".to_owned()),
        };
        let served = opened.and_then(|served| match self.recover_pool(pool) {
            Ok(()) => Ok(served),
            Err(error) => Err(error.to_string()),
        });
        match &served {
            Ok(served) => {
                self.lost.forget(pool);
                tracing::info!(pool = %pool.name(), path = %pool.dir.path().display(), "the pool is served");
                for (fs, reason) in
                    served.filesystems.iter().filter_map(|(fs, proven)| Some((fs, proven.as_ref().err()?)))
                {
                    tracing::error!(pool = %pool.name(), %fs, reason, "the filesystem is not available");
                }
            }
            Err(reason) if before.as_ref() != Some(reason) => {
                tracing::error!(pool = %pool.name(), reason, "the pool is not served");
            }
            Err(_) => {} // said before
        }
        let is_served = served.is_ok();
        pool.serve(&self.machine, served);
        is_served
    }

    fn recover_pool(&self, pool: &Pool) -> Result<()> {
        pool.begin(&self.machine, &self.library)?;
        self.set_aside.write().expect("no holder panics").retain(|aside| !aside.path.starts_with(pool.dir.path()));
        let mut known = BTreeSet::new();
        for name in self.machine.files.list(&pool.dir.volumes())? {
            match self.recover_volume(pool, &name) {
                Ok(()) => known.extend(VolumeId::parse(&name)),
                // A call that began before the pool was lost: it must not be undone under its hands.
                Err(error @ Error::Busy(_)) => return Err(error),
                Err(error) => {
                    let path = pool.dir.volumes().join(&name);
                    tracing::error!(path = %path.display(), %error, "set aside, and nothing is done to it");
                    let aside = SetAside { path, reason: error.to_string() };
                    self.set_aside.write().expect("no holder panics").push(aside);
                }
            }
        }
        pool.ledger.keep_only(&known);
        Ok(())
    }

    fn recover_volume(&self, pool: &Pool, name: &str) -> Result<()> {
        let path = pool.dir.volumes().join(name);
        let unreadable = |reason: &str| store::Error::Unreadable { file: path.clone(), reason: reason.to_owned() };
        let id = VolumeId::parse(name).map_err(|error| unreadable(&error.to_string()))?;
        let _lock = self.locks.lock_behind(&id)?;
        let dir = pool.dir.volume(&id);
        let Some(mut record) = self.records.load(&dir)? else {
            return match self.remains(&dir)? {
                None => {
                    pool.ledger.forget(&id);
                    self.discard(pool, &id)
                }
                Some(reason) => Err(unreadable(&reason).into()),
            };
        };
        match record.phase {
            Phase::Creating => {
                tracing::info!(volume = %id, "a volume that was not finished is undone");
                pool.ledger.forget(&id);
                self.discard(pool, &id)
            }
            Phase::Ready if record.taken_from.is_some() => self.recover_import(pool, &dir, Arc::make_mut(&mut record)),
            Phase::Ready => {
                pool.ledger.record(&id, Promise::of(dir.clone(), &record));
                self.recover_ready(pool, &dir, &record)
            }
        }
    }

    /// A fault of a volume is a matter of its health, not of the start.
    fn recover_ready(&self, pool: &Pool, dir: &store::VolumeDir, record: &Record) -> Result<()> {
        if let Err(error) = store::tidy(&*self.machine.files, dir) {
            tracing::warn!(volume = %record.id, %error, "half a record stays beside the whole one for now");
        }
        if let Err(error) = pool.backend.mend(dir, record) {
            tracing::error!(volume = %record.id, %error, "the volume is not in order");
        }
        Ok(())
    }
}
