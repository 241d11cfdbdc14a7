use std::sync::atomic::Ordering;

use super::pool::Pool;
use super::{Engine, Error, Result, SetAside};
use crate::host::MountEntry;
use crate::model::{Content, VolumeId};
use crate::store::{self, Phase, Record};

impl Engine {
    /// Opens every pool and brings what an earlier process left in order: *Creating* is undone (no success was ever
    /// answered), *Ready* is checked. One bad record is set aside and reported, and never stops the node.
    pub fn recover(&self) {
        for pool in &self.pools {
            self.open(pool);
        }
        self.recovered.store(true, Ordering::Release);
    }

    /// What is done behind the calls, again and again: pools that were not served are tried, those that are served are
    /// looked at, and the trash is emptied.
    pub fn tend(&self) {
        for pool in &self.pools {
            if !pool.is_served() {
                self.open(pool);
            } else if pool.still_there(&self.machine).is_ok() {
                pool.prove_again(&self.machine, &self.backend);
                if let Err(error) = pool.empty_trash(&self.machine) {
                    tracing::warn!(pool = %pool.name(), %error, "the trash is emptied later");
                }
            }
        }
    }

    fn open(&self, pool: &Pool) {
        let before = pool.state().as_ref().err().cloned();
        let opened = pool.open(&self.machine, &self.backend);
        let served = opened.and_then(|served| match self.recover_pool(pool) {
            Ok(()) => Ok(served),
            Err(error) => Err(error.to_string()),
        });
        match &served {
            Ok(served) => {
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
        pool.serve(served);
    }

    fn recover_pool(&self, pool: &Pool) -> Result<()> {
        pool.ledger.clear();
        self.set_aside.write().expect("no holder panics").retain(|aside| !aside.path.starts_with(pool.dir.path()));
        let mounts = self.machine.mounts.list()?;
        for name in self.machine.files.list(&pool.dir.volumes())? {
            if let Err(error) = self.recover_volume(pool, &name, &mounts) {
                let path = pool.dir.volumes().join(&name);
                tracing::error!(path = %path.display(), %error, "set aside, and nothing is done to it");
                let aside = SetAside { path, reason: error.to_string() };
                self.set_aside.write().expect("no holder panics").push(aside);
            }
        }
        Ok(())
    }

    fn recover_volume(&self, pool: &Pool, name: &str, mounts: &[MountEntry]) -> Result<()> {
        let path = pool.dir.volumes().join(name);
        let unreadable = |reason: &str| store::Error::Unreadable { file: path.clone(), reason: reason.to_owned() };
        let id = VolumeId::parse(name).map_err(|error| unreadable(&error.to_string()))?;
        let dir = pool.dir.volume(&id);
        let Some(record) = Record::load(&*self.machine.files, &dir)? else {
            // The record is written first: a call that was killed before leaves an empty directory.
            let names = self.machine.files.list(dir.path())?;
            return match names.iter().find(|name| *name != "volume.yaml.new") {
                None => self.discard(pool, &id),
                Some(name) => Err(unreadable(&format!("there is no record, and there is '{name}'")).into()),
            };
        };
        match record.phase {
            Phase::Creating => {
                tracing::info!(volume = %id, "a volume that was not finished is undone");
                self.discard(pool, &id)
            }
            Phase::Ready => {
                pool.ledger.record(&id, record.spec.size, record.spec.sparse);
                self.recover_ready(&dir, &record, mounts)
            }
        }
    }

    /// A fault of a volume is a matter of its health, not of the start.
    fn recover_ready(&self, dir: &store::VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<()> {
        if let Err(error) = self.backend.mend(dir, record) {
            tracing::error!(volume = %record.id, %error, "the volume is not in order");
            return Ok(());
        }
        if record.spec.content == Content::Block {
            self.backend.detach_orphan(dir, &record.id, mounts).map_err(Error::from)?;
        }
        Ok(())
    }
}
