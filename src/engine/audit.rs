use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::pool::Pool;
use super::{Engine, Found, Result};
use crate::model::VolumeId;

/// How many files of each volume were found outside its project when they were last looked at.
#[derive(Default)]
pub(super) struct Audited(Mutex<BTreeMap<VolumeId, u64>>);

/// Work that leaves the disk to others: after each piece it rests as long as that has taken.
struct Pace {
    met: u32,
    since: Instant,
}

/// How much is looked at between two rests.
const PIECE: u32 = 256;

/// A rest is no longer.
const REST: Duration = Duration::from_millis(100);

impl Audited {
    fn all(&self) -> MutexGuard<'_, BTreeMap<VolumeId, u64>> {
        self.0.lock().expect("no holder panics")
    }

    pub(super) fn of(&self, id: &VolumeId) -> Option<u64> {
        self.all().get(id).copied()
    }

    pub(super) fn forget(&self, id: &VolumeId) {
        self.all().remove(id);
    }
}

impl Engine {
    /// Looks at every file of every volume that a limit holds, one volume after the other: what its owner has taken out of the
    /// project is held to no size. How many those are, health and numbers tell until the next audit. What has drifted of the
    /// directory and the limit itself is mended. It takes as long as it takes, at half a disk's pace at most.
    pub fn audit(&self) {
        for pool in self.served_pools().filter(|pool| pool.backend.has_limits()) {
            let names = self.machine.files.list(&pool.dir.volumes()).unwrap_or_else(|error| {
                tracing::warn!(pool = %pool.name(), %error, "its volumes are not audited");
                Vec::new()
            });
            for id in names.iter().filter_map(|name| VolumeId::parse(name).ok()) {
                if let Err(error) = self.audit_volume(pool, &id) {
                    tracing::warn!(volume = %id, %error, "the volume is not audited");
                }
            }
        }
    }

    fn audit_volume(&self, pool: &Pool, id: &VolumeId) -> Result<()> {
        let Some(found) = self.to_audit(pool, id)? else { return Ok(()) };
        // Without the lock: it may take minutes, and everybody may work on the volume meanwhile.
        let mut pace = Pace { met: 0, since: Instant::now() };
        let mut go_on = || !pace.rests() || self.is_there(&found);
        let Some(left) = pool.backend.files_left(&found.dir, &found.record, &mut go_on)? else { return Ok(()) };
        let before = self.audited.all().insert(id.clone(), left).unwrap_or_default();
        // Deleted meanwhile, or another by now: then it is of no interest.
        if !self.is_there(&found) {
            self.audited.forget(id);
            return Ok(());
        }
        match left {
            0 if before > 0 => tracing::info!(volume = %id, "all files of the volume are in its project again"),
            _ if left != before => {
                tracing::warn!(volume = %id, files = left, "files have left the volume's project: no limit holds them");
            }
            _ => {}
        }
        Ok(())
    }

    /// The volume, in order; `None` where somebody works on it, or there is none.
    fn to_audit<'a>(&'a self, pool: &'a Pool, id: &VolumeId) -> Result<Option<Found<'a>>> {
        let Ok(_lock) = self.locks.lock_behind(id) else { return Ok(None) };
        let found = self.find_in(pool, id)?.filter(|found| found.record.is_ready());
        if let Some(found) = &found {
            pool.backend.mend(&found.dir, &found.record)?;
        }
        Ok(found)
    }

    /// Whether it is still the same volume.
    fn is_there(&self, found: &Found) -> bool {
        let same =
            |now: &Found| (now.record.project, now.record.created) == (found.record.project, found.record.created);
        found.pool.is_served() && matches!(self.find_in(found.pool, &found.record.id), Ok(Some(now)) if same(&now))
    }
}

impl Pace {
    /// One more is met; whether there was a rest.
    fn rests(&mut self) -> bool {
        self.met = (self.met + 1) % PIECE;
        if self.met > 0 {
            return false;
        }
        std::thread::sleep(self.since.elapsed().min(REST));
        self.since = Instant::now();
        true
    }
}
