use std::path::Path;

use super::{HeldLoop, Result};
use crate::model::FsKind;

/// Programs that make and repair filesystems.
pub trait FsTools: Send + Sync {
    /// Makes a filesystem in an image that this call's caller has just made (`mkfs`). On disk only after
    /// [`super::Files::sync`].
    fn format(&self, image: &Path, fs: FsKind) -> Result<()>;

    /// Checks the filesystem of an unmounted device and grows it to the device's size (`e2fsck -f`, `resize2fs`).
    ///
    /// Only ext4 needs it: XFS grows when mounted.
    fn grow_offline(&self, device: &HeldLoop, fs: FsKind) -> Result<()>;
}
