use super::pool::Pool;
use super::{Engine, Error, Result};
use crate::model::VolumeId;

impl Engine {
    /// Deletes a volume. One that is not there is deleted already.
    ///
    /// Renamed into the trash it is gone; its space comes back when the trash is emptied ([`Engine::tend`]).
    pub fn delete(&self, id: &VolumeId) -> Result<()> {
        let _lock = self.locks.lock(id)?;
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
        if self.backend.is_attached(&found.dir)? {
            let presence = self.backend.presence(&found.dir, id, &self.machine.mounts.list()?)?;
            let mut places: Vec<_> = presence.mounts.into_iter().map(|mount| mount.target).collect();
            // Where no path has it: another mount namespace, a process that has the device open, or a moment's look.
            if places.is_empty() && self.backend.stays_attached(&found.dir)? {
                places.extend(presence.device.map(|device| device.path()));
                return Err(Error::InUse { id: id.clone(), places });
            }
            if !places.is_empty() {
                return Err(Error::InUse { id: id.clone(), places });
            }
        }
        self.discard(found.pool, id)?;
        found.pool.ledger.forget(id);
        Ok(())
    }

    /// Moves whatever lies in a volume's directory to the trash.
    pub(super) fn discard(&self, pool: &Pool, id: &VolumeId) -> Result<()> {
        let (files, dir) = (&self.machine.files, pool.dir.volume(id));
        if files.stat(dir.path())?.is_some() {
            files.rename(dir.path(), pool.trash_for(id).path())?;
        }
        self.backend.forget(id);
        Ok(())
    }
}
