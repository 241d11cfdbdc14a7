use std::path::{Path, PathBuf};

use super::{FileId, HeldLoop, LoopDevice, Result};
use crate::model::{Bytes, FsKind, MountAttributes, MountOptions, Owner, Usage};

/// Mounts, in the mount namespace of this process.
pub trait Mounts: Send + Sync {
    /// Opens the filesystem on a device without putting it anywhere (`fsopen(2)`, `fsmount(2)`): dropped, nothing is left.
    fn open(&self, device: &HeldLoop, fs: FsKind, options: &MountOptions) -> Result<Box<dyn Detached>>;

    /// Makes what is at `from` (a directory, or a device node) appear at `to`, at once with its final attributes
    /// (`open_tree(2)`, `mount_setattr(2)`, `move_mount(2)`): those of the mount that it is taken from, and these besides.
    fn bind(&self, from: &Path, to: &Path, attributes: &MountAttributes) -> Result<()>;

    /// Takes the topmost mount at a path away (`umount2(2)`, `UMOUNT_NOFOLLOW`).
    ///
    /// # Errors
    /// `EBUSY` while it is in use.
    fn unmount(&self, target: &Path) -> Result<()>;

    /// What is mounted at exactly this path; `None` where the path is no mount point, or is not there (`statx(2)`; the
    /// name of a loop device is read in `/sys`).
    fn at(&self, path: &Path) -> Result<Option<MountAt>>;

    /// Whether writes are refused at a path, by the mount or by the filesystem (`statvfs(3)`).
    fn is_read_only(&self, path: &Path) -> Result<bool>;

    /// Which mount is at exactly this path; `None` as with [`Mounts::at`]. One system call, without any privilege.
    fn identity(&self, path: &Path) -> Result<Option<MountIdentity>>;

    /// What lies under the mount at exactly this path (`/proc/self/mountinfo`); `None` where the table has none.
    fn ground(&self, path: &Path) -> Result<Option<Ground>>;

    /// The size of the device under a mount (`/sys/dev/block`), without opening it; `None` where there is no device.
    fn device_size(&self, mount: MountIdentity) -> Result<Option<Bytes>>;

    /// Every mount (`/proc/self/mountinfo`). For inspection and for rare questions.
    fn list(&self) -> Result<Vec<MountEntry>>;

    /// How full the mounted filesystem is (`statvfs(3)`).
    fn usage(&self, path: &Path) -> Result<Usage>;

    /// Grows the mounted filesystem to the size of its device, online. One that fills it is left as it is.
    ///
    /// Before Linux 6.13 an XFS is held still for a moment, so that a power cut finds it grown; killed meanwhile, it needs
    /// [`Mounts::thaw`].
    ///
    /// # Errors
    /// `EPERM` where the kernel does not permit this process to (ext4 without `CAP_SYS_RESOURCE`); `EROFS` through a mount that
    /// refuses writes, or where the filesystem does.
    fn grow(&self, path: &Path, fs: FsKind) -> Result<()>;

    /// Lets an XFS go on that a growth has held still when it was killed (`FITHAW`). One that is not held is left as it is.
    fn thaw(&self, path: &Path) -> Result<()>;

    /// How many errors the filesystem has counted since it was made (ext4 `errors_count`; XFS keeps none: 0).
    fn error_count(&self, device: LoopDevice, fs: FsKind) -> Result<u64>;

    /// Whether the filesystem that is mounted at a path has given up after an error, and takes no writes until it is mounted
    /// again. From Linux 6.12 on, and in later longterm kernels, the mount table does not show it of an ext4: what it says to
    /// `fsync(2)` of its root does, from 6.6 on. Of longterm kernels before that only [`Mounts::error_count`] tells.
    fn has_given_up(&self, path: &Path, fs: FsKind) -> Result<bool>;
}

/// A filesystem that is open, and mounted nowhere. Dropped, it is closed.
pub trait Detached: Send {
    /// Sets owner and mode of the root directory, synced to the device.
    fn set_owner(&self, owner: Owner) -> Result<()>;

    /// As [`Mounts::grow`]; but nothing is held still: closed and opened again, an XFS is grown on its device, too.
    fn grow(&self) -> Result<()>;

    /// Lets this mount refuse writes, and the filesystem take those through others (`mount_setattr(2)`).
    fn set_read_only(&self) -> Result<()>;

    /// Puts it at a path (`move_mount(2)`), where it stays.
    fn attach(self: Box<Self>, target: &Path) -> Result<()>;
}

/// What is mounted at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MountAt {
    /// The loop device: that under the filesystem, or the device node that is bound here. `None`: something else.
    pub device: Option<LoopDevice>,
    /// Whether it is a device node.
    pub is_block: bool,
    /// What is seen there: the root of a filesystem, or the directory or node that is bound. Its inode is 0 where a
    /// filesystem that has shut itself down does not tell.
    pub root: FileId,
}

/// One mount, unlike every other that is or was at its path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MountIdentity {
    /// The number of the device under it (`st_dev`), major and minor.
    pub device: (u32, u32),
    /// The kernel's number of the mount; 0 where it does not tell.
    pub id: u64,
}

/// What lies under a mount.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ground {
    /// Whether the root of the filesystem is seen there, and not a directory in it.
    pub is_root: bool,
    /// Whether it is only the directory of that path itself: so a container sees a directory of its host.
    pub is_itself: bool,
    /// The filesystem, where it is one of ours.
    pub fs: Option<FsKind>,
}

/// One line of the mount table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountEntry {
    /// Where.
    pub target: PathBuf,
    /// The loop device, as in [`MountAt`].
    pub device: Option<LoopDevice>,
    /// The number of the device under the filesystem, major and minor.
    pub device_number: (u32, u32),
    /// What is seen there, as a path in the filesystem: `/`, or the directory or node that is bound.
    pub root: PathBuf,
    /// What belongs to the mount itself, as far as the table has a word for it (not for `strictatime`).
    pub attributes: MountAttributes,
    /// Whether the filesystem itself is read-only: asked for, or after an error.
    pub filesystem_read_only: bool,
}
