use std::collections::BTreeMap;
use std::sync::{Arc, RwLock, RwLockReadGuard};

use ulid::Ulid;

use super::ledger::{Admission, Ask, Ledger, Room};
use super::{Error, Result};
use crate::backend::LoopImages;
use crate::config::PoolConfig;
use crate::host::{FileKind, Lock, Machine};
use crate::model::{Bytes, FsKind, PoolName, VolumeId};
use crate::store::{self, Marker, PoolDir, VolumeDir};

/// A directory in which volumes live, and what it has promised.
pub(super) struct Pool {
    pub(super) config: PoolConfig,
    pub(super) dir: PoolDir,
    pub(super) ledger: Ledger,
    state: RwLock<Result<Served, String>>,
}

/// A pool that is served.
#[derive(Clone)]
pub(super) struct Served {
    /// The id in its marker.
    marker: String,
    /// The longest file that it can hold.
    pub(super) longest: Bytes,
    /// Whether it can make and mount a filesystem, or why not.
    pub(super) filesystems: BTreeMap<FsKind, Result<(), String>>,
    /// There is never a second writer: held as long as the pool is served.
    _lock: Arc<Lock>,
}

impl Pool {
    pub(super) fn new(config: PoolConfig) -> Self {
        let dir = PoolDir::new(&config.path);
        let state = RwLock::new(Err("it has not been opened yet".to_owned()));
        Self { config, dir, ledger: Ledger::default(), state }
    }

    pub(super) fn name(&self) -> &PoolName {
        &self.config.name
    }

    /// Why it is not served, where it is not.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, Result<Served, String>> {
        self.state.read().expect("no holder panics")
    }

    pub(super) fn is_served(&self) -> bool {
        self.state().is_ok()
    }

    /// The pool, where it is served.
    pub(super) fn served(&self) -> Result<Served> {
        let refused = |reason: &String| Error::NotServed { pool: self.name().clone(), reason: reason.clone() };
        self.state().as_ref().map(Clone::clone).map_err(refused)
    }

    /// Looks whether the pool can be served; it is from [`Pool::serve`] on.
    pub(super) fn open(&self, machine: &Machine, backend: &LoopImages) -> Result<Served, String> {
        self.check_place(machine)?;
        let lock = self.take(machine)?;
        let marker = self.check(machine)?;
        let longest = machine.files.largest_file(self.dir.path()).map_err(|error| error.to_string())?;
        let filesystems = self.prove_filesystems(machine, backend);
        Ok(Served { marker, longest, filesystems, _lock: Arc::new(lock) })
    }

    pub(super) fn serve(&self, served: Result<Served, String>) {
        *self.state.write().expect("no holder panics") = served;
    }

    /// That the directory is still the pool that was opened, and not the bare one that a lost mount leaves.
    pub(super) fn still_there(&self, machine: &Machine) -> Result<()> {
        let served = self.served()?;
        let refused = |reason| Error::NotServed { pool: self.name().clone(), reason };
        match self.check_marker(machine).map_err(refused)? {
            Some(marker) if marker.id == served.marker => Ok(()),
            _ => {
                let reason = "its marker is gone: is its disk still mounted?".to_owned();
                self.serve(Err(reason.clone()));
                Err(refused(reason))
            }
        }
    }

    /// That the directory is there, and is what it should be.
    fn check_place(&self, machine: &Machine) -> Result<(), String> {
        let path = self.dir.path();
        match machine.files.stat(path).map_err(|error| error.to_string())? {
            None => return Err(format!("{} does not exist", path.display())),
            Some(stat) if stat.kind != FileKind::Directory => {
                return Err(format!("{} is not a directory", path.display()));
            }
            Some(_) => {}
        }
        if self.config.require_mount_point {
            match machine.mounts.at(path) {
                Ok(Some(_)) => {}
                Ok(None) => {
                    return Err(format!("{} is not a mount point, and requireMountPoint is set", path.display()));
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(())
    }

    /// Nothing is read or written before the pool is ours: another process would be making what we undo.
    fn take(&self, machine: &Machine) -> Result<Lock, String> {
        let lock = machine.files.lock(self.dir.path()).map_err(|error| error.to_string())?;
        lock.ok_or_else(|| format!("another process serves {}", self.dir.path().display()))
    }

    /// The pool's id, written on first use.
    fn check(&self, machine: &Machine) -> Result<String, String> {
        let marker = match self.check_marker(machine)? {
            Some(marker) => marker,
            None => self.first_use(machine)?,
        };
        for dir in [self.dir.volumes(), self.dir.trash()] {
            machine.files.create_dir(&dir).map_err(|error| error.to_string())?;
        }
        Ok(marker.id)
    }

    fn check_marker(&self, machine: &Machine) -> Result<Option<Marker>, String> {
        let Some(marker) = Marker::load(&*machine.files, &self.dir).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        if marker.name != *self.name() {
            return Err(format!("{} is the marker of pool '{}'", self.dir.marker().display(), marker.name));
        }
        if marker.backend != self.config.backend {
            return Err(format!("{} is the marker of a pool of another backend", self.dir.marker().display()));
        }
        Ok(Some(marker))
    }

    fn first_use(&self, machine: &Machine) -> Result<Marker, String> {
        let names = machine.files.list(self.dir.path()).map_err(|error| error.to_string())?;
        // What mkfs makes, and what an interrupted first use leaves.
        let strange = names.into_iter().find(|name| !matches!(name.as_str(), "lost+found" | "pool.yaml.new"));
        if let Some(name) = strange {
            let path = self.dir.path().display();
            return Err(format!("{path} has no pool.yaml and is not empty: it holds '{name}'"));
        }
        let marker = Marker::new(Ulid::generate().to_string(), self.name().clone(), self.config.backend);
        marker.save(&*machine.files, &self.dir).map_err(|error| error.to_string())?;
        Ok(marker)
    }

    /// In the trash, where anything left is reclaimed.
    fn prove_filesystems(&self, machine: &Machine, backend: &LoopImages) -> BTreeMap<FsKind, Result<(), String>> {
        let prove = |fs: FsKind| {
            let scratch = self.trash_for(&VolumeId::from_name(&format!("probe-{fs}")));
            let tried = machine.files.create_dir(scratch.path()).map_err(Error::from);
            let proven = tried.and_then(|()| Ok(backend.prove(&scratch, fs)?));
            if let Err(error) = machine.files.remove_tree(scratch.path()) {
                tracing::warn!(pool = %self.name(), %error, "a scratch image stays in the trash for now");
            }
            proven.map_err(|error| error.to_string())
        };
        FsKind::ALL.into_iter().map(|fs| (fs, prove(fs))).collect()
    }

    /// A place in the trash that nothing has had yet.
    pub(super) fn trash_for(&self, id: &VolumeId) -> VolumeDir {
        VolumeDir::in_trash(&self.dir, id, Ulid::generate())
    }

    /// Takes everything in the trash away.
    pub(super) fn empty_trash(&self, machine: &Machine) -> Result<(), store::Error> {
        for name in machine.files.list(&self.dir.trash())? {
            machine.files.remove_tree(&self.dir.trash().join(name))?;
        }
        Ok(())
    }

    pub(super) fn room(&self, machine: &Machine) -> Result<Room> {
        Ok(self.ledger.room(&*machine.files, &self.config, &self.dir)?)
    }

    /// Promises room. Where there is none, the trash is emptied and the question asked once more.
    pub(super) fn admit(&self, machine: &Machine, id: &VolumeId, size: Bytes, sparse: bool) -> Result<Admission<'_>> {
        let longest = self.served()?.longest;
        if size > longest {
            return Err(Error::TooLong { pool: self.name().clone(), asked: size, longest });
        }
        let ask = || Ask { id, image: self.dir.volume(id).image(), size, sparse };
        match self.ledger.admit(&*machine.files, &self.config, &self.dir, ask()) {
            Err(error @ Error::Full { .. }) => {
                if machine.files.list(&self.dir.trash())?.is_empty() {
                    return Err(error);
                }
                self.empty_trash(machine)?;
                self.ledger.admit(&*machine.files, &self.config, &self.dir, ask())
            }
            other => other,
        }
    }
}
