use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Weak};

use nix::errno::Errno;

use super::disk::{Ino, Inode, ROOT};
use super::projects::{Ground, Place};
use super::{Fake, World};
use crate::host::{Error, FileId, FileKind, Files, Lock, Result, Stat, beside, beside_shared};
use crate::model::{Bytes, Owner, Usage};

/// The disk's `st_dev`: 8:1.
pub(super) const DEVICE: u64 = 0x801;

/// What the smallest file that is not empty takes on disk.
const PAGE: Bytes = Bytes::new(4096);

/// The longest file, as on ext4.
const LARGEST: Bytes = Bytes::gib(16 << 10);

impl World {
    fn sync_dir(&mut self, dir: &Path) {
        if let Ok(ino) = self.find(dir) {
            self.sync_inode(ino);
        }
    }

    fn sync_parent(&mut self, path: &Path) {
        if let Some(parent) = path.parent() {
            self.sync_dir(parent);
        }
    }

    pub(super) fn is_mounted_on(&self, path: &Path) -> bool {
        self.mounts.iter().any(|mount| mount.target == path)
    }

    /// The inode at a path, through what is mounted on the way.
    pub(super) fn find(&self, path: &Path) -> Result<Ino, Errno> {
        self.place(path).map(|place| place.ino)
    }

    pub(super) fn place(&self, path: &Path) -> Result<Place, Errno> {
        let (mut place, mut walked) = (Place { ino: ROOT, ground: Ground::DISK }, PathBuf::from("/"));
        for component in path.components() {
            let Component::Normal(name) = component else { continue };
            place.ino = self.now.entry(place.ino, &name.to_string_lossy())?;
            walked.push(name);
            place = self.root_at(&walked).unwrap_or(place);
        }
        Ok(place)
    }

    pub(super) fn file(&self, path: &Path) -> Result<&Inode, Errno> {
        let inode = self.now.inode(self.find(path)?);
        if inode.is_directory() { Err(Errno::EISDIR) } else { Ok(inode) }
    }

    /// The directory that a path lies in, and its name there.
    fn parent(&self, path: &Path) -> Result<(Place, String), Errno> {
        let parent = self.place(path.parent().ok_or(Errno::EINVAL)?)?;
        let name = path.file_name().ok_or(Errno::EINVAL)?.to_string_lossy().into_owned();
        if self.now.inode(parent.ino).is_directory() { Ok((parent, name)) } else { Err(Errno::ENOTDIR) }
    }

    /// The directory that is mounted on top at a path.
    fn root_at(&self, path: &Path) -> Option<Place> {
        let mount = self.mounts.iter().rev().find(|mount| mount.target == path && mount.root.is_some())?;
        Some(Place { ino: mount.root?, ground: self.ground_of(mount) })
    }

    pub(super) fn is_read_only(&self, path: &Path) -> bool {
        let around = path.ancestors().find_map(|above| self.mounts.iter().rev().find(|mount| mount.target == above));
        around.is_some_and(|mount| mount.attributes.read_only || mount.fs_read_only || mount.has_given_up)
    }

    pub(super) fn add(&mut self, path: &Path, inode: Inode) -> Result<Ino, Errno> {
        let (parent, name) = self.parent(path)?;
        if self.now.entry(parent.ino, &name).is_ok() {
            return Err(Errno::EEXIST);
        }
        let inode = self.inherit(parent, inode)?;
        let ino = self.now.make(inode);
        self.now.entries_mut(parent.ino).insert(name, ino);
        Ok(ino)
    }

    fn unlink(&mut self, path: &Path) -> Result<(), Errno> {
        let (parent, name) = self.parent(path)?;
        self.now.entries_mut(parent.ino).remove(&name).map(|_| ()).ok_or(Errno::ENOENT)
    }

    fn move_entry(&mut self, from: &Path, to: &Path) -> Result<(), Errno> {
        let Place { ino, ground } = self.place(from)?;
        let (parent, name) = self.parent(to)?;
        if self.find(to).is_ok_and(|there| self.now.inode(there).entries.iter().flatten().next().is_some()) {
            return Err(Errno::ENOTEMPTY);
        }
        if ground != parent.ground || !self.may_enter(ino, parent.ino) {
            return Err(Errno::EXDEV);
        }
        self.unlink(from)?;
        self.now.entries_mut(parent.ino).insert(name, ino);
        Ok(())
    }

    /// A path and all below it, parents first, not into what is mounted there.
    fn tree(&self, path: &Path, ino: Ino) -> Vec<PathBuf> {
        let below =
            self.now.inode(ino).entries.iter().flatten().flat_map(|(name, ino)| self.tree(&path.join(name), *ino));
        std::iter::once(path.to_owned()).chain(below).collect()
    }

    fn make_dirs(&mut self, dir: &Path, synced: bool) -> Result<()> {
        let missing: Vec<&Path> = dir.ancestors().take_while(|dir| self.find(dir).is_err()).collect();
        for dir in missing.into_iter().rev() {
            self.step("mkdir", dir)?;
            let ino = self.add(dir, Inode::directory()).map_err(failed("mkdir", dir))?;
            if synced {
                self.step("fsync", dir)?;
                self.sync_inode(ino);
                self.sync_parent(dir);
            }
        }
        let ino = self.find(dir).map_err(failed("mkdir", dir))?;
        if self.now.inode(ino).is_directory() { Ok(()) } else { Err(Error::call("mkdir", dir, Errno::EEXIST)) }
    }

    fn write(&mut self, file: &Path, content: &[u8]) -> Result<Ino, Errno> {
        let ino = self.write_so_much(file, Bytes::new(content.len() as u64))?;
        let inode = self.now.inode_mut(ino);
        (inode.content, inode.changes) = (content.to_vec(), inode.changes + 1);
        Ok(ino)
    }

    /// Gives a file a new content by way of another beside it, and makes both the content and the name last.
    fn replace(&mut self, file: &Path, content: &[u8], owner: Option<Owner>) -> Result<()> {
        let temporary = if owner.is_some() { beside_shared(file) } else { beside(file) };
        self.step("write", &temporary)?;
        let ino = self.write(&temporary, content).map_err(failed("write", &temporary))?;
        if owner.is_some() {
            self.now.inode_mut(ino).owner = owner;
        }
        self.step("fsync", &temporary)?;
        self.sync_inode(ino);
        self.step("rename", file)?;
        self.move_entry(&temporary, file).map_err(failed("rename", file))?;
        self.step("fsync", file)?;
        self.sync_parent(file);
        Ok(())
    }

    /// Lets a file take so much in all.
    fn take(&mut self, file: &Path, size: Bytes) -> Result<(), Errno> {
        let place = self.place(file)?;
        let charged = self.charge(place, size);
        let (room, _) = self.room(place);
        let inode = self.now.inode_mut(place.ino);
        let missing = size.saturating_sub(inode.allocated);
        inode.allocated = inode.allocated.saturating_add(missing.min(room)); // a real one keeps what it got, too
        charged
    }

    /// Writes a file of which only the length is of interest.
    pub(super) fn write_so_much(&mut self, file: &Path, len: Bytes) -> Result<Ino, Errno> {
        if self.is_read_only(file) {
            return Err(Errno::EROFS);
        }
        if self.find(file) == Err(Errno::ENOENT) {
            self.add(file, Inode::default())?;
        }
        let place = self.place(file)?;
        let wanted = len.round_up().ok_or(Errno::EFBIG)?.max(PAGE);
        self.charge(place, wanted)?;
        let inode = self.now.inode_mut(place.ino);
        (inode.len, inode.allocated) = (len, wanted);
        Ok(place.ino)
    }
}

fn failed<'a>(call: &'static str, path: &'a Path) -> impl Fn(Errno) -> Error + 'a {
    move |errno| Error::call(call, path, errno)
}

impl Files for Fake {
    fn create_dir(&self, dir: &Path) -> Result<()> {
        self.world().make_dirs(dir, true)
    }

    fn create_mount_point(&self, dir: &Path) -> Result<()> {
        self.world().make_dirs(dir, false)
    }

    fn create_file(&self, file: &Path) -> Result<()> {
        let mut world = self.world();
        world.step("open", file)?;
        match world.add(file, Inode::default()) {
            Ok(_) => {}
            Err(Errno::EEXIST) if world.file(file).is_ok() => {}
            Err(errno) => return Err(Error::call("open", file, errno)),
        }
        Ok(())
    }

    fn set_owner(&self, dir: &Path, owner: Owner) -> Result<()> {
        let mut world = self.world();
        world.step("fchown", dir)?;
        let ino = world.find(dir).map_err(failed("open", dir))?;
        if !world.now.inode(ino).is_directory() {
            return Err(Error::call("open", dir, Errno::ENOTDIR));
        }
        world.now.inode_mut(ino).owner = Some(owner);
        world.step("fsync", dir)?;
        world.sync_inode(ino);
        Ok(())
    }

    fn remove_empty(&self, path: &Path) -> Result<()> {
        let mut world = self.world();
        world.step("unlink", path)?;
        let Ok(ino) = world.find(path) else { return Ok(()) };
        let inode = world.now.inode(ino);
        let holds = inode.len > Bytes::ZERO || inode.entries.as_ref().is_some_and(|entries| !entries.is_empty());
        if world.is_mounted_on(path) {
            return Err(Error::call("unlink", path, Errno::EBUSY));
        }
        if holds {
            return Err(Error::call("unlink", path, Errno::ENOTEMPTY));
        }
        world.unlink(path).map_err(failed("unlink", path))
    }

    fn remove_tree(&self, dir: &Path) -> Result<()> {
        let mut world = self.world();
        let ino = match world.find(dir) {
            Ok(ino) => ino,
            Err(Errno::ENOENT) => return Ok(()),
            Err(errno) => return Err(Error::call("openat", dir, errno)),
        };
        let tree = world.tree(dir, ino);
        if let Some(mounted) = tree.iter().find(|path| world.is_mounted_on(path)) {
            return Err(Error::call("unlinkat", mounted, Errno::EBUSY));
        }
        for path in tree.iter().rev() {
            world.step("unlinkat", path)?;
            world.unlink(path).map_err(failed("unlinkat", path))?;
        }
        world.sync_parent(dir);
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let mut world = self.world();
        world.step("rename", from)?;
        world.move_entry(from, to).map_err(failed("rename", from))?;
        world.step("fsync", to)?;
        world.sync_parent(to);
        world.sync_parent(from);
        drop(world);
        self.after("rename");
        Ok(())
    }

    fn read(&self, file: &Path) -> Result<Option<Vec<u8>>> {
        let mut world = self.world();
        world.step("read", file)?;
        let content = match world.file(file) {
            Ok(inode) => Ok(Some(inode.content.clone())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(Error::call("read", file, errno)),
        };
        drop(world);
        self.after("read");
        content
    }

    fn write_whole(&self, file: &Path, content: &[u8]) -> Result<()> {
        self.world().replace(file, content, None)
    }

    fn write_shared(&self, file: &Path, content: &[u8]) -> Result<()> {
        let mut world = self.world();
        let there = world.find(file).ok().map(|ino| world.now.inode(ino).owner());
        world.replace(file, content, Some(there.unwrap_or(Owner { uid: 0, gid: 0, mode: 0o644 })))
    }

    fn write_unsynced(&self, file: &Path, content: &[u8]) -> Result<()> {
        let mut world = self.world();
        let temporary = beside(file);
        world.step("write", &temporary)?;
        world.write(&temporary, content).map_err(failed("write", &temporary))?;
        world.step("rename", file)?;
        world.move_entry(&temporary, file).map_err(failed("rename", file))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let mut world = self.world();
        world.step("readdir", dir)?;
        let ino = world.find(dir).map_err(failed("readdir", dir))?;
        let entries = world.now.inode(ino).entries.as_ref();
        let entries = entries.ok_or_else(|| Error::call("readdir", dir, Errno::ENOTDIR))?;
        Ok(entries.keys().cloned().collect())
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        let mut world = self.world();
        world.step("stat", path)?;
        let Ok(Place { ino, ground }) = world.place(path) else { return Ok(None) };
        let inode = world.now.inode(ino);
        let kind = if inode.is_directory() { FileKind::Directory } else { FileKind::Regular };
        let id = FileId { device: world.number_of(ground), inode: ino };
        let (size, allocated, changed) = (inode.len, inode.allocated, (inode.changes, 0));
        Ok(Some(Stat { id, kind, size, allocated, owner: inode.owner(), changed }))
    }

    fn create_image(&self, file: &Path, size: Bytes) -> Result<()> {
        let mut world = self.world();
        world.step("open", file)?;
        if size > LARGEST {
            return Err(Error::call("ftruncate", file, Errno::EFBIG));
        }
        let inode = Inode { len: size, ..Inode::default() };
        world.add(file, inode).map(|_| ()).map_err(failed("open", file))
    }

    fn create_synced(&self, file: &Path) -> Result<()> {
        let mut world = self.world();
        world.step("open", file)?;
        let inode = Inode { writes_through: true, ..Inode::default() };
        let ino = world.add(file, inode).map_err(failed("open", file))?;
        world.step("fsync", file)?;
        world.sync_inode(ino);
        world.sync_parent(file);
        Ok(())
    }

    fn set_len(&self, file: &Path, size: Bytes) -> Result<()> {
        let mut world = self.world();
        world.step("ftruncate", file)?;
        let ino = world.find(file).map_err(failed("ftruncate", file))?;
        let inode = world.now.inode_mut(ino);
        (inode.len, inode.allocated) = (size, inode.allocated.min(size));
        world.step("fsync", file)?;
        world.sync_inode(ino);
        Ok(())
    }

    fn allocate(&self, file: &Path, size: Bytes) -> Result<()> {
        let takes = self.world().fallocate_takes;
        std::thread::sleep(takes);
        let mut world = self.world();
        world.step("fallocate", file)?;
        if !world.knows_fallocate {
            return Err(Error::call("fallocate", file, Errno::EOPNOTSUPP));
        }
        world.take(file, size).map_err(failed("fallocate", file))
    }

    fn fill(&self, file: &Path, from: Bytes, to: Bytes) -> Result<()> {
        let mut world = self.world();
        world.step("write", file)?;
        let ino = world.find(file).map_err(failed("open", file))?;
        let filled = world.now.inode(ino).allocated.saturating_add(to.saturating_sub(from)).min(to);
        world.take(file, filled).map_err(failed("write", file))?;
        world.sync_inode(ino);
        Ok(())
    }

    fn sync(&self, file: &Path) -> Result<()> {
        let mut world = self.world();
        world.step("fsync", file)?;
        let ino = world.find(file).map_err(failed("fsync", file))?;
        world.sync_inode(ino);
        Ok(())
    }

    fn space(&self, dir: &Path) -> Result<Usage> {
        let mut world = self.world();
        world.step("statfs", dir)?;
        world.statvfs(dir).map_err(failed("statvfs", dir))
    }

    fn lock(&self, dir: &Path) -> Result<Option<Lock>> {
        let mut world = self.world();
        world.step("flock", dir)?;
        let ino = world.find(dir).map_err(failed("flock", dir))?;
        if world.locks.get(&ino).and_then(Weak::upgrade).is_some() {
            return Ok(None);
        }
        let lock = Arc::new(());
        world.locks.insert(ino, Arc::downgrade(&lock));
        Ok(Some(Box::new(lock)))
    }

    fn largest_file(&self, dir: &Path) -> Result<Bytes> {
        self.world().step("ftruncate", dir)?;
        Ok(LARGEST)
    }
}
