use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use crate::fs_tools::{check, format, shrink};
use crate::host::{FsTools, HeldLoop, Result};
use crate::model::{Bytes, FsKind};

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
            wait_for_the_last_mount(&device);
            check::ext4(&device)?;
            check::grow_ext4(&device)?;
        }
        Ok(())
    }

    fn smallest(&self, device: &HeldLoop) -> Result<Bytes> {
        Ok(Bytes::new(shrink::smallest_ext4(&device.device().path())?))
    }

    fn shrink(&self, device: &HeldLoop, size: Bytes, undo: &Path) -> Result<()> {
        let device = device.device().path();
        wait_for_the_last_mount(&device);
        check::ext4(&device)?;
        Ok(shrink::ext4(&device, size.get(), undo)?)
    }

    fn undo_shrink(&self, device: &HeldLoop, undo: &Path) -> Result<()> {
        let device = device.device().path();
        wait_for_the_last_mount(&device);
        shrink::undo_ext4(&device, undo)?;
        Ok(check::ext4(&device)?)
    }
}

/// A mount that we have just closed may live on: a program that we start for another volume has a copy of our descriptors
/// until it executes, and is then the one that closes the filesystem. What stays in use the programs refuse themselves.
fn wait_for_the_last_mount(device: &Path) {
    for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
        let claimed = OpenOptions::new().read(true).custom_flags(OFlag::O_EXCL.bits()).open(device);
        match claimed.err().and_then(|error| error.raw_os_error()).map(Errno::from_raw) {
            Some(Errno::EBUSY) => std::thread::sleep(Duration::from_millis(wait)),
            _ => return,
        }
    }
}
