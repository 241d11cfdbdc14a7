use std::path::Path;

use nix::errno::Errno;

use super::disk::Inode;
use super::mounts::METADATA;
use super::{Fake, FakeFs, World};
use crate::host::{Error, FsTools, HeldLoop, Result};
use crate::model::{Bytes, FsKind};

/// What a filesystem holds while a program moves it about.
const IN_PIECES: u64 = u64::MAX;

impl World {
    /// Changes a filesystem as a program does: on disk when it returns.
    fn set_fs(&mut self, device: u32, fs: FakeFs) {
        if let Some(image) = self.loops.get(device).map(|device| device.image) {
            self.now.inode_mut(image).fs = Some(fs);
            self.sync_inode(image);
        }
    }

    fn keep_undo(&mut self, undo: &Path, fs: FakeFs) -> Result<(), Errno> {
        let content = format!("{} {}", fs.size.get(), fs.data).into_bytes();
        let (len, allocated) = (Bytes::new(content.len() as u64), Bytes::new(4096));
        let ino = match self.find(undo) {
            Err(Errno::ENOENT) => self.add(undo, Inode::default())?,
            found => found?,
        };
        let inode = self.now.inode_mut(ino);
        (inode.content, inode.len, inode.allocated) = (content, len, allocated);
        // The program does not: only who has made it so has it on disk before what it protects is overwritten.
        if inode.writes_through {
            self.sync_inode(ino);
        }
        Ok(())
    }

    fn kept_undo(&self, undo: &Path) -> Result<(Bytes, u64), Errno> {
        let text = String::from_utf8_lossy(&self.file(undo)?.content).into_owned();
        let (size, data) = text.split_once(' ').ok_or(Errno::EINVAL)?;
        let number = |text: &str| text.parse().map_err(|_| Errno::EINVAL);
        Ok((Bytes::new(number(size)?), number(data)?))
    }
}

impl FsTools for Fake {
    fn format(&self, image: &Path, fs: FsKind) -> Result<()> {
        let mut world = self.world();
        world.step("mkfs", image)?;
        let ino = world.find(image).map_err(|errno| Error::call("mkfs", image, errno))?;
        let root = world.now.make(Inode::directory());
        let punches = world.knows_fallocate;
        let inode = world.now.inode_mut(ino);
        inode.root = Some(root);
        inode.fs = Some(FakeFs { kind: fs, size: inode.len, owner: None, data: 0, errors: 0 });
        inode.allocated = if punches { METADATA } else { inode.allocated.max(METADATA) };
        Ok(())
    }

    fn grow_offline(&self, device: &HeldLoop, _fs: FsKind) -> Result<()> {
        let mut world = self.world();
        let path = device.device().path();
        world.step("resize2fs", &path)?;
        if world.mounts.iter().any(|mount| mount.holds(device.device().0)) {
            return Err(Error::call("e2fsck", &path, Errno::EBUSY));
        }
        world.grow(device.device().0, None).map_err(|errno| Error::call("resize2fs", &path, errno))
    }

    fn smallest(&self, device: &HeldLoop) -> Result<Bytes> {
        let mut world = self.world();
        let path = device.device().path();
        world.step("resize2fs -P", &path)?;
        let data = world.fs_mut(device.device().0).map(|fs| fs.data).unwrap_or_default();
        Ok(METADATA.saturating_add(Bytes::mib(data)))
    }

    /// What was written is in pieces while it is moved.
    fn shrink(&self, device: &HeldLoop, size: Bytes, undo: &Path) -> Result<()> {
        let mut world = self.world();
        let (number, path) = (device.device().0, device.device().path());
        let failed = |errno| Error::call("resize2fs", &path, errno);
        world.step("e2fsck", &path)?;
        if world.mounts.iter().any(|mount| mount.holds(number)) {
            return Err(Error::call("e2fsck", &path, Errno::EBUSY));
        }
        let before = *world.fs_mut(number).ok_or_else(|| failed(Errno::EINVAL))?;
        world.step("write undo", undo)?;
        world.keep_undo(undo, before).map_err(failed)?;
        world.step("resize2fs -z", &path)?;
        world.set_fs(number, FakeFs { data: IN_PIECES, ..before });
        world.step("resize2fs", &path)?;
        world.set_fs(number, FakeFs { size, ..before });
        Ok(())
    }

    fn undo_shrink(&self, device: &HeldLoop, undo: &Path) -> Result<()> {
        let mut world = self.world();
        world.step("e2undo", undo)?;
        let failed = |errno| Error::call("e2undo", undo, errno);
        let (size, data) = world.kept_undo(undo).map_err(failed)?;
        let fs = *world.fs_mut(device.device().0).ok_or_else(|| failed(Errno::EINVAL))?;
        world.set_fs(device.device().0, FakeFs { size, data, ..fs });
        Ok(())
    }
}
