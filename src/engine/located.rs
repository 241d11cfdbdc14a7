use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::pool::Pool;
use super::view::View;
use super::{Engine, Error, Result};
use crate::backend::{self, Presence};
use crate::host::{FileId, LoopDevice, MountAt, MountIdentity};
use crate::model::{Bytes, Content, ProjectId, Reading, VolumeId};
use crate::store::Record;

/// A volume, and where it is mounted on this machine, whoever mounted it.
#[derive(Clone, Debug)]
pub struct Located {
    /// Its record.
    pub record: Arc<Record>,
    /// Where it is: where it is wanted, or else anywhere. `None`: nowhere.
    pub place: Option<Place>,
}

/// A volume with a filesystem that is mounted on this machine, or should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// Which.
    pub id: VolumeId,
    /// Where it can be measured by [`Engine::read`]; `None`: it is not mounted where it is wanted.
    pub place: Option<Place>,
    /// The percentage at which a warning is wanted, where the volume has its own.
    pub warn_percent: Option<u8>,
    /// The size of its filesystem, where that has yet to follow the volume's.
    pub behind: Option<Bytes>,
}

/// A mounted filesystem of a volume.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    /// Where.
    pub path: PathBuf,
    /// What is mounted there.
    pub source: Source,
}

/// By what a mount is known to be a volume's.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Source {
    /// The device of its image.
    Device(LoopDevice),
    /// Its directory, its project, and the pool that it shares its filesystem with.
    Directory(FileId, Option<ProjectId>, PathBuf),
}

/// Where a volume is, for whoever did not find it where it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whereabouts {
    /// There.
    At(Place),
    /// Not where it is wanted: why.
    Missed(String),
    /// Nobody misses it: it is just being worked on, or it is wanted nowhere.
    Aside,
}

/// How often a look is repeated that a call on another volume may have disturbed.
const LOOKS: usize = 3;

impl Source {
    fn is_seen_at(&self, mount: &MountAt) -> bool {
        match self {
            Self::Device(device) => mount.device == Some(*device),
            Self::Directory(directory, ..) => mount.root == *directory,
        }
    }
}

impl Located {
    /// Where it shall be measured: not where somebody has mounted it instead of where it is wanted.
    fn right_place(&self) -> Option<&Place> {
        let wanted = &self.record.mounts;
        self.place.as_ref().filter(|place| wanted.is_empty() || wanted.iter().any(|wanted| wanted.path == place.path))
    }
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

    fn with_place(&self, record: Arc<Record>) -> Located {
        let place = self.place_of(&record).ok().flatten();
        Located { record, place }
    }
}

impl View<'_> {
    fn place_of(&self, record: &Record) -> Result<Option<Place>> {
        let pool = self.engine.pool(&record.spec.pool)?;
        let dir = pool.dir.volume(&record.id);
        self.place_by(pool, record, &pool.backend.presence(&dir, record, &self.mounts)?)
    }

    /// The same by what is known of where it is.
    pub(super) fn place_by(&self, pool: &Pool, record: &Record, presence: &Presence) -> Result<Option<Place>> {
        let is_wanted = |path: &Path| record.mounts.iter().any(|mount| mount.path == path);
        // Else in the kernel's order.
        let Some(mount) = presence.mounts.iter().min_by_key(|mount| !is_wanted(&mount.target)) else { return Ok(None) };
        let source = match presence.device {
            Some(device) => Some(Source::Device(device)),
            None => {
                let data = self.engine.machine.files.stat(&pool.dir.volume(&record.id).data())?;
                data.map(|data| Source::Directory(data.id, record.project, pool.dir.path().to_owned()))
            }
        };
        Ok(source.map(|source| Place { path: mount.target.clone(), source }))
    }
}

impl Engine {
    /// Every volume with a filesystem that is mounted on this machine, whoever mounted it, and where; and those that are not
    /// mounted where they are wanted.
    pub fn expected(&self) -> Result<Vec<Expected>> {
        let located = self.view()?.located()?.into_iter();
        let with_fs = located.filter(|located| located.record.spec.content != Content::Block);
        let expected = with_fs.filter_map(|located| match located.right_place().cloned() {
            None if located.record.mounts.is_empty() => None,
            place => {
                let behind = located.record.growth_is_pending().then_some(located.record.grown_to);
                let Record { id, spec, .. } = &*located.record;
                Some(Expected { id: id.clone(), place, warn_percent: spec.warn_percent, behind })
            }
        });
        Ok(expected.collect())
    }

    /// Where a volume is that was not found where it was. Deleting and shrinking take it off its place too: whoever is told
    /// that it is missed can be sure that no call of this engine has.
    pub fn whereabouts(&self, id: &VolumeId) -> Result<Whereabouts> {
        for _ in 0..LOOKS {
            let Some(before) = self.locks.untouched(id) else { break };
            let found = self.look_for(id)?;
            if self.locks.untouched(id) == Some(before) {
                return Ok(found);
            }
        }
        Ok(Whereabouts::Aside)
    }

    fn look_for(&self, id: &VolumeId) -> Result<Whereabouts> {
        let found = match self.existing(id) {
            Err(Error::NoVolume(_)) => return Ok(Whereabouts::Aside),
            found => found?,
        };
        let located = self.view()?.with_place(found.record.clone());
        if let Some(place) = located.right_place() {
            return Ok(Whereabouts::At(place.clone()));
        }
        let missed = found.record.mounts.iter().find_map(|wanted| self.absence(&found, wanted));
        Ok(missed.map_or(Whereabouts::Aside, Whereabouts::Missed))
    }

    /// How full what is mounted at a place is: a handful of system calls, and no record is read. The size is the device's or the
    /// limit, so that a growth is seen at once. `seen` is for whoever reads again: the mount that was found to be on that device
    /// needs no looking up.
    ///
    /// # Errors
    /// Where that device is not what is mounted there: under a mount that went lies the host's disk.
    pub fn read(&self, place: &Place, seen: &mut Option<MountIdentity>) -> Result<Reading> {
        let mount = self.confirm(place, seen)?;
        let usage = self.machine.mounts.usage(&place.path)?;
        let reading = match &place.source {
            Source::Device(device) => {
                let size = self.machine.loops.size(*device)?;
                Reading { size, available: usage.available, inodes: usage.inodes }
            }
            // The limit is no more than a promise: others may have filled the pool.
            Source::Directory(_, project, pool) => {
                let (counted, of_pool) = match project {
                    Some(project) => self.machine.quotas.usage_and_space(pool, *project)?,
                    None => (None, self.machine.files.space(pool)?),
                };
                let available = usage.available.min(of_pool.available);
                let inodes = counted.map_or(usage.inodes, |counted| counted.inodes_of(of_pool.inodes));
                // Of a limit beyond the filesystem's end, the directory does not tell.
                let size = counted.and_then(|counted| counted.limit.bytes).unwrap_or(usage.total);
                Reading { size, available, inodes }
            }
        };
        // It may have gone meanwhile.
        if mount.is_none() || self.identity(place) != mount {
            self.must_be_at(place)?;
        }
        Ok(reading)
    }

    /// The mount at a place, which is on its device; none where the kernel does not tell which.
    fn confirm(&self, place: &Place, seen: &mut Option<MountIdentity>) -> Result<Option<MountIdentity>> {
        let mount = self.identity(place);
        if mount.is_none() || mount != *seen {
            self.must_be_at(place)?;
            // Another may have come between the two.
            *seen = mount.filter(|_| self.identity(place) == mount);
        }
        Ok(mount)
    }

    fn identity(&self, place: &Place) -> Option<MountIdentity> {
        self.machine.mounts.identity(&place.path).ok().flatten()
    }

    fn must_be_at(&self, place: &Place) -> Result<()> {
        match self.machine.mounts.at(&place.path)? {
            Some(mount) if place.source.is_seen_at(&mount) => Ok(()),
            _ => Err(Error::Backend(backend::Error::NotMounted { path: place.path.clone() })),
        }
    }
}
