use super::pool::Pool;
use super::projects::Limits;
use super::{Engine, Error, Found, Result};
use crate::model::VolumeId;
use crate::store::VolumeDir;

impl Engine {
    /// Deletes a volume. One that is not there is deleted already.
    ///
    /// Renamed into the trash it is gone; its space comes back when the trash is emptied ([`Engine::tend`]).
    pub fn delete(&self, id: &VolumeId) -> Result<()> {
        let _lock = self.locks.lock(id)?;
        self.delete_unmounted(id)
    }

    fn delete_unmounted(&self, id: &VolumeId) -> Result<()> {
        let Some(found) = self.find(id)? else {
            return match self.missing(id) {
                Error::NoVolume(_) => {
                    // An earlier call may have failed just after the rename.
                    self.pools.iter().for_each(|pool| pool.ledger.forget(id));
                    Ok(())
                }
                out_of_reach => Err(out_of_reach),
            };
        };
        if found.pool.backend.is_in_use(&found.dir)? {
            let presence = found.pool.backend.presence(&found.dir, &found.record, &self.machine.mounts.list()?)?;
            let mut places: Vec<_> = presence.mounts.into_iter().map(|mount| mount.target).collect();
            // Where no path has it: another mount namespace, a process that has the device open, or a moment's look.
            if places.is_empty() && found.pool.backend.stays_in_use(&found.dir)? {
                places.extend(presence.device.map(|device| device.path()));
                return Err(Error::InUse { id: id.clone(), places });
            }
            if !places.is_empty() {
                return Err(Error::InUse { id: id.clone(), places });
            }
        }
        self.bury(&found)
    }

    /// Deletes a volume after taking it off the places where it is wanted. While it is anywhere else, or is in use, it stays.
    pub fn remove(&self, id: &VolumeId) -> Result<()> {
        let _lock = self.locks.lock(id)?;
        self.remove_locked(id)
    }

    /// For whoever has the volume's lock.
    pub(super) fn remove_locked(&self, id: &VolumeId) -> Result<()> {
        let Some(mut found) = self.find(id)?.filter(|found| !found.record.mounts.is_empty()) else {
            return self.delete_unmounted(id);
        };
        self.step_aside(&mut found)?;
        match self.delete_unmounted(id) {
            // One that stays is where it was. Where only the end of the rename failed there is none to mount.
            Err(error) if !matches!(self.find(id), Ok(None)) => self.put_back_after(&mut found, Err(error)),
            gone => gone,
        }
    }

    /// No path, no promise and no wish is left.
    fn bury(&self, found: &Found) -> Result<()> {
        let id = &found.record.id;
        // First, while the record tells of them to whoever comes after a kill. Where the rest fails, mounting makes them again.
        for wanted in &found.record.mounts {
            self.clear_away(wanted)?;
        }
        self.discard(found.pool, id)?;
        found.pool.ledger.forget(id);
        self.records.forget(&found.dir);
        self.forget_absent(id);
        self.refusals.forget(id);
        self.audited.forget(id);
        Ok(())
    }

    /// Moves whatever lies in a volume's directory to the trash.
    pub(super) fn discard(&self, pool: &Pool, id: &VolumeId) -> Result<()> {
        let (files, dir, limits) = (&self.machine.files, pool.dir.volume(id), pool.limits());
        if files.stat(dir.path())?.is_some() {
            self.throw_away(pool, &dir, id, limits.as_ref())?;
        } else if let Some(limits) = &limits {
            // A call may have claimed a project, and have made nothing.
            limits.projects.remove(id.as_str());
        }
        if let Some(limits) = limits {
            limits.write_names(pool);
        }
        pool.backend.forget(id);
        Ok(())
    }

    fn throw_away(&self, pool: &Pool, dir: &VolumeDir, id: &VolumeId, limits: Option<&Limits>) -> Result<()> {
        let (files, trash) = (&self.machine.files, pool.trash_for(id));
        let retired = limits.and_then(|limits| Some((limits, limits.projects.retire(id.as_str(), trash.path())?)));
        let thrown = files.rename(dir.path(), trash.path());
        // Renamed it may be all the same, and then its id is that of the trash.
        if thrown.is_err()
            && let Some((limits, project)) = retired
            && matches!(files.stat(dir.path()), Ok(Some(_)))
        {
            limits.projects.bring_back(project, trash.path());
        }
        Ok(thrown?)
    }
}
