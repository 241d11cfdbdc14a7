use std::path::Path;

use nix::errno::Errno;

use super::LoopImages;
use super::device::Identity;
use crate::backend::place::unmount;
use crate::backend::{Error, Growth, Result, Staging, check_options, same_access};
use crate::host::{Detached, HeldLoop, LoopDevice, MountAt};
use crate::model::{Backend, Content, FsKind, MountAttributes, MountOptions, VolumeId};
use crate::store::{Record, VolumeDir};

/// How a filesystem is mounted.
#[derive(Clone, Copy)]
struct How<'a> {
    options: &'a MountOptions,
    /// Whether this mount refuses writes, though the filesystem takes them.
    hides_writes: bool,
}

impl LoopImages {
    /// Attaches the volume and mounts it at its staging path, finishing a growth that is pending. Never formats.
    pub(super) fn stage(
        &self,
        dir: &VolumeDir,
        record: &Record,
        staging: Staging,
        options: &MountOptions,
    ) -> Result<Growth> {
        check_options(Backend::Loop, record.spec.sparse, options)?;
        self.keep_reserved(dir, record)?;
        match record.spec.content {
            Content::Filesystem(fs) => {
                self.mount_filesystem(dir, record, fs, staging.0, How { options, hides_writes: false })
            }
            Content::Block => self.bind_device(dir, record, &staging.source(Content::Block), false),
        }
    }

    /// Attaches the volume and makes it appear at a path of its own: a directory, or for raw blocks a file.
    pub(super) fn mount(&self, dir: &VolumeDir, record: &Record, target: &Path, read_only: bool) -> Result<Growth> {
        self.keep_reserved(dir, record)?;
        match record.spec.content {
            Content::Filesystem(fs) => {
                let how = How { options: &MountOptions::default(), hides_writes: read_only };
                self.mount_filesystem(dir, record, fs, target, how)
            }
            Content::Block => self.bind_device(dir, record, target, read_only),
        }
    }

    fn mount_filesystem(
        &self,
        dir: &VolumeDir,
        record: &Record,
        fs: FsKind,
        path: &Path,
        How { options, hides_writes }: How,
    ) -> Result<Growth> {
        let grows = record.growth_is_pending() && !options.attributes.read_only;
        if self.mount_at(path, &self.identity(&record.id, dir)?)?.is_some() {
            same_access(&self.machine, path, options.attributes.read_only || hides_writes)?;
            // There it is, grown or not.
            return match grows.then(|| self.follow(dir, record, Some(path))) {
                None | Some(Err(Error::GrowthNotPermitted | Error::GrowthReadOnly)) => Ok(Growth::of(record)),
                Some(followed) => followed,
            };
        }
        if record.growth_is_pending() {
            self.take_back_shrink(dir, record)?;
        }
        let device = self.attach(dir, record)?;
        self.machine.files.create_mount_point(path)?;
        let mut mount = self.machine.mounts.open(&device, fs, options)?;
        if grows {
            self.set_capacity(dir, record, device.device())?; // adopted, it may still have its old size
            mount = self.grow_detached(mount, &device, fs, options)?;
            self.keep_reserved(dir, record)?; // as in `follow`
        }
        if hides_writes {
            mount.set_read_only()?;
        }
        mount.attach(path)?;
        Ok(if grows { Growth::Done } else { Growth::of(record) })
    }

    /// Online where the kernel permits it, else closed, checked and grown by `resize2fs`. An XFS is closed afterwards: what its log
    /// has of it is then in its place, as [`Mounts::grow`](crate::host::Mounts::grow) sees to where it is in use.
    fn grow_detached(
        &self,
        mount: Box<dyn Detached>,
        device: &HeldLoop,
        fs: FsKind,
        options: &MountOptions,
    ) -> Result<Box<dyn Detached>> {
        match mount.grow() {
            Err(error) if error.errno() == Some(Errno::EPERM) && fs == FsKind::Ext4 => {
                drop(mount);
                self.machine.tools.grow_offline(device, fs)?;
            }
            Ok(()) if fs == FsKind::Xfs => drop(mount),
            grown => return Ok(grown.map(|()| mount)?),
        }
        Ok(self.machine.mounts.open(device, fs, options)?)
    }

    /// The device is kept before its node is bound: a node never outlives its device, to show another volume's later.
    /// What a kill in between leaves, the next stage takes, or the next start detaches.
    fn bind_device(&self, dir: &VolumeDir, record: &Record, node: &Path, read_only: bool) -> Result<Growth> {
        let volume = self.identity(&record.id, dir)?;
        self.unbind_dead(node)?;
        let bound = self.mount_at(node, &volume)?.is_some();
        let device = self.attach(dir, record)?;
        self.set_capacity(dir, record, device.device())?;
        self.machine.loops.keep(&device)?;
        if !bound && let Err(error) = self.bind_node(device.device(), node, read_only) {
            let number = device.device();
            drop(device); // what is open is not detached
            if let Err(error) = self.detach_kept(number, &volume) {
                tracing::warn!(volume = %record.id, device = %number, %error, "it is detached by the next stage or start");
            }
            return Err(error);
        }
        Ok(Growth::Done)
    }

    fn bind_node(&self, device: LoopDevice, node: &Path, read_only: bool) -> Result<()> {
        self.machine.files.create_mount_point(node.parent().unwrap_or(node))?;
        self.machine.files.create_file(node)?;
        Ok(self.machine.mounts.bind(&device.path(), node, &MountAttributes::reading(read_only))?)
    }

    /// Takes away a node whose device somebody has detached: it shows nothing, and would show whoever comes next.
    fn unbind_dead(&self, node: &Path) -> Result<()> {
        let Some(MountAt { device: Some(device), is_block: true, .. }) = self.machine.mounts.at(node)? else {
            return Ok(());
        };
        if self.machine.loops.backing(device)?.is_none() {
            self.machine.mounts.unmount(node)?;
        }
        Ok(())
    }

    /// Takes the volume off its staging path and detaches it. `dir` is `None` where its pool is out of reach.
    pub(super) fn unstage(&self, id: &VolumeId, dir: Option<&VolumeDir>, staging: Staging) -> Result<()> {
        let volume = Identity::by_tag(id);
        self.leave(staging.0, &volume)?;
        let node = staging.source(Content::Block);
        let bound = self.machine.mounts.at(&node)?.and_then(|mount| mount.device);
        self.leave(&node, &volume)?;
        self.machine.files.remove_empty(&node)?;
        match bound {
            Some(device) => self.detach_kept(device, &volume),
            None => self.detach_unbound(&volume, dir),
        }
    }

    /// Takes the volume off a path where [`LoopImages::mount`] put it, and detaches it where that was the last.
    pub(super) fn unmount(&self, id: &VolumeId, dir: Option<&VolumeDir>, target: &Path) -> Result<()> {
        let volume = Identity::by_tag(id);
        let bound = self.machine.mounts.at(target)?.filter(|mount| mount.is_block).and_then(|mount| mount.device);
        self.leave(target, &volume)?;
        match bound {
            Some(device) => self.detach_kept(device, &volume),
            None => self.detach_unbound(&volume, dir),
        }
    }

    /// A block device whose node is already unbound: an earlier call was killed, or found it in use.
    fn detach_unbound(&self, volume: &Identity, dir: Option<&VolumeDir>) -> Result<()> {
        let Some(device) = dir.map(|dir| self.device_of(dir, volume.id)).transpose()?.flatten() else { return Ok(()) };
        match self.machine.loops.backing(device)? {
            Some(backing) if !backing.autoclear => self.detach_kept(device, volume),
            _ => Ok(()),
        }
    }

    fn detach_kept(&self, device: LoopDevice, volume: &Identity) -> Result<()> {
        let mounts = self.machine.mounts.list()?;
        if mounts.iter().any(|mount| mount.device == Some(device)) {
            return Ok(()); // staged or published elsewhere too
        }
        if self.detach(device, volume)? { Ok(()) } else { Err(Error::Busy { what: device.to_string() }) }
    }

    /// Takes the volume off a target path, and the path away.
    pub(super) fn unpublish(&self, id: &VolumeId, target: &Path) -> Result<()> {
        self.leave(target, &Identity::by_tag(id))?;
        match self.machine.files.remove_empty(target) {
            // Not ours: a plain directory with somebody's files in it.
            Err(error) if error.errno() == Some(Errno::ENOTEMPTY) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Every mount of the volume at this path: two on top of each other are gone with one call.
    fn leave(&self, path: &Path, volume: &Identity) -> Result<()> {
        self.unbind_dead(path)?;
        while self.mount_at(path, volume)?.is_some() {
            unmount(&self.machine, path)?;
        }
        Ok(())
    }
}
