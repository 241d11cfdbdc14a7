use std::path::Path;
use std::sync::atomic::Ordering;

use super::ProjectDirs;
use super::limit::{limit_of, project};
use crate::backend::{Error, Fault, Result};
use crate::host::MountEntry;
use crate::model::{ProjectLimit, ProjectTag, ProjectUsage, Usage};
use crate::store::{Record, VolumeDir};

impl ProjectDirs {
    /// How full the volume is, measured at a path where it must be mounted: the numbers of its project, and of the pool's filesystem
    /// what is less.
    ///
    /// The project tells, not `statfs(2)` in the volume: that forgets the limit of inodes where there is none, and newer kernels
    /// count what others have taken from a full pool.
    pub(super) fn usage(&self, dir: &VolumeDir, record: &Record, path: &Path) -> Result<Usage> {
        if self.at(dir, path)?.is_none() {
            return Err(Error::NotMounted { path: path.to_owned() });
        }
        let (counted, pool) = self.machine.quotas.usage_and_space(dir.path(), project(dir, record)?)?;
        let counted = counted.unwrap_or_default();
        let (total, used) = (counted.limit.bytes.unwrap_or(record.spec.size), counted.bytes);
        let available = total.saturating_sub(used).min(pool.available);
        Ok(Usage { total, used, available, inodes: counted.inodes_of(pool.inodes) })
    }

    /// Everything that is wrong with a volume, but for what its record says of it.
    pub(super) fn faults(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Vec<Fault>> {
        let shown = self.mounts_of(dir, &record.id, mounts)?;
        let is_read_only = shown.iter().any(|mount| mount.filesystem_read_only && !mount.attributes.read_only);
        Ok(if is_read_only { vec![Fault::FilesystemReadOnly] } else { Vec::new() })
    }

    /// Gives the directory its project and its limit again, where they are not what the record says; in what they were not.
    pub(super) fn mend(&self, dir: &VolumeDir, record: &Record) -> Result<Option<String>> {
        let Some(drift) = self.drift(dir, record)? else { return Ok(None) };
        tracing::warn!(volume = %record.id, drift, "what holds the volume to its size is mended");
        self.limit(dir, record, record.spec.size)?;
        self.machine.quotas.set_project(&dir.data(), project(dir, record)?)?;
        self.mended.fetch_add(1, Ordering::Relaxed);
        Ok(Some(drift))
    }

    /// In what the directory is not what the record says.
    pub(super) fn drift(&self, dir: &VolumeDir, record: &Record) -> Result<Option<String>> {
        let (quotas, data, wanted) = (&self.machine.quotas, dir.data(), project(dir, record)?);
        if self.machine.files.stat(&data)?.is_none() {
            return Err(Error::DirectoryMissing { dir: data });
        }
        match quotas.project_of(&data)? {
            Some(ProjectTag { id, inherited: true }) if id == wanted => {}
            Some(ProjectTag { id, .. }) if id == wanted => {
                return Ok(Some(format!("what is made in it does not get its project, {wanted}")));
            }
            other => {
                let found = other.map_or("none".to_owned(), |tag| tag.id.to_string());
                return Ok(Some(format!("its project is {found}, and should be {wanted}")));
            }
        }
        let (found, wanted) =
            (quotas.usage(dir.path(), wanted)?.unwrap_or_default(), limit_of(record, record.spec.size));
        let differs = !found.is_held_to(wanted);
        Ok(differs.then(|| format!("its limit is {}, and should be {}", held(found), words(wanted))))
    }
}

/// A drift as what is wrong with a volume.
pub(super) fn fault_of(drift: Result<Option<String>>) -> Result<Vec<Fault>> {
    match drift {
        Err(Error::DirectoryMissing { .. }) => Ok(vec![Fault::DirectoryMissing]),
        drift => Ok(drift?.map(Fault::LimitDrifted).into_iter().collect()),
    }
}

/// What a project is held to, for people.
pub(in crate::backend) fn held(usage: ProjectUsage) -> String {
    let (hard, soft) = (words(usage.limit), usage.soft);
    if soft == ProjectLimit::default() { hard } else { format!("{hard}, with a soft one of {}", words(soft)) }
}

/// A limit for people.
pub(in crate::backend) fn words(ProjectLimit { bytes, inodes }: ProjectLimit) -> String {
    let bytes = bytes.map_or("none".to_owned(), |bytes| bytes.to_string());
    inodes.map_or(bytes.clone(), |inodes| format!("{bytes} and {inodes} inodes"))
}
