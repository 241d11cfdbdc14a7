//! Every volume is a directory with a project id and a hard limit: no image, no device, no filesystem of its own.

mod health;
mod limit;
mod place;
mod prove;
mod shown;

pub(super) use health::{held, words};
pub use limit::tag_of;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Backend, Error, Fault, Growth, Presence, Result, Staging, check_options};
use crate::host::{self, Machine, MountAt, MountEntry, Strays};
use crate::model::{self, Bytes, FsKind, MountAttributes, MountOptions, ProjectId, Usage, VolumeId};
use crate::store::{PoolDir, Record, VolumeDir};

/// The backend `quota`.
pub(super) struct ProjectDirs {
    machine: Machine,
    /// How often a directory was not what its record says, and was mended.
    mended: AtomicU64,
}

impl ProjectDirs {
    /// The backend on a machine.
    pub(super) fn new(machine: Machine) -> Self {
        Self { machine, mended: AtomicU64::new(0) }
    }
}

/// What is not said here is in the rooms beside.
impl Backend for ProjectDirs {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn filesystems(&self, pool: &PoolDir) -> Result<Vec<FsKind>> {
        self.filesystem(pool).map(|fs| vec![fs])
    }

    fn prove(&self, scratch: &VolumeDir, project: Option<ProjectId>, _: FsKind) -> Result<()> {
        let project = project.ok_or(Error::NoProject { dir: scratch.path().to_owned() })?;
        self.prove(scratch, project)
    }

    fn largest(&self, _: &PoolDir) -> Result<Bytes> {
        Ok(Bytes::new(i64::MAX.unsigned_abs()).round_down())
    }

    fn provision(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        self.provision(dir, record)
    }

    fn reclaim(&self, dir: &VolumeDir) -> Result<()> {
        self.reclaim(dir)
    }

    fn forget(&self, _: &VolumeId) {}

    fn stage(&self, dir: &VolumeDir, record: &Record, staging: Staging, options: &MountOptions) -> Result<Growth> {
        check_options(model::Backend::Quota, record.spec.sparse, options)?;
        self.show(dir, record, staging.0, &options.attributes)
    }

    fn unstage(&self, id: &VolumeId, dir: Option<&VolumeDir>, staging: Staging) -> Result<()> {
        self.leave(id, dir, staging.0)
    }

    fn mount(&self, dir: &VolumeDir, record: &Record, target: &Path, read_only: bool) -> Result<Growth> {
        self.show(dir, record, target, &MountAttributes::reading(read_only))
    }

    fn unmount(&self, id: &VolumeId, dir: Option<&VolumeDir>, target: &Path) -> Result<()> {
        self.leave(id, dir, target)
    }

    fn unpublish(&self, id: &VolumeId, dir: Option<&VolumeDir>, target: &Path) -> Result<()> {
        self.leave(id, dir, target)?;
        super::place::remove_place(&self.machine, target)
    }

    fn recognises(&self, path: &Path) -> Result<bool> {
        Ok(self.shown_at(path)?.is_some())
    }

    fn at(&self, dir: &VolumeDir, _: &Record, path: &Path) -> Result<Option<MountAt>> {
        self.at(dir, path)
    }

    fn mounted(&self, dir: &VolumeDir, _: &VolumeId, path: &Path) -> Result<(PathBuf, MountAt)> {
        let found = self.at(dir, path)?;
        found.map(|mount| (path.to_owned(), mount)).ok_or_else(|| Error::NotMounted { path: path.to_owned() })
    }

    fn places(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<PathBuf>> {
        let mounts = self.mounts_of(dir, &record.id, &self.machine.mounts.list()?)?;
        Ok(mounts.into_iter().map(|mount| mount.target).collect())
    }

    fn presence(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Presence> {
        let mounts = self.mounts_of(dir, &record.id, mounts)?;
        Ok(Presence { device: None, mounts, allocated: self.taken(dir, record.project)? })
    }

    fn is_in_use(&self, dir: &VolumeDir) -> Result<bool> {
        self.is_shown(dir)
    }

    fn usage(&self, dir: &VolumeDir, record: &Record, path: &Path) -> Result<Usage> {
        self.usage(dir, record, path)
    }

    fn taken(&self, dir: &VolumeDir, project: Option<ProjectId>) -> Result<Bytes, host::Error> {
        let Some(project) = project else { return Ok(Bytes::ZERO) };
        // Asked beside it: it may not be there yet, and the project is the filesystem's.
        let beside = dir.path().parent().unwrap_or(dir.path());
        let found = self.machine.quotas.usage(beside, project)?;
        Ok(found.map(|usage| usage.bytes).unwrap_or_default())
    }

    fn drift(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<Fault>> {
        health::fault_of(self.drift(dir, record))
    }

    fn mend_drift(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<Fault>> {
        health::fault_of(self.mend(dir, record))
    }

    fn faults(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Vec<Fault>> {
        self.faults(dir, record, mounts)
    }

    fn enlarge(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        self.raise(dir, record, size)
    }

    fn trim(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        self.limit(dir, record, record.spec.size)
    }

    fn follow(&self, _: &VolumeDir, _: &Record, _: Option<&Path>) -> Result<Growth> {
        Ok(Growth::Done)
    }

    fn mend(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        self.mend(dir, record).map(drop)
    }

    fn files_left(&self, dir: &VolumeDir, record: &Record, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Strays>> {
        Ok(self.machine.quotas.strays(&dir.data(), limit::project(dir, record)?, go_on)?)
    }

    fn mended(&self) -> u64 {
        self.mended.load(Ordering::Relaxed)
    }

    fn reserve_again(&self, _: &VolumeDir, _: Bytes) -> Result<bool, host::Error> {
        Ok(true)
    }

    fn has_limits(&self) -> bool {
        true
    }

    fn smallest(&self, dir: &VolumeDir, record: &Record) -> Result<Bytes> {
        self.smallest(dir, record)
    }

    fn shrink(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        self.lower(dir, record, size)
    }

    fn take_back_shrink(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        self.limit(dir, record, record.spec.size)
    }
}
