use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};

use super::pool::Pool;
use super::{Error, Result};
use crate::backend::tag_of;
use crate::host::Machine;
use crate::model::{ProjectId, ProjectLimit, ProjectUsage, VolumeId};
use crate::projects::{Block, EtcFiles, Holder, Lines, Project, ProjectRange, Projects};
use crate::store::{PoolDir, Record, VolumeDir};

/// What pools of limits share.
#[derive(Default)]
pub(super) struct Tables(Mutex<Shared>);

#[derive(Default)]
struct Shared {
    /// Who has which project, of each filesystem on which such a pool is served, by its number (`st_dev`). When the last one
    /// is not any more, the number may be given to another.
    projects: HashMap<u64, Weak<Projects>>,
    /// `/etc/projects` and `/etc/projid`, by the directory in which they lie.
    etc: HashMap<PathBuf, Arc<EtcFiles>>,
}

/// What a served pool of limits has besides.
#[derive(Clone)]
pub(super) struct Limits {
    pub(super) projects: Arc<Projects>,
    etc: Arc<EtcFiles>,
    /// Its lines there.
    block: Block,
    /// Whether it has any.
    writes_names: bool,
    /// Why they could not be written the last time.
    refused: Arc<Mutex<Option<String>>>,
}

impl Tables {
    /// What a pool of limits has that is just being opened.
    pub(super) fn limits(&self, machine: &Machine, pool: &Pool, marker: &str) -> Result<Limits, String> {
        let (settings, path) = (&pool.config.limits, pool.dir.path());
        let there = machine.files.stat(path).map_err(|error| error.to_string())?;
        let device = there.ok_or_else(|| format!("{} does not exist", path.display()))?.id.device;
        let mut shared = self.0.lock().expect("no holder panics");
        let projects = shared.projects_on(device, settings.projects);
        if projects.range() != settings.projects {
            let (range, other) = (settings.projects, projects.range());
            return Err(format!("its projectIds are {range}, and another pool's on the same filesystem are {other}"));
        }
        let etc = shared.etc.entry(settings.etc.clone());
        let etc = etc.or_insert_with(|| Arc::new(EtcFiles::new(machine.files.clone(), &settings.etc))).clone();
        let block = Block::new(pool.name(), marker).map_err(|error| error.to_string())?;
        Ok(Limits { projects, etc, block, writes_names: settings.writes_names, refused: Arc::default() })
    }
}

impl Shared {
    fn projects_on(&mut self, device: u64, range: ProjectRange) -> Arc<Projects> {
        if let Some(known) = self.projects.get(&device).and_then(Weak::upgrade) {
            return known;
        }
        let new = Arc::new(Projects::new(range));
        self.projects.retain(|_, projects| projects.strong_count() > 0);
        self.projects.insert(device, Arc::downgrade(&new));
        new
    }
}

impl Limits {
    /// What others have written into `/etc/projects` and `/etc/projid`.
    pub(super) fn others(&self) -> Result<Lines> {
        Ok(self.etc.others(&self.block)?)
    }

    /// A free project for something that is to lie at that path.
    pub(super) fn claim(&self, machine: &Machine, pool: &PoolDir, name: &str, path: &Path) -> Result<ProjectId> {
        let lines = self.others()?;
        let is_foreign = |id| {
            let counted = machine.quotas.usage(pool.path(), id)?.is_some_and(|usage| usage != ProjectUsage::default());
            Ok::<_, Error>(counted || lines.has(id))
        };
        Ok(self.projects.fetch_or_create(name, path, is_foreign)?.id)
    }

    /// What has a limit and no file, and is nobody's: a hand has left it, or a driver that lost its disk. Its id is given to nobody.
    fn orphans(&self, machine: &Machine, pool: &PoolDir) -> Result<Vec<ProjectId>> {
        let (range, lines) = (self.projects.range(), self.others()?);
        let is_left = |usage: &ProjectUsage| usage.inodes == 0 && usage.limit != ProjectLimit::default();
        let is_nobodys = |id: ProjectId| range.contains(id) && !self.projects.has(id) && !lines.has(id);
        let known = machine.quotas.projects(pool.path())?.into_iter();
        Ok(known.filter(|(id, usage)| is_left(usage) && is_nobodys(*id)).map(|(id, _)| id).collect())
    }

    fn tell_of_orphans(&self, machine: &Machine, pool: &Pool) {
        match self.orphans(machine, &pool.dir) {
            Ok(ids) if ids.is_empty() => {}
            Ok(ids) => {
                let ids = ids.iter().map(ProjectId::to_string).collect::<Vec<_>>().join(", ");
                tracing::warn!(pool = %pool.name(), ids, "projects that nobody has have limits: xfs_quota takes them away");
            }
            Err(error) => tracing::debug!(pool = %pool.name(), %error, "it is not known which limits are nobody's"),
        }
    }

    /// Writes the names of the pool's projects where administrators look for them, unless they are there. A volume does not
    /// depend on it: what fails is said once, and tried again behind the calls.
    pub(super) fn write_names(&self, pool: &Pool) {
        if !self.writes_names {
            return;
        }
        let written = self.etc.write(&self.block, || self.projects.list_in(pool.dir.path()));
        let refused = written.err().map(|error| error.to_string());
        let before = std::mem::replace(&mut *self.refused.lock().expect("no holder panics"), refused.clone());
        match refused {
            Some(error) if before.as_ref() != Some(&error) => {
                tracing::warn!(pool = %pool.name(), error, "the names of projects are not written");
            }
            None if before.is_some() => tracing::info!(pool = %pool.name(), "the names of projects are written again"),
            _ => {}
        }
    }
}

impl Pool {
    /// Tells the table of a pool's filesystem who has which project there: by records, by what lies in the trash, and by the
    /// tags of directories of which no record can be read. Without that no volume is made in the pool.
    pub(super) fn read_projects(&self, machine: &Machine, limits: &Limits) -> Result<()> {
        let mut found = Vec::new();
        for name in machine.files.list(&self.dir.volumes())? {
            let Ok(id) = VolumeId::parse(&name) else { continue };
            let dir = self.dir.volume(&id);
            match Record::load(&*machine.files, &dir) {
                Ok(Some(Record { project: Some(project), .. })) => {
                    found.push(Holder::Volume(Project { id: project, name, path: dir.data() }));
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(volume = %id, %error, "known by its tag"),
            }
            found.extend(tag_of(machine, &dir)?.map(|id| Holder::Left {
                id,
                path: dir.data(),
                why: "a directory whose record does not tell".to_owned(),
            }));
        }
        for name in machine.files.list(&self.dir.trash())? {
            let dir = VolumeDir::found_in_trash(&self.dir, &name);
            let by_record = Record::of_any_name(&*machine.files, &dir).and_then(|record| record.project);
            let by_tag = tag_of(machine, &dir)?;
            let ids = by_record.into_iter().chain(by_tag);
            found.extend(ids.map(|id| Holder::Trash { id, path: dir.path().to_owned() }));
        }
        for conflict in limits.projects.sync(self.dir.path(), found) {
            tracing::error!(pool = %self.name(), %conflict, "two share a limit: move the data of one to a new volume");
        }
        limits.tell_of_orphans(machine, self);
        limits.write_names(self);
        Ok(())
    }
}
