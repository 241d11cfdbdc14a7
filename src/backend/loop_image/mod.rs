//! Every volume is an image file, attached as a loop device.

mod device;
mod grow;
mod health;
mod image;
mod shrink;
mod stage;

pub(super) use device::{Patience, held};
pub(super) use image::reserve;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::{Backend, Fault, Growth, Presence, Result, Staging};
use crate::host::{self, LoopDevice, Machine, MountAt, MountEntry, Strays};
use crate::model::{Bytes, Content, FsKind, MountOptions, ProjectId, Usage, VolumeId};
use crate::store::{PoolDir, Record, VolumeDir};

/// The backend `loop`.
pub(super) struct LoopImages {
    machine: Machine,
    /// Where a volume's device was last seen. A hint: the kernel is asked before it is believed.
    last_seen: Mutex<HashMap<VolumeId, LoopDevice>>,
}

impl LoopImages {
    /// The backend on a machine.
    pub(super) fn new(machine: Machine) -> Self {
        Self { machine, last_seen: Mutex::default() }
    }
}

/// What is not said here is in the rooms beside.
impl Backend for LoopImages {
    fn machine(&self) -> &Machine {
        &self.machine
    }

    fn filesystems(&self, _: &PoolDir) -> Result<Vec<FsKind>> {
        Ok(FsKind::ALL.to_vec())
    }

    fn prove(&self, scratch: &VolumeDir, _: Option<ProjectId>, fs: FsKind) -> Result<()> {
        self.prove(scratch, fs)
    }

    fn largest(&self, pool: &PoolDir) -> Result<Bytes> {
        Ok(self.machine.files.largest_file(pool.path())?)
    }

    fn provision(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        self.provision(dir, record)
    }

    fn reclaim(&self, dir: &VolumeDir) -> Result<()> {
        Ok(self.machine.files.remove_tree(dir.path())?)
    }

    fn forget(&self, id: &VolumeId) {
        self.last_seen.lock().expect("no holder panics").remove(id);
    }

    fn stage(&self, dir: &VolumeDir, record: &Record, staging: Staging, options: &MountOptions) -> Result<Growth> {
        self.stage(dir, record, staging, options)
    }

    fn unstage(&self, id: &VolumeId, dir: Option<&VolumeDir>, staging: Staging) -> Result<()> {
        self.unstage(id, dir, staging)
    }

    fn mount(&self, dir: &VolumeDir, record: &Record, target: &Path, read_only: bool) -> Result<Growth> {
        self.mount(dir, record, target, read_only)
    }

    fn unmount(&self, id: &VolumeId, dir: Option<&VolumeDir>, target: &Path) -> Result<()> {
        self.unmount(id, dir, target)
    }

    fn unpublish(&self, id: &VolumeId, _: Option<&VolumeDir>, target: &Path) -> Result<()> {
        self.unpublish(id, target)
    }

    fn recognises(&self, path: &Path) -> Result<bool> {
        for path in [path.to_owned(), Staging(path).source(Content::Block)] {
            if let Some(device) = self.machine.mounts.at(&path)?.and_then(|mount| mount.device)
                && self.machine.loops.backing(device)?.is_some_and(|backing| backing.is_volume())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn at(&self, dir: &VolumeDir, record: &Record, path: &Path) -> Result<Option<MountAt>> {
        self.mount_at(path, &self.identity(&record.id, dir)?)
    }

    fn mounted(&self, dir: &VolumeDir, id: &VolumeId, path: &Path) -> Result<(PathBuf, MountAt)> {
        self.mounted(dir, id, path)
    }

    fn places(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<PathBuf>> {
        let mounts = self.device_of(dir, &record.id)?.map(|device| self.mounts_of(device)).transpose()?;
        Ok(mounts.into_iter().flatten().map(|mount| mount.target).collect())
    }

    fn presence(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Presence> {
        self.presence(dir, &record.id, mounts)
    }

    fn is_in_use(&self, dir: &VolumeDir) -> Result<bool> {
        self.is_attached(dir)
    }

    fn stays_in_use(&self, dir: &VolumeDir) -> Result<bool> {
        self.stays_attached(dir)
    }

    fn usage(&self, dir: &VolumeDir, record: &Record, path: &Path) -> Result<Usage> {
        self.usage(dir, &record.id, path)
    }

    fn taken(&self, dir: &VolumeDir, _: Option<ProjectId>) -> Result<Bytes, host::Error> {
        Ok(self.machine.files.stat(&dir.image())?.map(|stat| stat.allocated).unwrap_or_default())
    }

    fn drift(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<Fault>> {
        self.differences(dir, record, |image| Ok(image.allocated < record.spec.size))
    }

    fn mend_drift(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<Fault>> {
        self.differences(dir, record, |_| Ok(!self.reserve_again(dir, record.spec.size)?))
    }

    fn faults(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Vec<Fault>> {
        self.faults(dir, record, mounts)
    }

    fn enlarge(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        self.enlarge(dir, record, size)
    }

    fn trim(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        self.trim(dir, record)
    }

    fn follow(&self, dir: &VolumeDir, record: &Record, path: Option<&Path>) -> Result<Growth> {
        self.follow(dir, record, path)
    }

    fn mend(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        self.mend(dir, record)
    }

    fn files_left(&self, _: &VolumeDir, _: &Record, _: &mut dyn FnMut() -> bool) -> Result<Option<Strays>> {
        Ok(Some(Strays::default())) // none gets out of a filesystem of its own
    }

    fn mended(&self) -> u64 {
        0
    }

    fn reserve_again(&self, dir: &VolumeDir, size: Bytes) -> Result<bool, host::Error> {
        self.reserve_again(dir, size)
    }

    fn has_limits(&self) -> bool {
        false
    }

    fn smallest(&self, dir: &VolumeDir, record: &Record) -> Result<Bytes> {
        self.smallest(dir, record)
    }

    fn shrink(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()> {
        self.shrink(dir, record, size)
    }

    fn take_back_shrink(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        self.take_back_shrink(dir, record)
    }
}
