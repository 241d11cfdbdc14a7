use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::pool::Pool;
use super::room::Room;
use super::{Engine, Error, Result};
use crate::backend::Fault;
use crate::config::PoolConfig;
use crate::model::{Bytes, FsKind, Usage, VolumeId};
use crate::store::Record;

/// Everything there is to say of a pool.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// How it is configured.
    pub config: PoolConfig,
    /// Its room, or why it is not served.
    pub room: Result<Room, String>,
    /// Which filesystems it can make, or why not.
    pub filesystems: BTreeMap<FsKind, Result<(), String>>,
    /// How often since the start what holds a volume to its size was not as it should be, and was mended.
    pub mended: u64,
}

/// Something in a pool that is not understood, and left alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SetAside {
    /// Where.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

impl Engine {
    /// A volume's record.
    pub fn record(&self, id: &VolumeId) -> Result<Arc<Record>> {
        Ok(self.existing(id)?.record)
    }

    /// Volumes in the order of their ids, from behind `after`, at most `limit` (0: all); and whether there are more.
    /// One that disappears meanwhile, or whose record cannot be read, is left out.
    pub fn list(&self, after: Option<&VolumeId>, limit: usize) -> Result<(Vec<Arc<Record>>, bool)> {
        let mut ids = Vec::new();
        for pool in self.served_pools() {
            match self.machine.files.list(&pool.dir.volumes()) {
                Ok(names) => ids.extend(names.iter().filter_map(|name| VolumeId::parse(name).ok())),
                Err(error) => tracing::warn!(pool = %pool.name(), %error, "its volumes are left out of the list"),
            }
        }
        ids.sort();
        let mut records = Vec::new();
        for id in ids.iter().filter(|id| after.is_none_or(|after| *id > after)) {
            if limit > 0 && records.len() == limit {
                return Ok((records, true));
            }
            match self.existing(id) {
                Ok(found) => records.push(found.record),
                Err(Error::NoVolume(_) | Error::Unreadable { .. } | Error::Unfinished(_)) => {}
                Err(error) => tracing::warn!(volume = %id, %error, "left out of the list"),
            }
        }
        Ok((records, false))
    }

    /// Every pool.
    pub fn pools(&self) -> Vec<PoolStatus> {
        let status = |pool: &Pool| {
            let room = pool.served().map_err(|_| pool.state().as_ref().err().cloned().unwrap_or_default());
            let room = room.and_then(|_| pool.room(&self.machine).map_err(|error| error.to_string()));
            let filesystems = pool.state().as_ref().map(|served| served.filesystems.clone()).unwrap_or_default();
            PoolStatus { config: pool.config.clone(), room, filesystems, mended: pool.backend.mended() }
        };
        self.pools.iter().map(status).collect()
    }

    /// What is wrong with a pool.
    pub fn pool_faults(&self, pool: &PoolStatus) -> Vec<Fault> {
        match &pool.room {
            Err(reason) => vec![Fault::PoolNotServed(reason.clone())],
            Ok(room) if is_nearly_full(room.total, room.free, room.reserve) => vec![Fault::PoolNearlyFull],
            Ok(_) => Vec::new(),
        }
    }

    /// The volumes whose reservation was found broken when they were last looked at ([`Engine::tend`]). Nothing is asked.
    pub fn broken_reservations(&self) -> Vec<VolumeId> {
        self.served_pools().flat_map(|pool| pool.ledger.lacking()).collect()
    }

    /// What was found and not understood when starting.
    pub fn set_aside(&self) -> Vec<SetAside> {
        self.set_aside.read().expect("no holder panics").clone()
    }
}

impl Pool {
    /// What [`Engine::pool_faults`] says of the pool, of which no volume has to be asked for it.
    pub(super) fn is_nearly_full(&self, space: &Usage) -> bool {
        is_nearly_full(space.total, space.available, self.config.reserve.of(space.total))
    }
}

fn is_nearly_full(total: Bytes, free: Bytes, reserve: Bytes) -> bool {
    free.saturating_sub(reserve) < Bytes::new(total.saturating_sub(reserve).get() / 10)
}
