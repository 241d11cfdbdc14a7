use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::pool::Pool;
use super::{Engine, Found, Result};
use crate::backend::{self, Fault};
use crate::host::Strays;
use crate::model::VolumeId;

/// What was found when the files of each volume were last looked at.
#[derive(Default)]
pub(super) struct Audited(Mutex<BTreeMap<VolumeId, Looked>>);

/// What a look at all files of a volume has told.
#[derive(Clone, PartialEq, Eq, Default)]
struct Looked {
    /// How many are outside its project; where the look failed, by the one before.
    left: Option<u64>,
    /// Why that may not be all.
    missed: Option<String>,
}

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
    fn all(&self) -> MutexGuard<'_, BTreeMap<VolumeId, Looked>> {
        self.0.lock().expect("no holder panics")
    }

    /// How many files were outside the volume's project, where that is known.
    pub(super) fn of(&self, id: &VolumeId) -> Option<u64> {
        self.all().get(id)?.left
    }

    pub(super) fn faults(&self, id: &VolumeId) -> Vec<Fault> {
        let Looked { left, missed } = self.all().get(id).cloned().unwrap_or_default();
        let left = left.filter(|left| *left > 0).map(Fault::FilesLeft);
        left.into_iter().chain(missed.map(Fault::NotAudited)).collect()
    }

    /// Writes a look down; what was known before.
    fn write(&self, id: &VolumeId, looked: backend::Result<Strays>) -> (Looked, Looked) {
        let mut all = self.all();
        let before = all.get(id).cloned().unwrap_or_default();
        let now = match looked {
            Ok(Strays { count, too_deep }) => Looked {
                left: Some(count),
                missed: (too_deep > 0)
                    .then(|| format!("{too_deep} directories lie deeper than {} in each other", Strays::DEEPEST)),
            },
            Err(error) => Looked { left: before.left, missed: Some(error.to_string()) },
        };
        all.insert(id.clone(), now.clone());
        (before, now)
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
        let looked = pool.backend.files_left(&found.dir, &found.record, &mut go_on).transpose();
        let Some(looked) = looked else { return Ok(()) };
        let (before, now) = self.audited.write(id, looked);
        // Deleted meanwhile, or another by now: then it is of no interest.
        match self.is_there(&found) {
            true => tell(id, &before, &now),
            false => self.audited.forget(id),
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

/// What is news.
fn tell(id: &VolumeId, before: &Looked, now: &Looked) {
    let (was, is) = (before.left.unwrap_or_default(), now.left.unwrap_or_default());
    match is {
        0 if was > 0 => tracing::info!(volume = %id, "all files of the volume are in its project again"),
        _ if is != was => {
            tracing::warn!(volume = %id, files = is, "files have left the volume's project: no limit holds them");
        }
        _ => {}
    }
    if let Some(reason) = now.missed.as_ref().filter(|_| now.missed != before.missed) {
        tracing::warn!(volume = %id, reason, "not every file of the volume was looked at");
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
