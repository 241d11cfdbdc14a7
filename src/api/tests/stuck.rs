use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use crate::host::{
    Detached, Ground, HeldLoop, LoopDevice, Machine, MountAt, MountEntry, MountIdentity, Mounts, Result, linux,
};
use crate::model::{Bytes, FsKind, MountAttributes, MountOptions, Usage};

/// This machine, on which one path answers nobody until this is dropped.
pub(super) struct Stuck(Arc<Gate>);

struct Gate {
    inner: Arc<dyn Mounts>,
    path: PathBuf,
    is_stuck: Mutex<bool>,
    opened: Condvar,
}

impl Stuck {
    pub(super) fn at(path: &str) -> (Self, Machine) {
        let (inner, path) = (linux::machine().mounts, path.into());
        let gate = Arc::new(Gate { inner, path, is_stuck: Mutex::new(true), opened: Condvar::new() });
        (Self(gate.clone()), Machine { mounts: gate, ..linux::machine() })
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        *self.0.is_stuck.lock().unwrap() = false;
        self.0.opened.notify_all();
    }
}

impl Gate {
    fn at(&self, path: &Path) -> &dyn Mounts {
        if path == self.path {
            drop(self.opened.wait_while(self.is_stuck.lock().unwrap(), |is_stuck| *is_stuck).unwrap());
        }
        self.inner.as_ref()
    }
}

impl Mounts for Gate {
    fn open(&self, device: &HeldLoop, fs: FsKind, options: &MountOptions) -> Result<Box<dyn Detached>> {
        self.inner.open(device, fs, options)
    }

    fn bind(&self, from: &Path, to: &Path, attributes: &MountAttributes) -> Result<()> {
        self.at(to).bind(from, to, attributes)
    }

    fn unmount(&self, target: &Path) -> Result<()> {
        self.at(target).unmount(target)
    }

    fn at(&self, path: &Path) -> Result<Option<MountAt>> {
        self.at(path).at(path)
    }

    fn is_read_only(&self, path: &Path) -> Result<bool> {
        self.at(path).is_read_only(path)
    }

    fn identity(&self, path: &Path) -> Result<Option<MountIdentity>> {
        self.at(path).identity(path)
    }

    fn ground(&self, path: &Path) -> Result<Option<Ground>> {
        self.at(path).ground(path)
    }

    fn device_size(&self, mount: MountIdentity) -> Result<Option<Bytes>> {
        self.inner.device_size(mount)
    }

    fn list(&self) -> Result<Vec<MountEntry>> {
        self.inner.list()
    }

    fn usage(&self, path: &Path) -> Result<Usage> {
        self.at(path).usage(path)
    }

    fn grow(&self, path: &Path, fs: FsKind) -> Result<()> {
        self.at(path).grow(path, fs)
    }

    fn thaw(&self, path: &Path) -> Result<()> {
        self.at(path).thaw(path)
    }

    fn error_count(&self, device: LoopDevice, fs: FsKind) -> Result<u64> {
        self.inner.error_count(device, fs)
    }

    fn has_given_up(&self, path: &Path, fs: FsKind) -> Result<bool> {
        self.at(path).has_given_up(path, fs)
    }
}
