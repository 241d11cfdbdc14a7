use std::path::{Path, PathBuf};

use super::view::View;
use super::{Engine, Error, Result};
use crate::backend;
use crate::host::LoopDevice;
use crate::model::{Content, Reading, VolumeId};
use crate::store::Record;

/// A volume, and where it is mounted on this machine, whoever mounted it.
#[derive(Clone, Debug)]
pub struct Located {
    /// Its record.
    pub record: Record,
    /// Where it is: where it is wanted, or else anywhere. `None`: nowhere.
    pub place: Option<Place>,
}

/// A mounted filesystem of a volume.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// On which device.
    pub device: LoopDevice,
}

impl View<'_> {
    /// Every volume, mounted or not.
    pub fn located(&self) -> Result<Vec<Located>> {
        Ok(self.engine.list(None, 0)?.0.into_iter().map(|record| self.with_place(record)).collect())
    }

    /// One volume.
    pub fn locate(&self, id: &VolumeId) -> Result<Located> {
        Ok(self.with_place(self.engine.record(id)?))
    }

    fn with_place(&self, record: Record) -> Located {
        let presence = self.engine.pool(&record.spec.pool).and_then(|pool| {
            let dir = pool.dir.volume(&record.id);
            Ok(self.engine.backend.presence(&dir, &record.id, &self.mounts)?)
        });
        let place = presence.ok().and_then(|presence| {
            let is_wanted = |path: &Path| record.mounts.iter().any(|mount| mount.path == path);
            let mut mounts = presence.mounts;
            mounts.sort_by_key(|mount| !is_wanted(&mount.target)); // else in the kernel's order
            Some(Place { path: mounts.into_iter().next()?.target, device: presence.device? })
        });
        Located { record, place }
    }
}

impl Engine {
    /// Every volume with a filesystem that is mounted on this machine, whoever mounted it, and where: what can be measured
    /// by [`Engine::read`].
    pub fn mounted(&self) -> Result<Vec<(VolumeId, Place)>> {
        let located = self.view()?.located()?.into_iter();
        let with_fs = located.filter(|located| located.record.spec.content != Content::Block);
        Ok(with_fs.filter_map(|located| Some((located.record.id, located.place?))).collect())
    }

    /// How full what is mounted at a place is: a handful of system calls, and no record is read. The size is the device's,
    /// so that a growth is seen at once.
    ///
    /// # Errors
    /// Where that device is not what is mounted there: under a mount that went lies the host's disk.
    pub fn read(&self, place: &Place) -> Result<Reading> {
        self.must_be_at(place)?;
        let usage = self.machine.mounts.usage(&place.path)?;
        let size = self.machine.loops.size(place.device)?;
        self.must_be_at(place)?; // it may have gone meanwhile
        Ok(Reading { size, available: usage.available, inodes: usage.inodes })
    }

    fn must_be_at(&self, place: &Place) -> Result<()> {
        match self.machine.mounts.at(&place.path)? {
            Some(mount) if mount.device == Some(place.device) => Ok(()),
            _ => Err(Error::Backend(backend::Error::NotMounted { path: place.path.clone() })),
        }
    }
}
