use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::pool::Pool;
use super::{Engine, Error, Found, Result};
use crate::backend::{Fault, Presence};
use crate::host::{FileId, LoopDevice, MountEntry};
use crate::model::{Bytes, Content, Level, Usage, VolumeId};
use crate::store::{Record, volume_of_data};

/// The mounts of the machine at one moment: whoever looks at many volumes reads the table once.
pub struct View<'a> {
    pub(super) engine: &'a Engine,
    pub(super) mounts: Vec<MountEntry>,
}

/// Everything there is to say of a volume.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Its record.
    pub record: Arc<Record>,
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
    pub record: Arc<Record>,
    /// The space its image takes, where there is one.
    pub allocated: Option<Bytes>,
    /// How full it is, where it is mounted.
    pub usage: Option<Usage>,
    /// How many of its files the last audit found outside its project, where there was one.
    pub files_left: Option<u64>,
}

/// Where volumes are mounted first: an image by its device, a directory by its path in the pool's filesystem.
struct Places<'a> {
    images: HashMap<FileId, (LoopDevice, &'a Path)>,
    directories: HashMap<VolumeId, &'a Path>,
}

impl Engine {
    /// A view of this moment.
    pub fn view(&self) -> Result<View<'_>> {
        Ok(View { engine: self, mounts: self.machine.mounts.list()? })
    }

    /// Everything about a volume, finished or not.
    pub fn inspect(&self, id: &VolumeId) -> Result<Inspection> {
        self.view()?.inspect(id)
    }

    /// What is wrong with a volume (`NodeGetVolumeHealth`); a volume that cannot be read is a fault, not an error.
    pub fn health(&self, id: &VolumeId) -> Result<Vec<Fault>> {
        self.view()?.health(id)
    }
}

impl View<'_> {
    /// Everything about a volume, finished or not.
    pub fn inspect(&self, id: &VolumeId) -> Result<Inspection> {
        let engine = self.engine;
        self.inspected(engine.find(id)?.map_or_else(|| Err(engine.missing(id)), Ok)?)
    }

    /// What is wrong with a volume; one that cannot be read is a fault, not an error.
    pub fn health(&self, id: &VolumeId) -> Result<Vec<Fault>> {
        match self.engine.existing(id).and_then(|found| self.inspected(found)) {
            Ok(inspection) => Ok(inspection.faults),
            Err(Error::Unreadable { reason, .. }) => Ok(vec![Fault::RecordUnreadable(reason)]),
            Err(Error::NoVolumeHere { pool, reason, .. }) => {
                Ok(vec![Fault::PoolNotServed(format!("{pool}: {reason}"))])
            }
            Err(error) => Err(error),
        }
    }

    fn inspected(&self, found: Found) -> Result<Inspection> {
        let mut faults = self.drift(&found)?;
        let Found { pool, dir, record } = found;
        let backend = &pool.backend;
        let presence = backend.presence(&dir, &record, &self.mounts)?;
        let usage = match (record.spec.content.filesystem(), presence.mounts.first()) {
            // It may be unmounted just now, and a filesystem that has shut itself down does not tell.
            (Some(_), Some(mount)) => backend.usage(&dir, &record, &mount.target).ok(),
            _ => None,
        };
        if record.is_ready() {
            faults.extend(backend.faults(&dir, &record, &self.mounts)?);
        }
        faults.extend(self.fullness(pool, &record, &presence));
        faults.extend(self.engine.audited.faults(&record.id));
        if pool.is_nearly_full(&self.engine.machine.files.space(pool.dir.path())?) {
            faults.push(Fault::PoolNearlyFull);
        }
        Ok(Inspection { record, presence, usage, faults })
    }

    /// In what a volume is not what its record says; what can be mended is.
    ///
    /// A look takes no lock: it may fall into the midst of a call, or have a record from before it, and whoever mended by that
    /// would undo what was answered. So what looks wrong is looked at again with the lock, by the record of then. While somebody
    /// else works on the volume it is not known.
    fn drift(&self, found: &Found) -> Result<Vec<Fault>> {
        let (engine, pool, id) = (self.engine, found.pool, &found.record.id);
        let with_absences = |found: &Found, drift: Vec<Fault>| {
            drift.into_iter().chain(engine.absences(found).map(Fault::NotMounted)).collect::<Vec<_>>()
        };
        if !found.record.is_ready() {
            return Ok(Vec::new());
        }
        let seen = pool.backend.drift(&found.dir, &found.record).map(|drift| with_absences(found, drift));
        if matches!(&seen, Ok(faults) if faults.is_empty()) {
            return Ok(Vec::new());
        }
        let Ok(_lock) = engine.locks.lock_to_look(id) else { return Ok(Vec::new()) };
        match engine.find_in(pool, id)?.filter(|now| now.record.is_ready()) {
            Some(now) => Ok(with_absences(&now, pool.backend.mend_drift(&now.dir, &now.record)?)),
            None => Ok(Vec::new()),
        }
    }

    /// That there is hardly any room left in a volume, by the numbers that whoever watches it goes by.
    fn fullness(&self, pool: &Pool, record: &Record, presence: &Presence) -> Option<Fault> {
        record.spec.content.filesystem()?;
        let place = self.place_by(pool, record, presence).ok().flatten()?;
        let reading = self.engine.read(&place, &mut None).ok()?;
        let thresholds = self.engine.thresholds.of_volume(record.spec.warn_percent);
        Fault::of_level(thresholds.step(Level::Ok, &reading), reading)
    }

    /// Numbers of every volume that can be measured.
    pub fn samples(&self) -> Result<Vec<Sample>> {
        let (records, places) = (self.engine.list(None, 0)?.0, self.places());
        Ok(records.into_iter().filter_map(|record| self.sample(record, &places)).collect())
    }

    fn sample(&self, record: Arc<Record>, places: &Places) -> Option<Sample> {
        let pool = self.engine.pool(&record.spec.pool).ok()?;
        let dir = pool.dir.volume(&record.id);
        let (usage, allocated) = if pool.backend.has_limits() {
            let place = places.directories.get(&record.id);
            let usage = place.and_then(|place| pool.backend.usage(&dir, &record, place).ok());
            (usage, pool.backend.taken(&dir, record.project).ok())
        } else {
            let image = self.engine.machine.files.stat(&dir.image()).ok()?;
            let place = image.and_then(|image| places.images.get(&image.id));
            let place = place.filter(|_| record.spec.content != Content::Block);
            (place.and_then(|(device, target)| self.usage_of(*device, target)), image.map(|image| image.allocated))
        };
        let files_left = self.engine.audited.of(&record.id);
        Some(Sample { record, allocated, usage, files_left })
    }

    fn places(&self) -> Places<'_> {
        let loops = &self.engine.machine.loops;
        let (mut devices, mut directories) = (HashMap::new(), HashMap::new());
        for mount in &self.mounts {
            // A directory first: its pool may lie in an image of its own.
            match (volume_of_data(&mount.root), mount.device) {
                (Some(id), _) => drop(directories.entry(id).or_insert(mount.target.as_path())),
                (None, Some(device)) => drop(devices.entry(device).or_insert(mount.target.as_path())),
                (None, None) => {}
            }
        }
        let images = devices.into_iter().filter_map(|place| Some((loops.backing(place.0).ok()??.image, place)));
        Places { images: images.collect(), directories }
    }

    /// Measured only where the device is still what is seen there: under a mount that went lies the host's disk.
    fn usage_of(&self, device: LoopDevice, target: &Path) -> Option<Usage> {
        let mounts = &self.engine.machine.mounts;
        let usage = mounts.usage(target).ok()?;
        mounts.at(target).ok()?.filter(|mount| mount.device == Some(device)).map(|_| usage)
    }
}
