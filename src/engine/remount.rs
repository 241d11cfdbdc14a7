use std::path::{Path, PathBuf};

use super::{Engine, Error, Found, Result};
use crate::backend::place;
use crate::model::VolumeId;
use crate::store::WantedMount;

impl Engine {
    /// Keeps mounts: those that are asked of this engine are written down, and come back after a restart. For a machine
    /// without a kubelet.
    pub fn keeping_mounts(mut self) -> Self {
        self.keeps_mounts = true;
        self
    }

    /// Whether mounts are written down.
    pub fn keeps_mounts(&self) -> bool {
        self.keeps_mounts
    }

    /// Mounts every volume where it is wanted and is not: after a restart, and what could not be before. One that cannot be
    /// is reported and stops no other. Does nothing where mounts are not kept.
    pub fn remount(&self) {
        if !self.keeps_mounts {
            return;
        }
        let records = self.list(None, 0).map(|(records, _)| records).unwrap_or_else(|error| {
            tracing::error!(%error, "no volume is mounted again");
            Vec::new()
        });
        let every = records.into_iter().flat_map(|record| {
            let wanted = record.mounts.iter().map(|mount| (mount.path.clone(), record.id.clone()));
            wanted.collect::<Vec<_>>()
        });
        let mut every: Vec<_> = every.collect();
        every.sort(); // one volume may be mounted inside another: what is above comes first
        self.mount_again(&every);
    }

    /// Tries those again that could not be mounted.
    pub(super) fn remount_absent(&self) {
        let absent: Vec<_> = self.absent.lock().expect("no holder panics").keys().cloned().collect();
        self.mount_again(&absent);
    }

    fn mount_again(&self, places: &[(PathBuf, VolumeId)]) {
        for (path, id) in places {
            match self.mount_wanted(id, path) {
                Ok(()) | Err(Error::NoVolume(_)) => drop(self.set_absent(id, path, None)),
                Err(error) => {
                    let reason = error.to_string();
                    if self.set_absent(id, path, Some(&reason)) {
                        tracing::error!(volume = %id, path = %path.display(), reason, "not mounted where it is wanted");
                    }
                }
            }
        }
    }

    fn mount_wanted(&self, id: &VolumeId, path: &Path) -> Result<()> {
        let _lock = self.locks.lock_behind(id)?;
        let mut found = self.existing(id)?;
        let Some(wanted) = found.record.mounts.iter().find(|mount| mount.path == path).cloned() else { return Ok(()) };
        self.show_again(&mut found, &wanted)
    }

    fn show_again(&self, found: &mut Found, wanted: &WantedMount) -> Result<()> {
        if found.pool.backend.at(&found.dir, &found.record, &wanted.path)?.is_none() {
            place::check_free(&self.machine, found.record.spec.content, &wanted.path)?;
            self.show(found, wanted)?;
            tracing::info!(volume = %found.record.id, path = %wanted.path.display(), "mounted again");
        }
        Ok(())
    }

    /// Remembers why a volume is not where it is wanted, or that it is; whether that is news.
    fn set_absent(&self, id: &VolumeId, path: &Path, reason: Option<&str>) -> bool {
        let (mut absent, key) = (self.absent.lock().expect("no holder panics"), (path.to_owned(), id.clone()));
        match reason {
            Some(reason) => absent.insert(key, reason.to_owned()).is_none_or(|before| before != reason),
            None => absent.remove(&key).is_some(),
        }
    }

    /// Where a volume is not though it is wanted there, and why.
    pub(super) fn absences(&self, found: &Found) -> impl Iterator<Item = String> {
        let wanted = if self.keeps_mounts { found.record.mounts.as_slice() } else { &[] };
        wanted.iter().filter_map(|wanted| self.absence(found, wanted))
    }

    /// Why a volume is not at a path where it is wanted; `None` where it is.
    pub(super) fn absence(&self, found: &Found, wanted: &WantedMount) -> Option<String> {
        let why = match found.pool.backend.at(&found.dir, &found.record, &wanted.path) {
            Ok(Some(_)) => return None,
            Ok(None) => {
                let key = (wanted.path.clone(), found.record.id.clone());
                self.absent.lock().expect("no holder panics").get(&key).cloned()
            }
            Err(error) => Some(error.to_string()),
        };
        let why = why.unwrap_or_else(|| "somebody has unmounted it".to_owned());
        Some(format!("{}: {why}", wanted.path.display()))
    }

    /// Takes a volume off every path where it is wanted, to come back by [`Engine::put_back`]. Where it is also somewhere
    /// else, or is in use, it stays everywhere.
    pub(super) fn step_aside(&self, found: &mut Found) -> Result<()> {
        match self.leave_all(found) {
            Err(error) => self.put_back_after(found, Err(error)),
            left => left,
        }
    }

    fn leave_all(&self, found: &Found) -> Result<()> {
        let (id, dir) = (&found.record.id, &found.dir);
        let in_use = |places| Err(Error::InUse { id: id.clone(), places });
        let elsewhere = found.pool.backend.unwanted(dir, &found.record)?;
        if !elsewhere.is_empty() {
            return in_use(elsewhere);
        }
        for wanted in found.record.mounts.iter().rev() {
            if matches!(found.pool.backend.at(dir, &found.record, &wanted.path), Ok(Some(_))) {
                found.pool.backend.unmount(id, Some(dir), &wanted.path)?;
            }
        }
        // Another mount namespace has it, or a process that has opened the device.
        if found.pool.backend.stays_in_use(dir)? { in_use(vec![dir.image()]) } else { Ok(()) }
    }

    /// Mounts a volume again where it is wanted, after whatever was done to it. What cannot be mounted is tried again behind;
    /// the caller hears of it, for an application that goes on there writes to the host's disk.
    pub(super) fn put_back_after(&self, found: &mut Found, done: Result<()>) -> Result<()> {
        let mut first = None;
        for wanted in found.record.mounts.clone() {
            let (id, shown) = (found.record.id.clone(), self.show_as_recorded(found, &wanted));
            let reason = shown.as_ref().err().map(ToString::to_string);
            if self.set_absent(&id, &wanted.path, reason.as_deref()) {
                tracing::error!(volume = %id, path = %wanted.path.display(), reason, "not mounted again");
            }
            first = first.or(shown.err().map(|error| (wanted.path, Box::new(error))));
        }
        let Some((path, reason)) = first else { return done };
        let outcome = match done {
            Ok(()) => format!("the volume is {} now", found.record.spec.size),
            Err(error) => error.to_string(),
        };
        Err(Error::NotBack { outcome, path, reason })
    }

    /// By the record that is there, not by what somebody meant to write: what is longer than its record is cut.
    fn show_as_recorded(&self, found: &mut Found, wanted: &WantedMount) -> Result<()> {
        let id = &found.record.id;
        found.record = self.record_in(&found.dir, id)?.ok_or_else(|| Error::NoVolume(id.clone()))?;
        self.show_again(found, wanted)
    }

    /// Nothing is wanted of a volume that is gone.
    pub(super) fn forget_absent(&self, id: &VolumeId) {
        self.absent.lock().expect("no holder panics").retain(|(_, other), _| other != id);
    }
}
