use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::ledger::Room;
use super::{Engine, Error, Found, Result};
use crate::backend::{Fault, Presence};
use crate::config::PoolConfig;
use crate::host::{FileId, LoopDevice};
use crate::model::{Bytes, Content, FsKind, Usage, VolumeId};
use crate::store::{Phase, Record};

/// Everything there is to say of a volume.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Its record.
    pub record: Record,
    /// Where it is attached and mounted.
    pub presence: Presence,
    /// How full it is, where it is mounted.
    pub usage: Option<Usage>,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// What is measured of a volume again and again.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Its record.
    pub record: Record,
    /// The space its image takes, where there is one.
    pub allocated: Option<Bytes>,
    /// How full it is, where it is mounted.
    pub usage: Option<Usage>,
}

/// Everything there is to say of a pool.
#[derive(Clone, Debug)]
pub struct PoolStatus {
    /// How it is configured.
    pub config: PoolConfig,
    /// Its room, or why it is not served.
    pub room: Result<Room, String>,
    /// Which filesystems it can make, or why not.
    pub filesystems: BTreeMap<FsKind, Result<(), String>>,
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
    /// Everything about a volume, finished or not.
    pub fn inspect(&self, id: &VolumeId) -> Result<Inspection> {
        let found = self.find(id)?.map_or_else(|| Err(self.missing(id)), Ok)?;
        self.inspected(found)
    }

    /// A volume's record.
    pub fn record(&self, id: &VolumeId) -> Result<Record> {
        Ok(self.existing(id)?.record)
    }

    fn inspected(&self, found: Found) -> Result<Inspection> {
        let Found { pool, dir, record } = found;
        let presence = self.backend.presence(&dir, &record.id)?;
        let usage = match (record.spec.content.filesystem(), presence.mounts.first()) {
            // It may be unmounted just now, and a filesystem that has shut itself down does not tell.
            (Some(_), Some(mount)) => self.backend.usage(&dir, &record.id, &mount.target).ok(),
            _ => None,
        };
        let mut faults = match record.phase {
            Phase::Ready => self.backend.faults(&dir, &record)?,
            Phase::Creating => Vec::new(),
        };
        if self.is_nearly_full(pool.room(&self.machine)?) {
            faults.push(Fault::PoolNearlyFull);
        }
        Ok(Inspection { record, presence, usage, faults })
    }

    /// Volumes in the order of their ids, from behind `after`, at most `limit` (0: all); and whether there are more.
    /// One that disappears meanwhile, or whose record cannot be read, is left out.
    pub fn list(&self, after: Option<&VolumeId>, limit: usize) -> Result<(Vec<Record>, bool)> {
        let mut ids = Vec::new();
        for pool in self.served_pools() {
            ids.extend(
                self.machine.files.list(&pool.dir.volumes())?.iter().filter_map(|name| VolumeId::parse(name).ok()),
            );
        }
        ids.sort();
        let mut records = Vec::new();
        for id in ids.iter().filter(|id| after.is_none_or(|after| *id > after)) {
            if limit > 0 && records.len() == limit {
                return Ok((records, true));
            }
            match self.existing(id) {
                Ok(found) => records.push(found.record),
                Err(
                    Error::NoVolume(_) | Error::NoVolumeHere { .. } | Error::Unreadable { .. } | Error::Unfinished(_),
                ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((records, false))
    }

    /// Numbers of every volume that can be measured. One look at the mount table serves them all.
    pub fn samples(&self) -> Result<Vec<Sample>> {
        let mounted = self.mounted_images()?;
        let sample = |record: Record| {
            let image = self.pool(&record.spec.pool).ok()?.dir.volume(&record.id).image();
            let stat = self.machine.files.stat(&image).ok()?;
            let place = stat.and_then(|stat| mounted.get(&stat.id)).filter(|_| record.spec.content != Content::Block);
            let usage = place.and_then(|(device, target)| self.usage_of(*device, target));
            Some(Sample { record, allocated: stat.map(|stat| stat.allocated), usage })
        };
        Ok(self.list(None, 0)?.0.into_iter().filter_map(sample).collect())
    }

    /// The first place of every image that is mounted.
    fn mounted_images(&self) -> Result<HashMap<FileId, (LoopDevice, PathBuf)>> {
        let mounts = self.machine.mounts.list()?.into_iter().rev();
        let places: HashMap<_, _> = mounts.filter_map(|mount| Some((mount.device?, mount.target))).collect();
        let image = |(device, target)| Some((self.machine.loops.backing(device).ok()??.image, (device, target)));
        Ok(places.into_iter().filter_map(image).collect())
    }

    /// Measured only where the device is still what is seen there: under a mount that went lies the host's disk.
    fn usage_of(&self, device: LoopDevice, target: &Path) -> Option<Usage> {
        let mounts = &self.machine.mounts;
        let usage = mounts.usage(target).ok()?;
        mounts.at(target).ok()?.filter(|mount| mount.device == Some(device)).map(|_| usage)
    }

    /// What is wrong with a volume (`NodeGetVolumeHealth`); a volume that cannot be read is a fault, not an error.
    pub fn health(&self, id: &VolumeId) -> Result<Vec<Fault>> {
        match self.existing(id).and_then(|found| self.inspected(found)) {
            Ok(inspection) => Ok(inspection.faults),
            Err(Error::Unreadable { reason, .. }) => Ok(vec![Fault::RecordUnreadable(reason)]),
            Err(Error::NoVolumeHere { pool, reason, .. }) => {
                Ok(vec![Fault::PoolNotServed(format!("{pool}: {reason}"))])
            }
            Err(error) => Err(error),
        }
    }

    /// Every pool.
    pub fn pools(&self) -> Vec<PoolStatus> {
        let status = |pool: &super::pool::Pool| {
            let room = pool.served().map_err(|_| pool.state().as_ref().err().cloned().unwrap_or_default());
            let room = room.and_then(|_| pool.room(&self.machine).map_err(|error| error.to_string()));
            let filesystems = pool.state().as_ref().map(|served| served.filesystems.clone()).unwrap_or_default();
            PoolStatus { config: pool.config.clone(), room, filesystems }
        };
        self.pools.iter().map(status).collect()
    }

    /// What is wrong with a pool.
    pub fn pool_faults(&self, pool: &PoolStatus) -> Vec<Fault> {
        match &pool.room {
            Err(reason) => vec![Fault::PoolNotServed(reason.clone())],
            Ok(room) if self.is_nearly_full(*room) => vec![Fault::PoolNearlyFull],
            Ok(_) => Vec::new(),
        }
    }

    /// What was found and not understood when starting.
    pub fn set_aside(&self) -> Vec<SetAside> {
        self.set_aside.read().expect("no holder panics").clone()
    }

    fn is_nearly_full(&self, room: Room) -> bool {
        let (available, total) = (room.free.saturating_sub(room.reserve), room.total.saturating_sub(room.reserve));
        available < Bytes::new(total.get() / 10)
    }
}
