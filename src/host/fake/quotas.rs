use std::path::Path;

use nix::errno::Errno;

use super::disk::Ino;
use super::projects::{Ground, Held};
use super::{Fake, World};
use crate::host::{Error, ProjectQuotas, QuotaState, Result, Strays};
use crate::model::{Bytes, Owner, ProjectId, ProjectLimit, ProjectTag, ProjectUsage, Usage};

/// How a kernel does not keep what it says of limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lie {
    /// It enforces them, and refuses nothing.
    Bounds,
    /// It takes them, and keeps none.
    Takes,
    /// It takes them away, and keeps them.
    Clears,
}

impl Fake {
    /// Lets the disk's filesystem treat projects that way: that of a kernel without quotas where it is `None`. At first it
    /// is an XFS that counts and bounds them.
    pub fn set_project_quotas(&self, state: Option<QuotaState>) {
        self.world().quotas = state;
    }

    /// Lets the kernel say of limits what is not so.
    pub fn lie(&self, lie: Option<Lie>) {
        self.world().lie = lie;
    }

    /// Gives a file or directory to another project, or to none, behind everybody's back; and what is made in that
    /// directory later.
    pub fn set_project_behind(&self, path: &Path, project: Option<ProjectId>) -> Result<()> {
        let mut world = self.world();
        world.give(path, project).map_err(|errno| Error::call("FS_IOC_FSSETXATTR", path, errno))
    }

    /// Lets what is made in a directory not get its project any more, behind everybody's back.
    pub fn stop_inheriting(&self, dir: &Path) -> Result<()> {
        let mut world = self.world();
        let ino = world.find(dir).map_err(|errno| Error::call("FS_IOC_FSSETXATTR", dir, errno))?;
        world.now.inode_mut(ino).inherited = false;
        world.sync_inode(ino);
        Ok(())
    }

    /// Gives a project of the disk soft limits beside those it has, as an administrator does.
    pub fn set_soft_limit(&self, project: ProjectId, soft: ProjectLimit) {
        self.world().limits.entry((Ground::DISK, project)).or_default().soft = soft;
    }

    /// Writes a file of that length as an application does, which the limit of its project binds; synced.
    pub fn write_in(&self, dir: &Path, name: &str, bytes: Bytes) -> Result<()> {
        let mut world = self.world();
        let file = dir.join(name);
        let failed = |errno| Error::call("write", &file, errno);
        let ino = world.write_so_much(&file, bytes).map_err(failed)?;
        world.sync_inode(ino);
        let dir = world.find(dir).map_err(failed)?;
        world.sync_inode(dir);
        Ok(())
    }

    /// Owner and mode of a directory, where they were set.
    pub fn owner_of(&self, dir: &Path) -> Option<Owner> {
        let world = self.world();
        world.now.inode(world.find(dir).ok()?).owner
    }
}

impl World {
    fn give(&mut self, path: &Path, project: Option<ProjectId>) -> Result<(), Errno> {
        let ino = self.find(path)?;
        let inode = self.now.inode_mut(ino);
        inode.project = project;
        inode.inherited = inode.is_directory() && project.is_some();
        self.sync_inode(ino);
        Ok(())
    }

    /// The project of a directory and of all below it, not of what is mounted there; and whether it lies too deep to be looked
    /// into.
    fn projects_below(&self, path: &Path, ino: Ino, depth: usize) -> Vec<(Option<ProjectId>, bool)> {
        let inode = self.now.inode(ino);
        let is_too_deep = depth == Strays::DEEPEST && inode.is_directory();
        let below = inode.entries.iter().flatten().map(|(name, ino)| (path.join(name), *ino));
        let below = below.filter(|(path, _)| !is_too_deep && !self.is_mounted_on(path));
        let below = below.flat_map(|(path, ino)| self.projects_below(&path, ino, depth + 1));
        std::iter::once((inode.project, is_too_deep)).chain(below).collect()
    }

    /// One step of `quotactl(2)`, on a filesystem that counts projects.
    fn quotactl(&mut self, call: &'static str, dir: &Path) -> Result<Ground> {
        self.step(call, dir)?;
        let place = self.place(dir).map_err(|errno| Error::call("open", dir, errno))?;
        match self.quotas_of(place.ground) {
            Some(quotas) if quotas.accounting => Ok(place.ground),
            Some(quotas) if quotas.fs == "ext4" => Err(Error::call(call, dir, Errno::ESRCH)),
            _ => Err(Error::call(call, dir, Errno::ENOSYS)),
        }
    }
}

impl ProjectQuotas for Fake {
    fn state(&self, dir: &Path) -> Result<QuotaState> {
        let mut world = self.world();
        world.step("Q_XGETQSTATV", dir)?;
        let place = world.place(dir).map_err(|errno| Error::call("open", dir, errno))?;
        world.quotas_of(place.ground).ok_or_else(|| Error::call("Q_XGETQSTATV", dir, Errno::ENOSYS))
    }

    fn usage(&self, dir: &Path, project: ProjectId) -> Result<Option<ProjectUsage>> {
        let mut world = self.world();
        let ground = world.quotactl("Q_XGETQUOTA", dir)?;
        Ok(Some(world.project(ground, project)).filter(|usage| *usage != ProjectUsage::default()))
    }

    fn usage_and_space(&self, dir: &Path, project: ProjectId) -> Result<(Option<ProjectUsage>, Usage)> {
        let counted = self.usage(dir, project)?;
        let mut world = self.world();
        world.step("fstatvfs", dir)?;
        Ok((counted, world.statvfs(dir).map_err(|errno| Error::call("fstatvfs", dir, errno))?))
    }

    fn set_limit(&self, dir: &Path, project: ProjectId, limit: ProjectLimit) -> Result<()> {
        let mut world = self.world();
        let ground = world.quotactl("Q_XSETQLIM", dir)?;
        if limit.bytes.is_some_and(|bytes| bytes.get() < 512) || limit.inodes == Some(0) {
            return Err(Error::call("Q_XSETQLIM", dir, Errno::EINVAL));
        }
        match world.lie {
            Some(Lie::Takes) => {}
            Some(Lie::Clears) if limit == ProjectLimit::default() => {}
            _ => drop(world.limits.insert((ground, project), Held { hard: limit, soft: ProjectLimit::default() })),
        }
        Ok(())
    }

    fn projects(&self, dir: &Path) -> Result<Vec<(ProjectId, ProjectUsage)>> {
        let mut world = self.world();
        let ground = world.quotactl("Q_XGETNEXTQUOTA", dir)?;
        Ok(world.projects_of(ground).into_iter().collect())
    }

    fn project_of(&self, path: &Path) -> Result<Option<ProjectTag>> {
        let mut world = self.world();
        world.step("FS_IOC_FSGETXATTR", path)?;
        let ino = world.find(path).map_err(|errno| Error::call("open", path, errno))?;
        let inode = world.now.inode(ino);
        Ok(inode.project.map(|id| ProjectTag { id, inherited: inode.inherited }))
    }

    fn strays(&self, dir: &Path, project: ProjectId, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Strays>> {
        let projects = {
            let mut world = self.world();
            world.step("readdir", dir)?;
            let ino = world.find(dir).map_err(|errno| Error::call("open", dir, errno))?;
            world.projects_below(dir, ino, 0)
        };
        // Whoever is asked may ask the machine.
        let mut strays = Strays::default();
        for (found, is_too_deep) in projects {
            if !go_on() {
                return Ok(None);
            }
            strays.count += u64::from(found != Some(project));
            strays.too_deep += u64::from(is_too_deep);
        }
        Ok(Some(strays))
    }

    fn set_project(&self, dir: &Path, project: ProjectId) -> Result<()> {
        let mut world = self.world();
        world.step("FS_IOC_FSSETXATTR", dir)?;
        let ino = world.find(dir).map_err(|errno| Error::call("open", dir, errno))?;
        if !world.now.inode(ino).is_directory() {
            return Err(Error::call("open", dir, Errno::ENOTDIR));
        }
        let inode = world.now.inode_mut(ino);
        (inode.project, inode.inherited) = (Some(project), true);
        world.step("fsync", dir)?;
        world.sync_inode(ino);
        Ok(())
    }

    fn usage_of_all(&self, dir: &Path) -> Result<Option<Usage>> {
        let mut world = self.world();
        world.step("statvfs", dir)?;
        let failed = |errno| Error::call("statvfs", dir, errno);
        let top = world.find(dir).map_err(failed)?;
        let names = world.now.inode(top).entries.iter().flat_map(|entries| entries.keys());
        let mut paths = names.map(|name| dir.join(name));
        let file = paths.find(|path| world.file(path).is_ok());
        file.map(|file| world.statvfs(&file).map_err(failed)).transpose()
    }

    fn try_filling(&self, dir: &Path, at_most: Bytes) -> Result<Bytes> {
        let mut world = self.world();
        world.step("write", dir)?;
        let refused = |errno| Error::call("open", dir, errno);
        let place = world.place(dir).map_err(refused)?;
        if world.is_read_only(dir) {
            return Err(refused(Errno::EROFS));
        }
        match world.inherit(place, super::disk::Inode::default()) {
            // What is written there belongs to the project of the directory.
            Ok(_) if world.now.inode(place.ino).inherited => Ok(at_most.min(world.room(place).0)),
            Ok(_) => Ok(at_most.min(world.free_in(place.ground))),
            Err(_) => Ok(Bytes::ZERO),
        }
    }
}

#[cfg(test)]
mod tests;
