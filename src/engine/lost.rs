use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use super::pool::Pool;
use super::{Engine, Error};
use crate::model::{PoolName, VolumeId};

/// The volumes that pools had when they were lost. No more is known of them than their names: what they are stands in their
/// records.
#[derive(Default)]
pub(super) struct Lost(Mutex<BTreeMap<PoolName, BTreeSet<VolumeId>>>);

impl Lost {
    /// A pool is about to be served no more.
    pub(super) fn remember(&self, pool: &Pool) {
        self.all().insert(pool.name().clone(), pool.ledger.ids().into_iter().collect());
    }

    /// It is served again.
    pub(super) fn forget(&self, pool: &Pool) {
        self.all().remove(pool.name());
    }

    fn of(&self, pool: &Pool) -> BTreeSet<VolumeId> {
        self.all().get(pool.name()).cloned().unwrap_or_default()
    }

    fn has(&self, pool: &Pool, id: &VolumeId) -> bool {
        self.all().get(pool.name()).is_some_and(|ids| ids.contains(id))
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<PoolName, BTreeSet<VolumeId>>> {
        self.0.lock().expect("no holder panics")
    }
}

impl Engine {
    /// The volumes of pools that are out of reach, as far as those were served before.
    pub fn lost_volumes(&self) -> Vec<VolumeId> {
        let lost = self.pools.iter().filter(|pool| pool.still_there(&self.machine).is_err());
        lost.flat_map(|pool| self.lost.of(pool).into_iter().chain(pool.ledger.ids())).collect()
    }

    /// That a volume lies in a pool that is out of reach, and had it when it was served last.
    pub(super) fn lost(&self, id: &VolumeId) -> Option<Error> {
        // One that is just lost may still be taken for served.
        let had = |pool: &&Pool| pool.ledger.has(id) || self.lost.has(pool, id);
        self.pools.iter().filter(had).find_map(|pool| self.out_of_reach(pool, id))
    }
}
