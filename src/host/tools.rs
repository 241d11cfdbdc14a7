use std::path::Path;

use super::{HeldLoop, Result};
use crate::model::{Bytes, FsKind};

/// Programs that make and repair filesystems.
pub trait FsTools: Send + Sync {
    /// Makes a filesystem in an image that this call's caller has just made (`mkfs`). On disk only after
    /// [`super::Files::sync`].
    fn format(&self, image: &Path, fs: FsKind) -> Result<()>;

    /// Checks the filesystem of an unmounted device and grows it to the device's size (`e2fsck -f`, `resize2fs`).
    ///
    /// Only ext4 needs it: XFS grows when mounted.
    fn grow_offline(&self, device: &HeldLoop, fs: FsKind) -> Result<()>;

    /// How small the ext4 of an unmounted device can become (`resize2fs -P`). Nothing is written.
    fn smallest(&self, device: &HeldLoop) -> Result<Bytes>;

    /// Checks the ext4 of an unmounted device and makes it that small (`e2fsck -f`, `resize2fs`). What is overwritten is
    /// first kept in the file `undo`, which must be empty ([`super::Files::create_synced`]) and is left there: the program
    /// may be killed on its way.
    fn shrink(&self, device: &HeldLoop, size: Bytes, undo: &Path) -> Result<()>;

    /// Gives the ext4 of an unmounted device back what [`FsTools::shrink`] has overwritten (`e2undo`, `e2fsck -f`).
    fn undo_shrink(&self, device: &HeldLoop, undo: &Path) -> Result<()>;
}
