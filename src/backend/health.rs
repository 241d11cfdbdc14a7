use std::fmt;
use std::path::{Path, PathBuf};

use super::{Error, LoopImages, Result, Staging};
use crate::host::{LoopDevice, MountAt, MountEntry};
use crate::model::{Bytes, Content, Usage, VolumeId};
use crate::store::{Record, VolumeDir};

/// What is wrong with a volume or a pool. The CamelCase name is stable: people alert on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The record promises an image, and there is none.
    ImageMissing,
    /// The image is shorter than the record says.
    ImageTruncated,
    /// A reserved image has holes, and the pool has no room to fill them.
    ReservationBroken,
    /// The filesystem takes no writes, though nobody asked for that.
    FilesystemReadOnly,
    /// The filesystem has counted so many errors.
    FilesystemErrors(u64),
    /// The filesystem has to grow to the volume's size and could not yet.
    GrowthPending,
    /// Direct I/O was asked for, and the kernel does not do it.
    DirectIoOff,
    /// The volume is not mounted at a path where it is wanted, for that reason.
    NotMounted(String),
    /// The volume's pool is not served, for that reason.
    PoolNotServed(String),
    /// The pool has hardly any room left.
    PoolNearlyFull,
    /// The volume's record cannot be read, for that reason.
    RecordUnreadable(String),
}

impl Fault {
    /// The stable name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ImageMissing => "ImageMissing",
            Self::ImageTruncated => "ImageTruncated",
            Self::ReservationBroken => "ReservationBroken",
            Self::FilesystemReadOnly => "FilesystemReadOnly",
            Self::FilesystemErrors(_) => "FilesystemErrors",
            Self::GrowthPending => "GrowthPending",
            Self::DirectIoOff => "DirectIoOff",
            Self::NotMounted(_) => "NotMounted",
            Self::PoolNotServed(_) => "PoolNotServed",
            Self::PoolNearlyFull => "PoolNearlyFull",
            Self::RecordUnreadable(_) => "RecordUnreadable",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImageMissing => f.write_str("the image is missing"),
            Self::ImageTruncated => f.write_str("the image is shorter than the volume"),
            Self::ReservationBroken => {
                f.write_str("the reserved image has holes, and the pool has no room to fill them")
            }
            Self::FilesystemReadOnly => f.write_str("the filesystem takes no writes: see the kernel's log"),
            Self::FilesystemErrors(count) => write!(f, "the filesystem has counted {count} errors: run e2fsck"),
            Self::GrowthPending => f.write_str("the filesystem grows to the volume's size at the next stage"),
            Self::DirectIoOff => f.write_str("direct I/O was asked for, and the kernel does not do it on this pool"),
            Self::NotMounted(reason) => write!(f, "it is not mounted where it is wanted: {reason}"),
            Self::PoolNotServed(reason) => write!(f, "the pool is not served: {reason}"),
            Self::PoolNearlyFull => f.write_str("the pool has less than a tenth of its room left"),
            Self::RecordUnreadable(reason) => write!(f, "the record cannot be read: {reason}"),
        }
    }
}

/// A volume as the kernel has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Presence {
    /// Its device, where it is attached.
    pub device: Option<LoopDevice>,
    /// Where it is mounted or bound.
    pub mounts: Vec<MountEntry>,
    /// The space its image takes.
    pub allocated: Bytes,
}

impl LoopImages {
    /// Where a volume is attached, where `mounts` show it, and what it takes.
    pub fn presence(&self, dir: &VolumeDir, id: &VolumeId, mounts: &[MountEntry]) -> Result<Presence> {
        let stat = self.machine.files.stat(&dir.image())?;
        let device = self.device_of(dir, id)?;
        let mounts = mounts.iter().filter(|mount| device.is_some() && mount.device == device).cloned().collect();
        Ok(Presence { device, mounts, allocated: stat.map(|stat| stat.allocated).unwrap_or_default() })
    }

    /// How full the volume is, measured at a path where it must be mounted.
    pub fn usage(&self, dir: &VolumeDir, id: &VolumeId, path: &Path) -> Result<Usage> {
        let (place, mount) = self.mounted(dir, id, path)?;
        let measured = match mount.device {
            Some(device) if mount.is_block => {
                self.machine.loops.size(device).map(|total| Usage { total, ..Usage::default() })
            }
            _ => self.machine.mounts.usage(&place),
        };
        // A question takes no lock: meanwhile the mount may have gone, and below it lies the host's disk.
        self.mounted(dir, id, path)?;
        Ok(measured?)
    }

    /// The volume's mount at a path that a caller names: a target, a staging path, or that of a block device.
    ///
    /// # Errors
    /// [`Error::NotMounted`], [`Error::ForeignMount`].
    pub fn mounted(&self, dir: &VolumeDir, id: &VolumeId, path: &Path) -> Result<(PathBuf, MountAt)> {
        let volume = self.identity(id, dir)?;
        for path in [path.to_owned(), Staging(path).source(Content::Block)] {
            if let Some(mount) = self.mount_at(&path, &volume)? {
                return Ok((path, mount));
            }
        }
        Err(Error::NotMounted { path: path.to_owned() })
    }

    /// Everything that is wrong with a volume.
    pub fn faults(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Vec<Fault>> {
        let mut faults = match self.image_of(dir, record) {
            Ok(_) => Vec::new(),
            Err(Error::ImageMissing { .. }) => vec![Fault::ImageMissing],
            Err(Error::ImageTruncated { .. }) => vec![Fault::ImageTruncated],
            Err(error) => return Err(error),
        };
        if faults.is_empty() && !record.spec.sparse && !self.reserve_again(dir, record.spec.size)? {
            faults.push(Fault::ReservationBroken);
        }
        if record.growth_is_pending() {
            faults.push(Fault::GrowthPending);
        }
        if let Some(device) = self.device_of(dir, &record.id)? {
            let found = self.faults_in_use(record, device, mounts);
            // A question takes no lock: meanwhile the device may have gone, or be another volume's.
            if self.is_ours(device, &self.identity(&record.id, dir)?)? {
                faults.extend(found?);
            }
        }
        Ok(faults)
    }

    fn faults_in_use(&self, record: &Record, device: LoopDevice, mounts: &[MountEntry]) -> Result<Vec<Fault>> {
        let mut faults = Vec::new();
        if let Content::Filesystem(fs) = record.spec.content {
            let mut mounts = mounts.iter().filter(|mount| mount.device == Some(device));
            if mounts.any(|mount| mount.filesystem_read_only && !mount.read_only) {
                faults.push(Fault::FilesystemReadOnly);
            }
            match self.machine.mounts.error_count(device, fs)? {
                0 => {}
                count => faults.push(Fault::FilesystemErrors(count)),
            }
        }
        let backing = self.machine.loops.backing(device)?;
        if record.spec.direct_io && backing.is_some_and(|backing| !backing.direct_io) {
            faults.push(Fault::DirectIoOff);
        }
        Ok(faults)
    }
}
