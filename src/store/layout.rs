use std::path::{Path, PathBuf};

use ulid::Ulid;

use crate::host::beside;
use crate::model::VolumeId;

/// The directory of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolDir(PathBuf);

/// The directory of one volume: in its pool, or already in the trash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolumeDir(PathBuf);

const VOLUMES: &str = "volumes";
const DATA: &str = "data";

/// The volume of which a path is the [`VolumeDir::data`], wherever its pool lies.
pub fn volume_of_data(path: &Path) -> Option<VolumeId> {
    let dir = path.parent().filter(|_| path.file_name().is_some_and(|name| name == DATA))?;
    let is_in_pool = dir.parent()?.file_name().is_some_and(|name| name == VOLUMES);
    VolumeId::parse(dir.file_name()?.to_str()?).ok().filter(|_| is_in_pool)
}

/// A path below another. `Path::join` asks twice for memory, and these are made in every call.
fn below(dir: &Path, names: &[&str]) -> PathBuf {
    let length = names.iter().fold(dir.as_os_str().len(), |length, name| length + 1 + name.len());
    let mut path = PathBuf::with_capacity(length);
    path.push(dir);
    path.extend(names);
    path
}

impl PoolDir {
    /// The pool at that path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The file that marks it as a pool.
    pub fn marker(&self) -> PathBuf {
        self.0.join("pool.yaml")
    }

    /// Where the volumes lie, a directory each.
    pub fn volumes(&self) -> PathBuf {
        self.0.join(VOLUMES)
    }

    /// Where a volume lies.
    pub fn volume(&self, id: &VolumeId) -> VolumeDir {
        VolumeDir(below(&self.0, &[VOLUMES, id.as_str()]))
    }

    /// Where lies what is being deleted.
    pub fn trash(&self) -> PathBuf {
        self.0.join("trash")
    }
}

impl VolumeDir {
    /// Where a volume lies when it is being deleted; `unique` lets the same name be deleted again.
    pub fn in_trash(pool: &PoolDir, id: &VolumeId, unique: Ulid) -> Self {
        Self(pool.trash().join(format!("{id}.{unique}")))
    }

    /// What is found in the trash under that name.
    pub fn found_in_trash(pool: &PoolDir, name: &str) -> Self {
        Self(pool.trash().join(name))
    }

    /// The path itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The record.
    pub fn record(&self) -> PathBuf {
        below(&self.0, &["volume.yaml"])
    }

    /// The record as it is being written: what a save that was cut leaves.
    pub fn half_record(&self) -> PathBuf {
        beside(&self.record())
    }

    /// The note as it is being written.
    pub fn half_pods(&self) -> PathBuf {
        beside(&self.pods())
    }

    /// The backing file.
    pub fn image(&self) -> PathBuf {
        below(&self.0, &["image"])
    }

    /// The directory that is the volume, where a limit holds it to its size.
    pub fn data(&self) -> PathBuf {
        below(&self.0, &[DATA])
    }

    /// The note of the pods that it is shown to.
    pub fn pods(&self) -> PathBuf {
        self.0.join("pods.yaml")
    }

    /// What a shrink has overwritten in the image, until it is finished.
    pub fn undo(&self) -> PathBuf {
        self.0.join("shrink.undo")
    }
}
