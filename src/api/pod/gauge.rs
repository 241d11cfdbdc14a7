use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;

use crate::host::{Ground, LoopDevice, Machine, MountIdentity};
use crate::model::{Backend, Bytes, FsKind, Inodes, Reading, Usage};
use crate::monitor::Gauge;

/// Measures what is mounted at one path of a container, without any privilege.
pub struct MountGauge {
    path: PathBuf,
    machine: Machine,
    known: Mutex<Known>,
}

/// What was learned so far.
#[derive(Clone, Copy, Default)]
struct Known {
    /// The mount that was first seen there. No other is taken for it.
    anchor: Option<Anchor>,
    /// The size that was told, and needs no finding out.
    declared: Option<Bytes>,
    /// The last size that was read, and of what it was.
    size: Option<(Bytes, Basis)>,
}

#[derive(Clone, Copy)]
struct Anchor {
    identity: MountIdentity,
    ground: Ground,
    /// When the filesystem was made, or the directory in it.
    born: Option<OffsetDateTime>,
}

/// What tells how much was provisioned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Basis {
    /// The device under the mount is the volume's own.
    Device,
    /// The directory has a limit on a filesystem that it shares.
    Limit,
    /// There is no device, and so only what the filesystem shows.
    Shown,
}

impl Gauge for MountGauge {
    fn read(&self) -> Result<Reading, String> {
        let anchor = self.anchor()?;
        let Machine { mounts, quotas, .. } = &self.machine;
        let usage = mounts.usage(&self.path).map_err(|error| error.to_string())?;
        let device = mounts.device_size(anchor.identity).map_err(|error| error.to_string())?;
        // Who may not look into the directory knows of neither.
        let has_project = !anchor.ground.is_root && matches!(quotas.project_of(&self.path), Ok(Some(_)));
        let all = has_project.then(|| quotas.usage_of_all(&self.path).ok().flatten()).flatten();
        let shares = all.map_or(has_project, |all| usage.total < all.total);
        // Once more: had the mount gone in between, another filesystem was measured.
        self.anchor()?;
        let (size, basis) = provisioned(anchor.ground.is_root, shares, device, usage.total);
        let left = all.map_or(usage, |all| less(usage, all));
        let mut known = self.known();
        known.size = Some((size, basis));
        Ok(Reading { size: known.declared.unwrap_or(size), available: left.available, inodes: left.inodes })
    }
}

impl MountGauge {
    /// A gauge for that path; `declared` overrides what it finds.
    pub fn new(path: &Path, declared: Option<Bytes>, machine: Machine) -> Self {
        let known = Known { declared, ..Known::default() };
        Self { path: path.to_owned(), machine, known: Mutex::new(known) }
    }

    /// What was provisioned, without asking the filesystem, which may hang: the device's size now, or the limit that was
    /// last seen. `None` before the first measurement.
    pub(super) fn size(&self) -> Option<Bytes> {
        let Known { anchor, declared, size } = *self.known();
        let of_device = || {
            let (size, basis) = size?;
            let now = anchor
                .filter(|_| basis == Basis::Device)
                .map(|anchor| self.machine.mounts.device_size(anchor.identity));
            Some(now.and_then(|now| now.ok().flatten()).unwrap_or(size))
        };
        declared.or_else(of_device)
    }

    /// The same without asking anything: what was told, or last seen.
    pub(super) fn last_size(&self) -> Option<Bytes> {
        let Known { declared, size, .. } = *self.known();
        declared.or(size.map(|(size, _)| size))
    }

    /// Its filesystem, where it was seen and is one of ours.
    pub(super) fn fs(&self) -> Option<FsKind> {
        self.known().anchor?.ground.fs
    }

    /// How it is made, as far as that shows.
    pub(super) fn backend(&self) -> Option<Backend> {
        let Known { anchor, size, .. } = *self.known();
        match size?.1 {
            Basis::Device => (anchor?.identity.device.0 == LoopDevice::MAJOR).then_some(Backend::Loop),
            Basis::Limit => Some(Backend::Quota),
            Basis::Shown => None,
        }
    }

    /// When it was made, where its filesystem keeps that.
    pub(super) fn born(&self) -> Option<OffsetDateTime> {
        self.known().anchor?.born
    }

    /// It was grown: what was told is true no more.
    pub(super) fn grown_to(&self, size: Bytes) {
        let mut known = self.known();
        known.declared = known.declared.map(|declared| declared.max(size));
    }

    /// The mount that is expected here, if it is what is here.
    fn anchor(&self) -> Result<Anchor, String> {
        let path = self.path.display();
        let identity = self.machine.mounts.identity(&self.path).map_err(|error| error.to_string())?;
        let known = self.known().anchor;
        match (identity, known) {
            (Some(identity), Some(anchor)) if anchor.identity == identity => Ok(anchor),
            (Some(_), Some(_)) => Err(format!("{path} is another mount than it was")),
            (None, Some(_)) => Err(format!("{path} is no mount point any more")),
            (None, None) => Err(format!("{path} is no mount point: is the volume mounted there in this container?")),
            (Some(identity), None) => {
                let ground = self.machine.mounts.ground(&self.path).map_err(|error| error.to_string())?;
                let ground = ground.ok_or_else(|| format!("{path} is not in the mount table"))?;
                let born = std::fs::metadata(&self.path).and_then(|root| root.created()).ok();
                let anchor = Anchor { identity, ground, born: born.map(OffsetDateTime::from) };
                Ok(*self.known().anchor.get_or_insert(anchor))
            }
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // Nothing panics while it is held.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a limit leaves, and no more than the others have left of the filesystem.
fn less(of_limit: Usage, of_all: Usage) -> Usage {
    let free = of_limit.inodes.free.min(of_all.inodes.free);
    let inodes = Inodes { free, ..of_limit.inodes };
    Usage { available: of_limit.available.min(of_all.available), inodes, ..of_limit }
}

/// The exact size: the device's where the whole of it is ours to fill, seen as its root or (a `subPath`) by a total that
/// is most of it; else a directory with a project quota, where the total is the limit. One that is known to have a limit
/// shares its device, even if that is most of it.
fn provisioned(is_root: bool, shares: bool, device: Option<Bytes>, total: Bytes) -> (Bytes, Basis) {
    match device {
        Some(device) if is_root || !shares && total.get() > device.get() / 2 => (device, Basis::Device),
        Some(_) => (total, Basis::Limit),
        None => (total, Basis::Shown),
    }
}

#[cfg(test)]
mod tests;
