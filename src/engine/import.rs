use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::info_span;

use super::ledger::{Admission, Promise};
use super::pool::Pool;
use super::projects::Limits;
use super::{Engine, Error, Result};
use crate::host::{FileKind, MountEntry, Strays};
use crate::model::{Claim, Content, FsKind, PoolName, VolumeSpec};
use crate::projects::Project;
use crate::projects::hostlet::{Place, Plan, Planned, Refused, State};
use crate::store::{Phase, Record, VolumeDir};

/// An item of hostlet's, and what becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Imported {
    /// Its name, where it has one: that of the volume.
    pub name: String,
    /// The volume, unless the item means none.
    pub volume: Option<Planned>,
    /// What becomes of it, or became.
    pub outcome: Outcome,
}

/// What becomes of an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It can become a volume.
    Possible,
    /// It is one now.
    Done,
    /// It was one already.
    Present,
    /// It cannot, or could not: why. Everything is as it was.
    Refused(String),
}

/// A pool of limits, as an import needs it.
struct Goal<'a> {
    pool: &'a Pool,
    limits: Limits,
    fs: FsKind,
}

impl Engine {
    /// Makes volumes of the directories of hostlet's items, in place: each is moved into the pool by one rename, and keeps its
    /// project, its files and their owners. `base` is the directory in which they lie, where `/etc/projects` does not say it.
    /// Without `apply` it is only looked whether that can be done.
    ///
    /// In this order, so that a kill leaves the one or the other, whole, and the same call goes on:
    ///
    /// 1. The record of the volume, which says from where it is taken. While the directory is not there, the volume is not:
    ///    the next start takes the record away.
    /// 2. The directory is renamed. From here on it is a volume: the next start does the rest.
    /// 3. Its limit; the record says no more from where it came.
    ///
    /// # Errors
    /// What concerns the pool. What concerns an item is its outcome, and stops no other.
    pub fn import(&self, pool: &PoolName, state: &State, base: Option<&Path>, apply: bool) -> Result<Vec<Imported>> {
        let goal = self.goal(pool)?;
        let lines = goal.limits.others()?;
        let Plan { volumes, refused } = Plan::of(state, Place { base, lines: &lines });
        let mut admitted = Vec::new(); // for what comes after, while it is only looked
        let mut imported = Vec::new();
        for planned in volumes {
            let outcome = match self.import_one(&goal, &planned, apply) {
                Ok((outcome, admission)) => {
                    admitted.extend(admission);
                    outcome
                }
                Err(error) => Outcome::Refused(error.to_string()),
            };
            imported.push(Imported { name: planned.id.to_string(), volume: Some(planned), outcome });
        }
        imported.extend(refused.into_iter().map(|Refused { number, name, reason }| Imported {
            name: name.unwrap_or_else(|| format!("item {number}")),
            volume: None,
            outcome: Outcome::Refused(reason.to_string()),
        }));
        Ok(imported)
    }

    fn goal(&self, name: &PoolName) -> Result<Goal<'_>> {
        let pool = self.pool(name)?;
        if !pool.backend.has_limits() {
            return Err(Error::NoLimits { pool: name.clone() });
        }
        pool.still_there(&self.machine)?;
        let served = pool.served()?;
        match (pool.limits(), served.filesystems.keys().next()) {
            (Some(limits), Some(fs)) => Ok(Goal { pool, limits, fs: *fs }),
            _ => Err(Error::NoLimits { pool: name.clone() }),
        }
    }

    fn import_one<'a>(
        &self,
        goal: &Goal<'a>,
        planned: &Planned,
        apply: bool,
    ) -> Result<(Outcome, Option<Admission<'a>>)> {
        let _step = info_span!("import").entered();
        let _lock = self.locks.lock(&planned.id)?;
        let (pool, dir) = (goal.pool, goal.pool.dir.volume(&planned.id));
        if let Some(mut record) = self.find(&planned.id)?.map(|found| found.record) {
            if record.project != Some(planned.project) {
                let project = record.project.map_or("none".to_owned(), |project| project.to_string());
                let difference = format!("its project is {project}, and that of the item is {}", planned.project);
                return Err(Error::Conflict { id: planned.id.clone(), difference });
            }
            if record.taken_from.is_none() {
                return Ok((Outcome::Present, None));
            }
            // An earlier call got so far.
            if apply && self.finish_import(pool, &dir, Arc::make_mut(&mut record))? {
                return Ok((Outcome::Done, None));
            }
        }
        self.may_import(goal, planned, &dir)?;
        let held = pool.backend.taken(&dir, Some(planned.project))?;
        if held > planned.size {
            return Err(self.unfit(planned, format!("it takes {held}, more than its limit of {}", planned.size)));
        }
        let promise = Promise { dir: dir.clone(), project: Some(planned.project), size: planned.size, sparse: false };
        let admission = pool.ledger.admit_held(&self.machine, &planned.id, promise, held)?;
        if !apply {
            return Ok((Outcome::Possible, Some(admission)));
        }
        let taken = self.take_over(goal, planned, &dir);
        // From the rename on it is a volume, though the rest may have failed. In doubt the larger promise.
        if taken.is_ok() || !matches!(self.machine.files.stat(&dir.data()), Ok(None)) {
            admission.keep();
        }
        taken?;
        tracing::info!(volume = %planned.id, from = %planned.directory.display(), "taken over from hostlet");
        Ok((Outcome::Done, None))
    }

    /// Whether the directory is one that can become a volume, by what is there.
    fn may_import(&self, goal: &Goal, planned: &Planned, dir: &VolumeDir) -> Result<()> {
        let (files, from, pool) = (&self.machine.files, &planned.directory, goal.pool.dir.path());
        let unfit = |reason: String| Err(self.unfit(planned, reason));
        for path in from.ancestors().collect::<Vec<_>>().into_iter().rev() {
            match files.stat(path)? {
                None => return unfit("it does not exist".to_owned()),
                Some(stat) if stat.kind != FileKind::Directory => {
                    return unfit(format!("{} is not a directory, but a file or a link", path.display()));
                }
                Some(_) => {}
            }
        }
        if from.starts_with(pool) || pool.starts_with(from) {
            return unfit(format!("it lies in the pool {}, or holds it", pool.display()));
        }
        let device = |path: &Path| Ok::<_, Error>(files.stat(path)?.map(|stat| stat.id.device));
        let mounts = self.machine.mounts.list()?;
        let here = |path: &Path| above(&mounts, path).map(|mount| mount.target.clone());
        if device(from)? != device(pool)? || here(from) != here(pool) {
            return unfit(format!(
                "it is not on the filesystem of the pool, seen by the mount that {} is on",
                pool.display()
            ));
        }
        if let Some(place) = shown_at(&mounts, from) {
            return unfit(format!("something is mounted in it, or it is mounted itself, at {}", place.display()));
        }
        let strays = self.machine.quotas.strays(from, planned.project, &mut || true)?.unwrap_or_default();
        let Strays { count, too_deep } = strays;
        if count > 0 {
            return unfit(format!("{count} of its files and directories are not of project {}", planned.project));
        }
        if too_deep > 0 {
            return unfit(format!(
                "more than {} directories lie in each other, too many to look into",
                Strays::DEEPEST
            ));
        }
        let holders = goal.limits.projects.holders(planned.project);
        match holders.into_iter().find(|holder| holder.path() != dir.data()) {
            Some(holder) => unfit(format!("project {} is that of {holder}", planned.project)),
            None => Ok(()),
        }
    }

    fn unfit(&self, planned: &Planned, reason: String) -> Error {
        Error::NotImportable { directory: planned.directory.clone(), reason }
    }

    fn take_over(&self, goal: &Goal, planned: &Planned, dir: &VolumeDir) -> Result<()> {
        let (pool, projects, files) = (goal.pool, &goal.limits.projects, &*self.machine.files);
        let mut record = goal.record(planned);
        projects.adopt(Project { id: planned.project, name: planned.id.to_string(), path: dir.data() })?;
        let moved = files
            .create_dir(dir.path())
            .map_err(Error::from)
            .and_then(|()| Ok(self.records.save(dir, &record)?))
            .and_then(|()| Ok(files.rename(&planned.directory, &dir.data())?));
        if let Err(error) = moved {
            if files.stat(&dir.data())?.is_none() {
                files.remove_tree(dir.path())?;
                projects.remove(planned.id.as_str());
            }
            return Err(error);
        }
        self.finish_import(pool, dir, &mut record)?;
        goal.limits.write_names(pool);
        Ok(())
    }

    /// Goes on where the directory has been moved already; whether it has.
    pub(super) fn finish_import(&self, pool: &Pool, dir: &VolumeDir, record: &mut Record) -> Result<bool> {
        let (files, data) = (&*self.machine.files, dir.data());
        if files.stat(&data)?.is_none() {
            return Ok(false);
        }
        pool.ledger.record(&record.id, Promise::of(dir.clone(), record));
        if let Some(project) = record.project {
            self.machine.quotas.set_project(&data, project)?; // what is made there has it too
        }
        pool.backend.trim(dir, record)?;
        record.taken_from = None;
        self.records.save(dir, record)?;
        Ok(true)
    }

    /// What an import has left that was killed: the volume, or nothing of it.
    pub(super) fn recover_import(&self, pool: &Pool, dir: &VolumeDir, record: &mut Record) -> Result<()> {
        if self.finish_import(pool, dir, record)? {
            tracing::info!(volume = %record.id, "taken over from hostlet");
            return Ok(());
        }
        tracing::info!(volume = %record.id, "a directory of hostlet that was not taken over stays where it is");
        Ok(self.machine.files.remove_tree(dir.path())?)
    }
}

impl Goal<'_> {
    fn record(&self, planned: &Planned) -> Record {
        let spec = VolumeSpec {
            name: planned.id.to_string(),
            pool: self.pool.name().clone(),
            size: planned.size,
            content: Content::Filesystem(self.fs),
            sparse: false,
            direct_io: false,
            inodes: None,
            warn_percent: planned.warn_percent,
            owner: None,
            claim: Claim::default(),
        };
        let mut record = Record::creating(planned.id.clone(), spec, SystemTime::now().into());
        record.phase = Phase::Ready; // nothing that could be thrown away
        record.project = Some(planned.project);
        record.taken_from = Some(planned.directory.clone());
        record
    }
}

/// The mount that a path lies on.
fn above<'a>(mounts: &'a [MountEntry], path: &Path) -> Option<&'a MountEntry> {
    let mounts = mounts.iter().filter(|mount| path.starts_with(&mount.target));
    mounts.max_by_key(|mount| mount.target.components().count()) // of those at one path, the last: it lies on top
}

/// Where anything of a directory is seen by another path, or something else in it.
fn shown_at(mounts: &[MountEntry], directory: &Path) -> Option<PathBuf> {
    let below = mounts.iter().find(|mount| mount.target.starts_with(directory));
    let under = above(mounts, directory);
    let inside = under.and_then(|mount| Some(mount.root.join(directory.strip_prefix(&mount.target).ok()?)));
    let inside = inside.unwrap_or_else(|| directory.to_owned());
    let same = |mount: &&MountEntry| under.is_none_or(|under| under.device_number == mount.device_number);
    let bound = mounts.iter().filter(same).find(|mount| mount.root.starts_with(&inside));
    below.or(bound).map(|mount| mount.target.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MountAttributes;

    fn mount(target: &str, root: &str, minor: u32) -> MountEntry {
        MountEntry {
            target: target.into(),
            device: None,
            device_number: (8, minor),
            root: root.into(),
            attributes: MountAttributes::default(),
            filesystem_read_only: false,
        }
    }

    #[test]
    fn a_directory_is_mounted_by_whatever_path_it_is_seen() {
        let mounts = [
            mount("/", "/", 1),
            mount("/srv", "/", 2),
            mount("/srv/apps/c/x", "/", 3),
            mount("/run/a", "/apps/a", 2),
            mount("/run/deep", "/apps/d/e", 2),
            mount("/run/other", "/apps/b", 1),
            mount("/again", "/apps", 2),
        ];
        for (directory, place) in [
            ("/srv/apps/a", Some("/run/a")),
            ("/srv/apps/b", None),
            ("/srv/apps/c", Some("/srv/apps/c/x")),
            ("/srv/apps/d", Some("/run/deep")),
            ("/again/a", Some("/run/a")),
            ("/apps/b", Some("/run/other")),
            ("/srv/apps/ab", None),
        ] {
            assert_eq!(shown_at(&mounts, Path::new(directory)), place.map(PathBuf::from), "{directory}");
        }
        let on = |path: &str| above(&mounts, Path::new(path)).unwrap().target.clone();
        assert_eq!((on("/srv/apps/a"), on("/srvx"), on("/srv")), ("/srv".into(), "/".into(), "/srv".into()));
    }
}
