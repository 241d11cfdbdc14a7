use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;

use super::disk::Ino;
use super::loops::Hold;
use super::projects::{self, Place};
use super::{Fake, FakeFs, World};
use crate::host::{
    Detached, Error, FileId, Ground, HeldLoop, LoopDevice, MountAt, MountEntry, MountIdentity, Mounts, Result,
};
use crate::model::{Bytes, FsKind, MountAttributes, MountOptions, Owner, Usage};

/// What a filesystem takes of a sparse image when it is made.
pub(super) const METADATA: Bytes = Bytes::mib(1);

/// The number of the disk.
const DISK: (u32, u32) = (8, 1);

/// `/dev`, where the nodes of devices lie.
const NODES: u64 = 5;

/// What is mounted or bound somewhere.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct FakeMount {
    pub(super) target: PathBuf,
    /// Its number, unlike that of every other mount that ever was.
    number: u64,
    /// The loop device under it; `None`: the machine's own disk.
    pub(super) device: Option<u32>,
    /// The directory that is seen there; `None`: the bare device node.
    pub(super) root: Option<Ino>,
    pub(super) attributes: MountAttributes,
    pub(super) fs_read_only: bool,
    pub(super) has_given_up: bool,
    pub(super) is_frozen: bool,
    /// Whether the filesystem was opened with project quotas.
    pub(super) project_quotas: bool,
}

impl FakeMount {
    /// Whether it keeps a device from being cleared.
    pub(super) fn holds(&self, device: u32) -> bool {
        self.device == Some(device) && self.root.is_some()
    }

    fn refuses_writes(&self) -> bool {
        self.attributes.read_only || self.fs_read_only
    }

    fn device_number(&self) -> (u32, u32) {
        self.device.map_or(DISK, |device| (LoopDevice::MAJOR, device))
    }
}

struct FakeDetached {
    fake: Fake,
    hold: Hold,
    mount: FakeMount,
    read_only: AtomicBool,
}

impl World {
    pub(super) fn fs_mut(&mut self, device: u32) -> Option<&mut FakeFs> {
        let image = self.loops.get(device)?.image;
        self.now.inode_mut(image).fs.as_mut()
    }

    fn freeze(&mut self, device: u32, is_frozen: bool) {
        self.mounts.iter_mut().filter(|mount| mount.holds(device)).for_each(|mount| mount.is_frozen = is_frozen);
    }

    /// Grows the filesystem on a device, asked through a mount; without one it is not mounted.
    pub(super) fn grow(&mut self, device: u32, through: Option<&FakeMount>) -> Result<(), Errno> {
        let size = self.loops.get(device).ok_or(Errno::ENXIO)?.size;
        let (refuse, punches) = (self.refuse_online_ext4, self.knows_fallocate);
        let fs = self.fs_mut(device).ok_or(Errno::EINVAL)?;
        let is_asked = fs.kind == FsKind::Xfs || fs.size < size;
        match through.filter(|_| is_asked) {
            Some(_) if refuse && fs.kind == FsKind::Ext4 => return Err(Errno::EPERM),
            Some(mount) if mount.refuses_writes() => return Err(Errno::EROFS),
            _ => {}
        }
        let zeroes = fs.kind == FsKind::Ext4 && fs.size < size && punches;
        fs.size = fs.size.max(size);
        let image = self.loops.get(device).ok_or(Errno::ENXIO)?.image;
        if zeroes {
            let inode = self.now.inode_mut(image);
            inode.allocated = inode.allocated.saturating_sub(METADATA); // by punching holes
        }
        self.sync_inode(image);
        Ok(())
    }

    pub(super) fn mount_at(&self, path: &Path) -> Option<&FakeMount> {
        self.mounts.iter().rev().find(|mount| mount.target == path)
    }

    /// The filesystem of a mount.
    pub(super) fn ground_of(&self, mount: &FakeMount) -> projects::Ground {
        projects::Ground(mount.device.and_then(|device| self.loops.get(device)).map(|device| device.image))
    }

    fn root_id(&self, mount: &FakeMount) -> FileId {
        let node = FileId { device: NODES, inode: mount.device.unwrap_or_default().into() };
        let device = self.number_of(self.ground_of(mount));
        mount.root.map_or(node, |inode| FileId { device, inode })
    }

    fn fs_of(&self, mount: &FakeMount) -> Option<FsKind> {
        let ground = self.ground_of(mount);
        mount.root?;
        match ground.0 {
            Some(image) => self.now.inode(image).fs.map(|fs| fs.kind),
            None => FsKind::parse(self.quotas.map_or("xfs", |quotas| quotas.fs)),
        }
    }

    /// What is seen there, as a path in its filesystem.
    fn root_path(&self, mount: &FakeMount) -> PathBuf {
        match mount.root {
            Some(root) => self.now.way(self.root_of(self.ground_of(mount)), root).unwrap_or_else(|| "//deleted".into()),
            None => PathBuf::from(format!("/loop{}", mount.device.unwrap_or_default())),
        }
    }

    /// What appears elsewhere when a path is bound: a device node, what is mounted there, or a directory.
    fn source(&self, path: &Path) -> Result<FakeMount, Errno> {
        let nowhere = FakeMount {
            target: PathBuf::new(),
            number: 0,
            device: None,
            root: None,
            attributes: MountAttributes::default(),
            fs_read_only: false,
            has_given_up: false,
            is_frozen: false,
            project_quotas: false,
        };
        if let Some(device) = path.to_str().and_then(|path| path.strip_prefix("/dev/loop")) {
            return Ok(FakeMount { device: Some(device.parse().map_err(|_| Errno::ENOENT)?), ..nowhere });
        }
        if let Some(mount) = self.mount_at(path) {
            return Ok(mount.clone());
        }
        let Place { ino, .. } = self.place(path)?;
        let above = path.ancestors().find_map(|above| self.mount_at(above)).cloned().unwrap_or(nowhere);
        Ok(FakeMount { root: Some(ino), ..above })
    }

    fn put_mount(&mut self, target: &Path, mount: FakeMount) {
        self.mounted += 1;
        self.mounts.push(FakeMount { target: target.to_owned(), number: self.mounted, ..mount });
    }
}

/// What a mount has that is given some more.
fn added(had: MountAttributes, more: MountAttributes) -> MountAttributes {
    let says_atime = more.no_atime || more.strict_atime;
    MountAttributes {
        read_only: had.read_only || more.read_only,
        no_suid: had.no_suid || more.no_suid,
        no_dev: had.no_dev || more.no_dev,
        no_exec: had.no_exec || more.no_exec,
        no_atime: if says_atime { more.no_atime } else { had.no_atime },
        no_diratime: had.no_diratime || more.no_diratime,
        strict_atime: if says_atime { !more.no_atime } else { had.strict_atime },
        no_symfollow: had.no_symfollow || more.no_symfollow,
    }
}

impl Mounts for Fake {
    fn open(&self, device: &HeldLoop, fs: FsKind, options: &MountOptions) -> Result<Box<dyn Detached>> {
        let number = device.device().0;
        let path = device.device().path();
        let project_quotas = options.filesystem.iter().any(|(key, _)| matches!(key.as_str(), "prjquota" | "pquota"));
        let root = {
            let mut world = self.world();
            world.step("fsmount", &path)?;
            let can_quotas = world.quotas.is_some() && fs == FsKind::Xfs;
            match world.fs_mut(number) {
                Some(found) if found.kind == fs && (can_quotas || !project_quotas) => {}
                _ => return Err(Error::call("fsconfig", &path, Errno::EINVAL)),
            }
            let image = world.loops.get(number).map(|device| device.image);
            image.and_then(|image| world.now.inode(image).root)
        };
        let hold = self.hold_device(number).ok_or_else(|| Error::call("fsmount", &path, Errno::ENXIO))?;
        let mount = FakeMount {
            target: PathBuf::new(),
            number: 0,
            device: Some(number),
            root,
            attributes: options.attributes,
            fs_read_only: options.attributes.read_only,
            has_given_up: false,
            is_frozen: false,
            project_quotas,
        };
        Ok(Box::new(FakeDetached { fake: self.clone(), hold, mount, read_only: AtomicBool::new(false) }))
    }

    fn bind(&self, from: &Path, to: &Path, attributes: &MountAttributes) -> Result<()> {
        let mut world = self.world();
        world.step("move_mount", to)?;
        world.find(to).map_err(|errno| Error::call("move_mount", to, errno))?;
        let source = world.source(from).map_err(|errno| Error::call("open_tree", from, errno))?;
        world.put_mount(to, FakeMount { attributes: added(source.attributes, *attributes), ..source });
        Ok(())
    }

    fn unmount(&self, target: &Path) -> Result<()> {
        let mut world = self.world();
        world.step("umount2", target)?;
        let Some(at) = world.mounts.iter().rposition(|mount| mount.target == target) else {
            let errno = world.find(target).err().unwrap_or(Errno::EINVAL);
            return Err(Error::call("umount2", target, errno));
        };
        if world.busy.contains(target) {
            return Err(Error::call("umount2", target, Errno::EBUSY));
        }
        world.mounts.remove(at);
        world.clear_unused_loops();
        Ok(())
    }

    fn at(&self, path: &Path) -> Result<Option<MountAt>> {
        let mut world = self.world();
        world.step("statx", path)?;
        Ok(world.mount_at(path).map(|mount| MountAt {
            device: mount.device.map(LoopDevice),
            is_block: mount.root.is_none(),
            root: world.root_id(mount),
        }))
    }

    fn is_read_only(&self, path: &Path) -> Result<bool> {
        let mut world = self.world();
        world.step("statvfs", path)?;
        Ok(path.ancestors().find_map(|above| world.mount_at(above)).is_some_and(FakeMount::refuses_writes))
    }

    fn identity(&self, path: &Path) -> Result<Option<MountIdentity>> {
        let mut world = self.world();
        world.step("statx", path)?;
        let mount = world.mount_at(path);
        Ok(mount.map(|mount| MountIdentity { device: mount.device_number(), id: mount.number }))
    }

    fn ground(&self, path: &Path) -> Result<Option<Ground>> {
        let mut world = self.world();
        world.step("mountinfo", Path::new("/proc/self/mountinfo"))?;
        Ok(world.mount_at(path).map(|mount| {
            let root = world.root_path(mount);
            let is_root = mount.root.is_none_or(|_| root == Path::new("/"));
            let is_itself = !is_root && root.strip_prefix("/").is_ok_and(|root| mount.target.ends_with(root));
            Ground { is_root, is_itself, fs: world.fs_of(mount) }
        }))
    }

    fn device_size(&self, mount: MountIdentity) -> Result<Option<Bytes>> {
        let mut world = self.world();
        world.step("read", Path::new("/sys/dev/block"))?;
        Ok(match mount.device {
            (LoopDevice::MAJOR, number) => world.loops.get(number).map(|device| device.size),
            _ => Some(world.capacity),
        })
    }

    fn list(&self) -> Result<Vec<MountEntry>> {
        let mut world = self.world();
        world.step("mountinfo", Path::new("/proc/self/mountinfo"))?;
        let entries = world.mounts.iter().map(|mount| MountEntry {
            target: mount.target.clone(),
            device: mount.device.map(LoopDevice),
            device_number: mount.device_number(),
            root: world.root_path(mount),
            attributes: mount.attributes,
            filesystem_read_only: mount.fs_read_only,
        });
        Ok(entries.collect())
    }

    fn usage(&self, path: &Path) -> Result<Usage> {
        let mut world = self.world();
        world.step("statvfs", path)?;
        world.statvfs(path).map_err(|errno| Error::call("statvfs", path, errno))
    }

    fn grow(&self, path: &Path, fs: FsKind) -> Result<()> {
        let mut world = self.world();
        world.step("growfs", path)?;
        let found = world.mount_at(path).cloned();
        let (device, mount) = found
            .and_then(|mount| Some((mount.device?, mount)))
            .ok_or_else(|| Error::call("growfs", path, Errno::EINVAL))?;
        world.grow(device, Some(&mount)).map_err(|errno| Error::call("growfs", path, errno))?;
        if fs == FsKind::Xfs {
            world.step("FIFREEZE", path)?;
            world.freeze(device, true);
            world.step("FITHAW", path)?;
            world.freeze(device, false);
        }
        Ok(())
    }

    fn thaw(&self, path: &Path) -> Result<()> {
        let mut world = self.world();
        world.step("FITHAW", path)?;
        if let Some(device) = world.mount_at(path).and_then(|mount| mount.device) {
            world.freeze(device, false);
        }
        Ok(())
    }

    fn error_count(&self, device: LoopDevice, _fs: FsKind) -> Result<u64> {
        let mut world = self.world();
        world.step("errors_count", &device.path())?;
        Ok(world.fs_mut(device.0).map(|fs| fs.errors).unwrap_or_default())
    }

    fn has_given_up(&self, path: &Path, _fs: FsKind) -> Result<bool> {
        let mut world = self.world();
        world.step("fsync", path)?;
        Ok(world.mount_at(path).is_some_and(|mount| mount.has_given_up))
    }
}

impl Detached for FakeDetached {
    fn set_owner(&self, owner: Owner) -> Result<()> {
        let mut world = self.fake.world();
        world.step("fchown", Path::new("/"))?;
        let device = self.hold.device();
        if let Some(fs) = world.fs_mut(device) {
            fs.owner = Some(owner);
        }
        let image = world.loops.get(device).map(|device| device.image);
        image.into_iter().for_each(|image| world.sync_inode(image));
        Ok(())
    }

    fn grow(&self) -> Result<()> {
        let mut world = self.fake.world();
        world.step("growfs", Path::new("/"))?;
        world.grow(self.hold.device(), Some(&self.mount)).map_err(|errno| Error::call("growfs", "/", errno))
    }

    fn set_read_only(&self) -> Result<()> {
        self.fake.world().step("mount_setattr", Path::new("/"))?;
        self.read_only.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn attach(self: Box<Self>, target: &Path) -> Result<()> {
        let Self { fake, hold, mut mount, read_only } = *self;
        mount.attributes.read_only |= read_only.into_inner();
        let mut world = fake.world();
        let moved = world.step("move_mount", target).and_then(|()| {
            world.find(target).map_err(|errno| Error::call("move_mount", target, errno))?;
            world.put_mount(target, mount);
            Ok(())
        });
        drop(world);
        drop(hold); // the mount holds it now
        moved
    }
}
