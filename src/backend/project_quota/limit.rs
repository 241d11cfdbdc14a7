use nix::errno::Errno;
use tracing::info_span;

use super::ProjectDirs;
use crate::backend::{Error, Result};
use crate::host;
use crate::model::{Bytes, ProjectId, ProjectLimit};
use crate::store::{Record, VolumeDir};

/// What a volume keeps free at least when its limit is lowered.
const MARGIN: Bytes = Bytes::mib(1);

impl ProjectDirs {
    /// Makes the directory of a new volume, and holds it to its size before anybody can write there.
    pub(super) fn provision(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        let (files, quotas, data) = (&self.machine.files, &self.machine.quotas, dir.data());
        if files.stat(&data)?.is_some() {
            return Err(host::Error::call("mkdir", &data, Errno::EEXIST).into());
        }
        let project = project(dir, record)?;
        files.create_dir(&data)?;
        // The claim is settled so: two who ask at once for a project hear the same, but one of them counts two inodes.
        quotas.set_project(&data, project)?;
        let inodes = quotas.usage(dir.path(), project)?.unwrap_or_default().inodes;
        if inodes != 1 {
            return Err(Error::ProjectTaken { project, inodes });
        }
        self.limit(dir, record, record.spec.size)?;
        if let Some(owner) = record.spec.owner {
            files.set_owner(&data, owner)?;
        }
        Ok(())
    }

    /// Holds a volume to a size.
    pub(super) fn limit(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        let _step = info_span!("limit").entered();
        self.set_limit(dir, project(dir, record)?, limit_of(record, size))
    }

    /// Sets a limit, and reads it back: a kernel that takes one and keeps another would hold nobody to it.
    pub(super) fn set_limit(&self, dir: &VolumeDir, project: ProjectId, limit: ProjectLimit) -> Result<()> {
        let quotas = &self.machine.quotas;
        quotas.set_limit(dir.path(), project, limit)?;
        let found = quotas.usage(dir.path(), project)?.unwrap_or_default().limit;
        if found == limit { Ok(()) } else { Err(Error::LimitNotKept { project, asked: limit, found }) }
    }

    /// How small the limit can become: what is used, and a margin.
    pub(super) fn smallest(&self, dir: &VolumeDir, record: &Record) -> Result<Bytes> {
        let used = self.machine.quotas.usage(dir.path(), project(dir, record)?)?.unwrap_or_default().bytes;
        Ok(used.saturating_add(MARGIN).round_up().unwrap_or(used))
    }

    /// Lowers the limit. Whoever has written meanwhile has what he had: then nothing is lowered.
    pub(super) fn lower(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        self.limit(dir, record, size)?;
        let used = self.machine.quotas.usage(dir.path(), project(dir, record)?)?.unwrap_or_default().bytes;
        if used <= size {
            return Ok(());
        }
        self.limit(dir, record, record.spec.size)?;
        Err(Error::Filled { used })
    }

    /// Takes a volume out of the trash: its data, then its limit. Its project, once nothing has it any more.
    ///
    /// Killed in between, the record is still there to tell of which project it was.
    pub(super) fn reclaim(&self, dir: &VolumeDir) -> Result<Option<ProjectId>> {
        let (files, quotas) = (&self.machine.files, &self.machine.quotas);
        let project = self.project_in(dir)?;
        files.remove_tree(&dir.data())?;
        if let Some(project) = project {
            // Not before: who else has taken it meanwhile keeps the limit.
            if !self.is_released(dir, project)? {
                return Err(Error::StillHeld { project });
            }
            quotas.set_limit(dir.path(), project, ProjectLimit::default())?;
        }
        files.remove_tree(dir.path())?;
        Ok(project)
    }

    /// The project of what lies in the trash: by its directory, or by its record.
    fn project_in(&self, dir: &VolumeDir) -> Result<Option<ProjectId>> {
        let data = dir.data();
        if self.machine.files.stat(&data)?.is_some()
            && let Some(project) = self.machine.quotas.project_of(&data)?
        {
            return Ok(Some(project));
        }
        Ok(Record::project_in(&*self.machine.files, dir))
    }

    /// Whether no inode has the project any more. Those that somebody has open keep it until they are closed; and what was just
    /// removed is counted for some milliseconds more.
    fn is_released(&self, dir: &VolumeDir, project: ProjectId) -> Result<bool> {
        for wait in [0, 1, 2, 4, 8, 16, 32] {
            std::thread::sleep(std::time::Duration::from_millis(wait));
            let found = self.machine.quotas.usage(dir.path(), project)?.unwrap_or_default();
            if found.inodes == 0 && found.bytes == Bytes::ZERO {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What a volume of that size may take.
pub(super) fn limit_of(record: &Record, size: Bytes) -> ProjectLimit {
    ProjectLimit { bytes: Some(size), inodes: record.spec.inodes.map(|limit| limit.of(size)) }
}

/// The project in the record.
pub(super) fn project(dir: &VolumeDir, record: &Record) -> Result<ProjectId> {
    record.project.ok_or_else(|| Error::NoProject { dir: dir.path().to_owned() })
}
