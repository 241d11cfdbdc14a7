use std::collections::BTreeMap;
use std::sync::Arc;

use ulid::Ulid;

use super::create::CLAIMS;
use super::pool::{Pool, Served};
use super::projects::{Limits, Tables};
use super::{Error, Result};
use crate::backend::{self, PoolDisk};
use crate::host::{self, FileKind, Lock, Machine};
use crate::model::{FsKind, VolumeId};
use crate::store::{Marker, VolumeDir};

/// Whether a pool can make and mount a filesystem, or why not.
pub(super) type Proofs = BTreeMap<FsKind, Result<(), String>>;

impl Pool {
    /// Looks whether the pool can be served; it is from [`Pool::serve`] on.
    pub(super) fn open(&self, machine: &Machine, tables: &Tables) -> Result<Served, String> {
        let Some(disk) = PoolDisk::of(machine, &self.config) else { return self.open_there(machine, tables, None) };
        let mounted = disk.mount().map_err(|error| error.to_string())?;
        let opened = self.open_there(machine, tables, Some(&disk));
        // What cannot be served is left as it was found.
        if opened.is_err()
            && mounted
            && let Err(error) = disk.unmount()
        {
            tracing::warn!(pool = %self.name(), %error, "the pool's image stays mounted");
        }
        opened
    }

    fn open_there(&self, machine: &Machine, tables: &Tables, disk: Option<&PoolDisk>) -> Result<Served, String> {
        self.check_place(machine)?;
        let lock = self.take(machine)?;
        let marker = self.check(machine)?;
        if let Some(Err(error)) = disk.map(PoolDisk::grow) {
            tracing::error!(pool = %self.name(), %error, "the pool's image stays as large as it is");
        }
        let longest = self.backend.largest(&self.dir).map_err(|error| error.to_string())?;
        let filesystems = self.backend.filesystems(&self.dir).map_err(|error| error.to_string())?;
        let has_limits = self.backend.has_limits();
        if has_limits {
            self.open_limits(machine, tables, &marker)?;
        }
        let mut proofs = Proofs::new();
        for fs in filesystems {
            match self.prove(machine, fs) {
                // Volumes that nothing else holds must not be used where limits do not. In a full pool it is not known.
                Err(error) if error.is_no_limit() => return Err(error.to_string()),
                proof => drop(proofs.insert(fs, proof.map_err(|error| error.to_string()))),
            }
        }
        Ok(Served { marker, longest, filesystems: proofs, _lock: Arc::new(lock) })
    }

    fn open_limits(&self, machine: &Machine, tables: &Tables, marker: &str) -> Result<(), String> {
        let limits = tables.limits(machine, self, marker)?;
        self.read_projects(machine, &limits).map_err(|error| error.to_string())?;
        self.set_limits(limits);
        Ok(())
    }

    /// That the directory is still the pool that was opened, and not the bare one that a lost mount leaves.
    pub(super) fn still_there(&self, machine: &Machine) -> Result<()> {
        let served = self.served()?;
        let found = self.check_place(machine).and_then(|()| self.check_marker(machine));
        let reason = match found {
            Ok(Some(marker)) if marker.id == served.marker => return Ok(()),
            Ok(_) => "its marker is gone: is its disk still mounted?".to_owned(),
            Err(reason) => reason,
        };
        Err(Error::NotServed { pool: self.name().clone(), reason })
    }

    /// Tries the filesystems again that could not be made: a pool that was full then may have room now.
    ///
    /// # Errors
    /// Its limits do not hold: it must not be served any more.
    pub(super) fn prove_again(&self, machine: &Machine) -> Result<()> {
        let mut served = self.served()?;
        let refused = served.filesystems.iter().filter(|(_, proof)| proof.is_err()).map(|(fs, _)| *fs);
        for fs in refused.collect::<Vec<_>>() {
            match self.prove(machine, fs) {
                Ok(()) => {
                    tracing::info!(pool = %self.name(), %fs, "the filesystem is available now");
                    served.filesystems.insert(fs, Ok(()));
                    self.serve(machine, Ok(served.clone()));
                }
                Err(error) if error.is_no_limit() => return Err(error),
                Err(_) => {} // said before
            }
        }
        Ok(())
    }

    /// Makes and mounts a filesystem in the trash, where anything left is reclaimed.
    fn prove(&self, machine: &Machine, fs: FsKind) -> Result<()> {
        let _alone = self.emptying();
        for _ in 1..CLAIMS {
            match self.prove_once(machine, fs) {
                Err(Error::Backend(backend::Error::ProjectTaken { .. })) => {}
                proven => return proven,
            }
        }
        self.prove_once(machine, fs)
    }

    fn prove_once(&self, machine: &Machine, fs: FsKind) -> Result<()> {
        // No volume has such an id.
        let name = format!("proof/{fs}");
        let scratch = self.trash_for(&VolumeId::from_name(&format!("proof-{fs}")));
        let limits = self.limits();
        let proven = self.try_proof(machine, limits.as_ref(), &name, &scratch, fs);
        match (self.backend.reclaim(&scratch), limits) {
            (Ok(()), Some(limits)) => drop(limits.projects.remove(&name)),
            (Ok(()), None) => {}
            (Err(error), limits) => {
                tracing::warn!(pool = %self.name(), %error, "what was tried stays in the trash for now");
                limits.map(|limits| limits.projects.retire(&name, scratch.path()));
            }
        }
        proven
    }

    fn try_proof(
        &self,
        machine: &Machine,
        limits: Option<&Limits>,
        name: &str,
        scratch: &VolumeDir,
        fs: FsKind,
    ) -> Result<()> {
        machine.files.create_dir(scratch.path())?;
        let project = limits.map(|limits| limits.claim(machine, &self.dir, name, &scratch.data())).transpose()?;
        Ok(self.backend.prove(scratch, project, fs)?)
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
        if self.config.require_mount_point { self.check_mounted(machine) } else { Ok(()) }
    }

    /// In a container every directory of the host is a mount point: that one of them is a disk, the mount table tells.
    fn check_mounted(&self, machine: &Machine) -> Result<(), String> {
        let (path, said) = (self.dir.path(), |error: host::Error| error.to_string());
        let refused = |what| Err(format!("{} is {what}, and requireMountPoint is set", path.display()));
        if machine.mounts.at(path).map_err(said)?.is_none() {
            return refused("not a mount point");
        }
        match machine.mounts.ground(path).map_err(said)? {
            Some(ground) if ground.is_itself => refused("not a mount point of the host, but a directory of it"),
            _ => Ok(()),
        }
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
}
