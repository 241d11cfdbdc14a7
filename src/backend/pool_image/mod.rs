//! The filesystem of a pool that has no disk: an XFS in a file that the driver makes, and mounts where the pool lies.

mod make;

use std::path::Path;

use super::loop_image::{Patience, held, reserve};
use super::{Error, Result};
use crate::config::{PoolConfig, PoolImage};
use crate::host::{Attach, Backing, FileId, FileKind, HeldLoop, Lock, LoopDevice, Machine, Stat};
use crate::model::{FsKind, MountOptions, PoolName};

/// The image of a pool, and what the kernel has made of it. The kernel is asked each time: image, device and mount outlive
/// the process.
pub struct PoolDisk<'a> {
    machine: &'a Machine,
    pool: &'a PoolName,
    /// Where it is mounted.
    path: &'a Path,
    image: &'a PoolImage,
}

/// What holds directories to limits.
const FS: FsKind = FsKind::Xfs;

fn options() -> MountOptions {
    MountOptions::from_flags(&["prjquota"])
}

impl<'a> PoolDisk<'a> {
    /// That of a pool, where it has one.
    pub fn of(machine: &'a Machine, pool: &'a PoolConfig) -> Option<Self> {
        let image = pool.limits.image.as_ref()?;
        Some(Self { machine, pool: &pool.name, path: &pool.path, image })
    }

    /// Mounts the image at the pool's path, and makes it before where there is none: whether this call mounted it.
    ///
    /// # Errors
    /// [`Error::PoolNotBare`], [`Error::ForeignMount`]: then nothing was made. [`Error::NoQuotas`]: the kernel does not
    /// mount it so, and no image is left. [`Error::PoolImageTooLarge`], [`Error::HeldByOthers`].
    pub fn mount(&self) -> Result<bool> {
        let _alone = self.lock()?;
        if self.is_mounted()? {
            self.found()?;
            return Ok(false);
        }
        self.check_bare()?;
        if self.machine.files.stat(&self.image.file)?.is_none() {
            self.make()?;
        }
        let image = self.found()?;
        let device = self.attach(image.id)?;
        self.machine.mounts.open(&device, FS, &options())?.attach(self.path)?;
        if !self.is_mounted()? {
            return Err(Error::NotMounted { path: self.path.to_owned() });
        }
        tracing::info!(pool = %self.pool, image = %self.image.file.display(), device = %device.device(), "the pool is mounted");
        Ok(true)
    }

    /// Takes the mount away again; with it the device goes.
    pub fn unmount(&self) -> Result<()> {
        if self.is_mounted()? { Ok(self.machine.mounts.unmount(self.path)?) } else { Ok(()) }
    }

    /// Gives the image back what a discard took: whether it has all of its blocks.
    pub fn reserve_again(&self) -> Result<bool> {
        let Some(found) = self.machine.files.stat(&self.image.file)? else { return Ok(false) };
        match reserve(self.machine, &self.image.file, found.size, found.size) {
            Ok(()) => Ok(true),
            Err(error) if error.is_no_space() => Ok(found.allocated >= found.size),
            Err(error) => Err(error),
        }
    }

    /// The image as it is on disk.
    fn found(&self) -> Result<Stat> {
        let file = &self.image.file;
        match self.machine.files.stat(file)? {
            None => Err(Error::ImageMissing { image: file.clone() }),
            Some(found) if found.kind != FileKind::Regular => Err(Error::NotAFile { file: file.clone() }),
            Some(found) if found.size > self.image.size => {
                Err(Error::PoolImageTooLarge { image: file.clone(), actual: found.size, configured: self.image.size })
            }
            Some(found) => Ok(found),
        }
    }

    /// Whether the root of the image's filesystem is what is seen at the pool's path.
    fn is_mounted(&self) -> Result<bool> {
        let mounts = &self.machine.mounts;
        let Some(mount) = mounts.at(self.path)? else { return Ok(false) };
        let ground = mounts.ground(self.path)?;
        if let Some(device) = mount.device.filter(|_| !mount.is_block)
            && let Some(backing) = self.backing(device)?
        {
            let image = self.machine.files.stat(&self.image.file)?;
            let image = image.ok_or_else(|| Error::ImageMissing { image: self.image.file.clone() })?;
            if backing.image == image.id && ground.is_some_and(|ground| ground.is_root) {
                return Ok(true);
            }
        }
        // In a container every directory of the host is a mount, and can be mounted on.
        match ground {
            Some(ground) if ground.is_itself => Ok(false),
            _ => Err(Error::ForeignMount { path: self.path.to_owned() }),
        }
    }

    /// A mount would hide what is there.
    fn check_bare(&self) -> Result<()> {
        self.machine.files.create_mount_point(self.path)?;
        match self.machine.files.list(self.path)?.into_iter().next() {
            None => Ok(()),
            Some(name) => Err(Error::PoolNotBare { path: self.path.to_owned(), name }),
        }
    }

    /// The image's device, held: that which it has, or a new one. Never a second on one image.
    fn attach(&self, image: FileId) -> Result<HeldLoop> {
        let (loops, file) = (&self.machine.loops, &self.image.file);
        let is_ours = |backing: &Backing| backing.image == image && self.owns(backing);
        let find = || Ok(loops.list()?.into_iter().find(|(_, backing)| is_ours(backing)).map(|(device, _)| device));
        match held(self.machine, file, find, is_ours)? {
            Some(held) => Ok(held),
            None => Ok(loops.attach(file, &self.attaching())?),
        }
    }

    fn attaching(&self) -> Attach {
        Attach { tag: Backing::tag_of_pool(self.pool), direct_io: true }
    }

    /// What a device is made of, where it is this pool's by its tag.
    fn backing(&self, device: LoopDevice) -> Result<Option<Backing>> {
        Ok(self.machine.loops.backing(device)?.filter(|backing| self.owns(backing)))
    }

    fn owns(&self, backing: &Backing) -> bool {
        backing.tag == Backing::tag_of_pool(self.pool)
    }

    /// Two processes would each take for left over what the other is making.
    fn lock(&self) -> Result<Lock> {
        let dir = self.image.file.parent().unwrap_or(Path::new("/"));
        self.machine.files.create_dir(dir)?;
        let mut patience = Patience::default();
        loop {
            if let Some(lock) = self.machine.files.lock(dir)? {
                return Ok(lock);
            }
            if patience.is_at_its_end() {
                return Err(Error::ImageBeingMade { dir: dir.to_owned() });
            }
        }
    }
}
