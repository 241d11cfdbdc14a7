use std::collections::BTreeMap;
use std::path::Path;

use nix::errno::Errno;

use super::disk::{Ino, Inode, ROOT};
use super::files::DEVICE;
use super::mounts::METADATA;
use super::{Lie, World};
use crate::host::{LoopDevice, QuotaState};
use crate::model::{Bytes, Inodes, ProjectId, ProjectLimit, ProjectUsage, Usage};

/// The limits that were set.
pub(super) type Limits = BTreeMap<(Ground, ProjectId), Held>;

/// Those of one project.
#[derive(Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) hard: ProjectLimit,
    pub(super) soft: ProjectLimit,
}

/// A filesystem: that of the disk, or that in an image.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Ground(pub(super) Option<Ino>);

/// An inode, and the filesystem in which it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) ino: Ino,
    pub(super) ground: Ground,
}

impl Ground {
    pub(super) const DISK: Self = Self(None);
}

impl World {
    /// Its root directory.
    pub(super) fn root_of(&self, ground: Ground) -> Ino {
        ground.0.and_then(|image| self.now.inode(image).root).unwrap_or(ROOT)
    }

    /// Its number (`st_dev`).
    pub(super) fn number_of(&self, ground: Ground) -> u64 {
        let device = ground.0.and_then(|image| self.loops.of(image));
        device.map_or(DEVICE, |device| u64::from(LoopDevice::MAJOR << 8 | device))
    }

    /// What is in it: what has a name, and images that have lost theirs and are still attached.
    fn inodes_of(&self, ground: Ground) -> impl Iterator<Item = &Inode> {
        let open = self.loops.images().filter(move |_| ground == Ground::DISK);
        self.now.reached(std::iter::once(self.root_of(ground)).chain(open))
    }

    fn size_of(&self, ground: Ground) -> Bytes {
        match ground.0 {
            None => self.capacity,
            Some(image) => self.now.inode(image).fs.map_or(Bytes::ZERO, |fs| fs.size),
        }
    }

    fn used_in(&self, ground: Ground) -> Bytes {
        let metadata = if ground == Ground::DISK { Bytes::ZERO } else { METADATA };
        self.inodes_of(ground).map(|inode| inode.allocated).sum::<Bytes>().saturating_add(metadata)
    }

    pub(super) fn free_in(&self, ground: Ground) -> Bytes {
        self.size_of(ground).saturating_sub(self.used_in(ground))
    }

    /// How a filesystem treats projects; `None`: the kernel has no quotas.
    pub(super) fn quotas_of(&self, ground: Ground) -> Option<QuotaState> {
        let Some(image) = ground.0 else { return self.quotas };
        let fs = self.now.inode(image).fs?.kind.as_str();
        let on = self.mounts.iter().any(|mount| mount.project_quotas && self.ground_of(mount) == ground);
        self.quotas.map(|_| QuotaState { fs, accounting: on, enforcement: on, limits_everybody: false })
    }

    /// What a project takes and may take, where it is counted.
    pub(super) fn project(&self, ground: Ground, project: ProjectId) -> ProjectUsage {
        let Held { hard, soft } = self.limits.get(&(ground, project)).copied().unwrap_or_default();
        let mut found = ProjectUsage { limit: hard, soft, ..ProjectUsage::default() };
        for inode in self.inodes_of(ground).filter(|inode| inode.project == Some(project)) {
            found.bytes = found.bytes.saturating_add(inode.allocated);
            found.inodes += 1;
        }
        found
    }

    /// Every project of which anything is known.
    pub(super) fn projects_of(&self, ground: Ground) -> BTreeMap<ProjectId, ProjectUsage> {
        let limited = self.limits.keys().filter(|(there, _)| *there == ground).map(|(_, project)| *project);
        let known = self.inodes_of(ground).filter_map(|inode| inode.project).chain(limited);
        let found = known.map(|project| (project, self.project(ground, project)));
        found.filter(|(_, usage)| *usage != ProjectUsage::default()).collect()
    }

    /// The project whose limit holds for an inode, and the error with which it refuses.
    fn bounded(&self, place: Place) -> Option<(ProjectUsage, Errno)> {
        let holds = self.lie != Some(Lie::Bounds);
        let quotas = self.quotas_of(place.ground).filter(|quotas| quotas.enforcement && holds)?;
        let project = self.now.inode(place.ino).project?;
        let errno = if quotas.fs == "xfs" { Errno::ENOSPC } else { Errno::EDQUOT };
        Some((self.project(place.ground, project), errno))
    }

    /// How much more can be written there, and the error for what is more.
    pub(super) fn room(&self, place: Place) -> (Bytes, Errno) {
        let free = self.free_in(place.ground);
        let left = self.bounded(place).and_then(|(project, errno)| {
            let limit = project.limit.bytes?;
            Some((limit.saturating_sub(project.bytes), errno))
        });
        left.filter(|(left, _)| *left < free).unwrap_or((free, Errno::ENOSPC))
    }

    /// Whether a file may take so much in all.
    pub(super) fn charge(&self, place: Place, allocated: Bytes) -> Result<(), Errno> {
        let more = allocated.saturating_sub(self.now.inode(place.ino).allocated);
        let (room, errno) = self.room(place);
        if more > room { Err(errno) } else { Ok(()) }
    }

    /// An inode as it is when it is made in a directory.
    pub(super) fn inherit(&self, parent: Place, inode: Inode) -> Result<Inode, Errno> {
        let above = self.now.inode(parent.ino);
        let Some(project) = above.project.filter(|_| above.inherited) else { return Ok(inode) };
        let given = Inode { project: Some(project), inherited: inode.is_directory(), ..inode };
        let Some((usage, errno)) = self.bounded(parent) else { return Ok(given) };
        // XFS wants some blocks to be left for a name, too.
        let is_full = errno == Errno::ENOSPC && usage.limit.bytes.is_some_and(|limit| usage.bytes >= limit);
        if is_full || usage.limit.inodes.is_some_and(|limit| usage.inodes >= limit) {
            return Err(errno);
        }
        Ok(given)
    }

    /// Nothing is renamed into a project from outside.
    pub(super) fn may_enter(&self, ino: Ino, parent: Ino) -> bool {
        let above = self.now.inode(parent);
        !above.inherited || above.project == self.now.inode(ino).project
    }

    /// As the XFS of older kernels: a directory of a project shows what the limit leaves, even if the disk has less.
    pub(super) fn statvfs(&self, path: &Path) -> Result<Usage, Errno> {
        let place = self.place(path)?;
        let (total, used) = (self.size_of(place.ground), self.used_in(place.ground));
        let all = if place.ground == Ground::DISK { 1 << 20 } else { 1024 };
        let inodes = Inodes { total: all, used: 1, free: all - 1 };
        let mut usage = Usage { total, used, available: total.saturating_sub(used), inodes };
        let inherited = self.now.inode(place.ino).inherited;
        let Some((project, _)) = self.bounded(place).filter(|_| inherited) else { return Ok(usage) };
        if let Some(limit) = project.limit.bytes.filter(|limit| *limit < total) {
            (usage.total, usage.used) = (limit, project.bytes);
            usage.available = limit.saturating_sub(project.bytes);
        }
        if let Some(total) = project.limit.inodes {
            usage.inodes = Inodes { total, used: project.inodes, free: total.saturating_sub(project.inodes) };
        }
        Ok(usage)
    }
}
