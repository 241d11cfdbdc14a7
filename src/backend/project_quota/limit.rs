use std::time::Duration;

use nix::errno::Errno;
use tracing::info_span;

use super::ProjectDirs;
use crate::backend::{Error, Result};
use crate::host::{self, Machine};
use crate::model::{Bytes, ProjectId, ProjectLimit, ProjectUsage};
use crate::store::{Phase, Record, VolumeDir};

/// What a volume keeps free at least when its limit is lowered: where its inodes follow its size, 256 of them.
const MARGIN: Bytes = Bytes::mib(1);

/// How long it is waited for that what was removed is counted no more: some 60 ms in all.
const WAITS: [Duration; 7] = {
    let ms = Duration::from_millis;
    [ms(0), ms(1), ms(2), ms(4), ms(8), ms(16), ms(32)]
};

impl ProjectDirs {
    /// Makes the directory of a new volume, and holds it to its size before anybody can write there.
    pub(super) fn provision(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        let (files, data) = (&self.machine.files, dir.data());
        if files.stat(&data)?.is_some() {
            return Err(host::Error::call("mkdir", &data, Errno::EEXIST).into());
        }
        self.settle(dir, project(dir, record)?)?;
        self.limit(dir, record, record.spec.size)?;
        if let Some(owner) = record.spec.owner {
            files.set_owner(&data, owner)?;
        }
        Ok(())
    }

    /// Makes the directory, of that project, which is nobody else's then. Where it is, there is none.
    pub(super) fn settle(&self, dir: &VolumeDir, project: ProjectId) -> Result<()> {
        let (files, quotas, data) = (&self.machine.files, &self.machine.quotas, dir.data());
        files.create_dir(&data)?;
        quotas.set_project(&data, project)?;
        // Two who ask at once for a project hear the same, but one of them counts two inodes.
        let inodes = quotas.usage(dir.path(), project)?.unwrap_or_default().inodes;
        if inodes == 1 {
            return Ok(());
        }
        files.remove_tree(&data)?;
        Err(Error::ProjectTaken { project, inodes })
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
        let found = quotas.usage(dir.path(), project)?.unwrap_or_default();
        if found.is_held_to(limit) { Ok(()) } else { Err(Error::LimitNotKept { project, asked: limit, found }) }
    }

    /// How small the limit can become: what is used, and a margin.
    pub(super) fn smallest(&self, dir: &VolumeDir, record: &Record) -> Result<Bytes> {
        let used = self.used(dir, record)?;
        Ok(used.saturating_add(MARGIN).round_up().unwrap_or(used))
    }

    /// Lowers the limit. Whoever has written meanwhile has what he had: then nothing is lowered.
    pub(super) fn lower(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        let lowered = self.limit(dir, record, size).and_then(|()| match self.used(dir, record)? {
            used if used <= size => Ok(()),
            used => Err(Error::Filled { used }),
        });
        self.or_as_before(dir, record, lowered)
    }

    /// Raises the limit.
    pub(super) fn raise(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        let raised = self.limit(dir, record, size);
        self.or_as_before(dir, record, raised)
    }

    /// After a failure the kernel may have the new limit all the same: that of the record is set again.
    fn or_as_before(&self, dir: &VolumeDir, record: &Record, done: Result<()>) -> Result<()> {
        if done.is_err()
            && let Err(error) = self.limit(dir, record, record.spec.size)
        {
            tracing::warn!(volume = %record.id, %error, "its limit may not be what its record says");
        }
        done
    }

    /// The least size that holds what is in a volume: where its inodes follow its size, they count too.
    fn used(&self, dir: &VolumeDir, record: &Record) -> Result<Bytes> {
        let usage = self.machine.quotas.usage(dir.path(), project(dir, record)?)?.unwrap_or_default();
        Ok(record.spec.inodes.map_or(usage.bytes, |limit| limit.size_for(usage.inodes).max(usage.bytes)))
    }

    /// Takes a volume out of the trash: its data, then its limit. Nothing has its project any more then.
    ///
    /// Killed in between, the record is still there to tell of which project it was. The tag tells only where no record does:
    /// its owner may have given the directory to anybody, whose limit is no business of ours.
    pub(super) fn reclaim(&self, dir: &VolumeDir) -> Result<()> {
        let files = &self.machine.files;
        let (record, tag) = (Record::of_any_name(&**files, dir), tag_of(&self.machine, dir)?);
        let project = record.as_ref().and_then(|record| record.project).or(tag);
        files.remove_tree(&dir.data())?;
        if let Some(project) = project {
            // Only of a claim that was never finished another can have had the project at the same time.
            let claim = record.filter(|record| record.phase == Phase::Creating);
            self.unlimit(dir, project, claim.map(|record| (limit_of(&record, record.spec.size), tag.is_some())))?;
        }
        Ok(files.remove_tree(dir.path())?)
    }

    /// Takes the limit of a project away of which nothing is left. Of a claim it is said which limit it would have had, and whether
    /// its directory was still there: without it another has won.
    fn unlimit(&self, dir: &VolumeDir, project: ProjectId, claim: Option<(ProjectLimit, bool)>) -> Result<()> {
        let waits = if matches!(claim, Some((_, false))) { &WAITS[..1] } else { &WAITS };
        match (self.left_of(dir, project, waits)?, claim) {
            (left, _) if left.inodes == 0 && left.is_held_to(ProjectLimit::default()) => Ok(()),
            (ProjectUsage { inodes: 0, .. }, _) => {
                Ok(self.machine.quotas.set_limit(dir.path(), project, ProjectLimit::default())?)
            }
            // Nobody was in there who could hold anything of it: who has taken the project at the same time keeps it, and his limit.
            (_, Some((_, false))) => Ok(()),
            (ProjectUsage { limit, .. }, Some((ours, true))) if limit != ours => Ok(()),
            _ => Err(Error::StillHeld { project }),
        }
    }

    /// What is left of a project whose data was removed: it is counted for some milliseconds more, and what somebody has open
    /// until he closes it.
    fn left_of(&self, dir: &VolumeDir, project: ProjectId, waits: &[Duration]) -> Result<ProjectUsage> {
        let mut left = ProjectUsage::default();
        for wait in waits {
            std::thread::sleep(*wait);
            left = self.machine.quotas.usage(dir.path(), project)?.unwrap_or_default();
            if left.inodes == 0 && left.bytes == Bytes::ZERO {
                break;
            }
        }
        Ok(left)
    }
}

/// The project that a volume's directory itself has; `None` where it has none, or is not there.
pub fn tag_of(machine: &Machine, dir: &VolumeDir) -> Result<Option<ProjectId>, host::Error> {
    let data = dir.data();
    match machine.files.stat(&data)? {
        Some(_) => Ok(machine.quotas.project_of(&data)?.map(|tag| tag.id)),
        None => Ok(None),
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
