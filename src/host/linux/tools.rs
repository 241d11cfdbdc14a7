use std::path::Path;

use crate::fs_tools::{check, format};
use crate::host::{FsTools, HeldLoop, Result};
use crate::model::FsKind;

pub(super) struct LinuxTools;

impl FsTools for LinuxTools {
    fn format(&self, image: &Path, fs: FsKind) -> Result<()> {
        match fs {
            FsKind::Ext4 => format::ext4(image)?,
            FsKind::Xfs => format::xfs(image)?,
        }
        Ok(())
    }

    fn grow_offline(&self, device: &HeldLoop, fs: FsKind) -> Result<()> {
        if fs == FsKind::Ext4 {
            let device = device.device().path();
            check::ext4(&device)?;
            check::grow_ext4(&device)?;
        }
        Ok(())
    }
}
