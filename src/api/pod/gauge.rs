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
mod tests {
    use super::*;
    use crate::host::fake::Fake;
    use crate::host::linux;
    use crate::model::{MountAttributes, ProjectId, ProjectLimit};

    fn gauge(path: &str) -> MountGauge {
        MountGauge::new(Path::new(path), None, linux::machine())
    }

    #[test]
    fn the_size_is_that_of_the_device_or_of_the_limit() {
        let gib = Bytes::gib;
        let cases = [
            (true, false, Some(gib(2)), Bytes::mib(1900), gib(2), Basis::Device),
            (false, false, Some(gib(2)), Bytes::mib(1900), gib(2), Basis::Device),
            (true, false, Some(gib(2)), Bytes::mib(100), gib(2), Basis::Device),
            (false, false, Some(gib(100)), gib(2), gib(2), Basis::Limit),
            (false, false, Some(gib(100)), gib(50), gib(50), Basis::Limit),
            (false, true, Some(gib(100)), gib(2), gib(2), Basis::Limit),
            (false, true, Some(gib(100)), gib(90), gib(90), Basis::Limit),
            (true, false, None, gib(3), gib(3), Basis::Shown),
            (false, false, None, gib(3), gib(3), Basis::Shown),
        ];
        for (is_root, shares, device, total, size, basis) in cases {
            let found = provisioned(is_root, shares, device, total);
            assert_eq!(found, (size, basis), "{is_root} {shares} {device:?} {total}");
        }
    }

    /// A volume with a limit of most of its pool, of which others take more than they should.
    #[test]
    fn what_is_available_is_the_smaller_of_what_the_limit_and_the_pool_leave() {
        let machine = Fake::new(Bytes::gib(10)).machine();
        let (files, data, target) = (&machine.files, Path::new("/data"), Path::new("/published"));
        [data, target].iter().for_each(|dir| files.create_dir(dir).unwrap());
        let (project, limit) = (ProjectId::new(100).unwrap(), Bytes::gib(8));
        machine.quotas.set_project(data, project).unwrap();
        machine.quotas.set_limit(data, project, ProjectLimit { bytes: Some(limit), inodes: None }).unwrap();
        machine.mounts.bind(data, target, &MountAttributes::default()).unwrap();
        let gauge = MountGauge::new(target, None, machine.clone());
        let read = || gauge.read().map(|reading| (reading.size, reading.available)).unwrap();
        let take = |path: &Path, size: Bytes| {
            files.create_image(path, size).unwrap();
            files.fill(path, Bytes::ZERO, size).unwrap();
        };
        take(&data.join("file"), Bytes::gib(1));
        assert_eq!(read(), (limit, Bytes::gib(7)));
        take(Path::new("/others"), Bytes::gib(6));
        assert_eq!(read(), (limit, Bytes::gib(3)), "10 less 1 less 6");
        let far_more = ProjectLimit { bytes: Some(Bytes::gib(1 << 10)), inodes: None };
        machine.quotas.set_limit(data, project, far_more).unwrap();
        assert_eq!(read(), (Bytes::gib(10), Bytes::gib(3)), "a limit that bounds nothing");
        machine.quotas.set_limit(data, project, ProjectLimit { bytes: Some(limit), inodes: None }).unwrap();
        files.throw_away(&data.join("file")).unwrap();
        assert_eq!(read(), (limit, limit), "nothing tells of the pool");
    }

    #[test]
    fn of_inodes_too_the_smaller_number_is_free() {
        let usage = |total, free| Usage { inodes: Inodes { total, used: total - free, free }, ..Usage::default() };
        for (of_limit, of_all, free) in [((100, 90), (1000, 10), 10), ((100, 5), (1000, 10), 5)] {
            let left = less(usage(of_limit.0, of_limit.1), usage(of_all.0, of_all.1)).inodes;
            assert_eq!((left.total, left.free), (of_limit.0, free));
        }
    }

    #[test]
    fn what_is_no_mount_point_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        for path in [scratch.path().to_str().unwrap(), "/nowhere/at/all"] {
            let said = gauge(path).read().unwrap_err();
            assert!(said.starts_with(&format!("{path} is no mount point: ")), "{said}");
            assert_eq!(gauge(path).size(), None);
        }
    }

    #[test]
    fn a_mount_without_a_device_has_the_size_that_it_shows() {
        let proc = gauge("/proc");
        let reading = proc.read().unwrap();
        assert_eq!((reading.size, proc.fs()), (Bytes::ZERO, None));
        assert_eq!(proc.known().size, Some((Bytes::ZERO, Basis::Shown)));
        assert_eq!((proc.size(), proc.backend()), (Some(Bytes::ZERO), None));
        gauge("/").read().unwrap();
    }

    #[test]
    fn a_size_that_was_told_holds_until_it_is_grown() {
        let told = MountGauge::new(Path::new("/proc"), Some(Bytes::gib(2)), linux::machine());
        assert_eq!((told.size(), told.read().unwrap().size), (Some(Bytes::gib(2)), Bytes::gib(2)));
        told.grown_to(Bytes::gib(3));
        assert_eq!(told.read().unwrap().size, Bytes::gib(3));
    }
}
