//! How a volume is made of what the machine has: by one of two backends, an image file on a loop device or a directory under
//! a project quota.
//!
//! A backend makes things so; what a volume means, who may have it and when, is the engine's.

mod error;
mod fault;
mod loop_image;
mod options;
pub mod place;
mod pool_image;
mod presence;
mod project_quota;
mod staging;

pub use error::{Error, Result};
pub use fault::Fault;
pub use options::check_options;
pub use pool_image::PoolDisk;
pub use presence::Presence;
pub use project_quota::tag_of;
pub use staging::{Growth, Staging, same_access};

use std::path::{Path, PathBuf};

use crate::host::{self, Machine, MountAt, MountEntry, Strays};
use crate::model::{self, Bytes, Content, FsKind, MountAttributes, MountOptions, ProjectId, Usage, VolumeId};
use crate::store::{PoolDir, Record, VolumeDir};
use loop_image::LoopImages;
use project_quota::ProjectDirs;

/// The backend of a pool's volumes.
pub fn of(kind: model::Backend, machine: &Machine) -> Box<dyn Backend> {
    match kind {
        model::Backend::Loop => Box::new(LoopImages::new(machine.clone())),
        model::Backend::Quota => Box::new(ProjectDirs::new(machine.clone())),
    }
}

/// How the volumes of a pool are made. A volume is given by its directory and its record; by its id alone where its pool may
/// be out of reach.
pub trait Backend: Send + Sync {
    /// The machine that they are made of.
    fn machine(&self) -> &Machine;

    /// The filesystems that volumes may have there, if they can be proven.
    fn filesystems(&self, pool: &PoolDir) -> Result<Vec<FsKind>>;

    /// Makes a volume with that filesystem in a scratch directory, to see whether this machine can. What is left there the
    /// caller takes away. `project` is one that nobody has, where volumes need one.
    fn prove(&self, scratch: &VolumeDir, project: Option<ProjectId>, fs: FsKind) -> Result<()>;

    /// The largest volume that a pool could ever hold.
    fn largest(&self, pool: &PoolDir) -> Result<Bytes>;

    /// Makes a new volume in its directory, where nothing is but its record. On disk when this returns.
    ///
    /// # Errors
    /// `EEXIST` where something is there already: nothing is ever formatted that this call did not make.
    fn provision(&self, dir: &VolumeDir, record: &Record) -> Result<()>;

    /// Takes away what lies in the trash of a pool: its project is free then, where it had one.
    fn reclaim(&self, dir: &VolumeDir) -> Result<()>;

    /// Forgets a volume that is gone.
    fn forget(&self, id: &VolumeId);

    /// Mounts the volume at its staging path, finishing a growth that is pending. Never formats.
    fn stage(&self, dir: &VolumeDir, record: &Record, staging: Staging, options: &MountOptions) -> Result<Growth>;

    /// Takes the volume off its staging path. `dir` is `None` where its pool is out of reach.
    fn unstage(&self, id: &VolumeId, dir: Option<&VolumeDir>, staging: Staging) -> Result<()>;

    /// Makes the volume appear at a path of its own: a directory, or for raw blocks a file.
    fn mount(&self, dir: &VolumeDir, record: &Record, target: &Path, read_only: bool) -> Result<Growth>;

    /// Takes the volume off a path where [`Backend::mount`] put it.
    fn unmount(&self, id: &VolumeId, dir: Option<&VolumeDir>, target: &Path) -> Result<()>;

    /// Makes the staged volume appear at a target path, with what it was staged with.
    fn publish(
        &self,
        dir: &VolumeDir,
        record: &Record,
        staging: Staging,
        target: &Path,
        read_only: bool,
    ) -> Result<()> {
        let (content, files) = (record.spec.content, &self.machine().files);
        let source = staging.source(content);
        if self.at(dir, record, &source)?.is_none() {
            return Err(Error::NotMounted { path: source });
        }
        if self.at(dir, record, target)?.is_some() {
            let is_read_only = read_only || self.machine().mounts.is_read_only(&source)?;
            return same_access(self.machine(), target, is_read_only);
        }
        match content {
            Content::Filesystem(_) => files.create_mount_point(target)?,
            Content::Block => files.create_file(target)?,
        }
        Ok(self.machine().mounts.bind(&source, target, &MountAttributes::reading(read_only))?)
    }

    /// Takes the volume off a target path, and the path away.
    fn unpublish(&self, id: &VolumeId, dir: Option<&VolumeDir>, target: &Path) -> Result<()>;

    /// Whether what is mounted at a path, or staged there, is of this backend's making, by the kernel's word alone.
    fn recognises(&self, path: &Path) -> Result<bool>;

    /// The volume's mount at exactly this path, if it is there.
    ///
    /// # Errors
    /// [`Error::ForeignMount`] where something else is.
    fn at(&self, dir: &VolumeDir, record: &Record, path: &Path) -> Result<Option<MountAt>>;

    /// The volume's mount at a path that a caller names: a target, a staging path, or that of a block device.
    ///
    /// # Errors
    /// [`Error::NotMounted`], [`Error::ForeignMount`].
    fn mounted(&self, dir: &VolumeDir, id: &VolumeId, path: &Path) -> Result<(PathBuf, MountAt)>;

    /// Every path where the mount table shows the volume.
    fn places(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<PathBuf>>;

    /// Where the volume is mounted or bound, if that is at more places than these.
    ///
    /// Counted, not compared: a caller may reach its paths by links that the mount table does not show.
    fn mounted_elsewhere(&self, dir: &VolumeDir, record: &Record, known: &[&Path]) -> Result<Vec<PathBuf>> {
        let mut places = self.places(dir, record)?;
        let is_there = |path: &&&Path| matches!(self.at(dir, record, path), Ok(Some(_)));
        if places.len() <= known.iter().filter(is_there).count() {
            return Ok(Vec::new());
        }
        places.retain(|place| !known.contains(&place.as_path()));
        Ok(places)
    }

    /// Where the volume is though nobody wants it there: a kubelet's mounts, or a hand's.
    fn unwanted(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<PathBuf>> {
        let wanted: Vec<&Path> = record.mounts.iter().map(|mount| mount.path.as_path()).collect();
        self.mounted_elsewhere(dir, record, &wanted)
    }

    /// Where a volume is, and what it takes.
    fn presence(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Presence>;

    /// Whether anybody, in this mount namespace or another, has the volume in use, as far as the kernel tells.
    fn is_in_use(&self, dir: &VolumeDir) -> Result<bool>;

    /// The same, after those were waited for who only look at it for a moment, where that holds it.
    fn stays_in_use(&self, dir: &VolumeDir) -> Result<bool> {
        self.is_in_use(dir)
    }

    /// How full the volume is, measured at a path where it must be mounted.
    fn usage(&self, dir: &VolumeDir, record: &Record, path: &Path) -> Result<Usage>;

    /// The space that the volume takes in its pool; none where it is not there.
    fn taken(&self, dir: &VolumeDir, project: Option<ProjectId>) -> Result<Bytes, host::Error>;

    /// In what a volume is not what its record says. Nothing is written: who has not its lock may see what a call is just
    /// changing, or may have a record that is none any more.
    fn drift(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<Fault>>;

    /// The same, for whoever has its lock: what can be mended is, and told once more.
    fn mend_drift(&self, dir: &VolumeDir, record: &Record) -> Result<Vec<Fault>>;

    /// Everything else that is wrong with a volume. Nothing is written.
    fn faults(&self, dir: &VolumeDir, record: &Record, mounts: &[MountEntry]) -> Result<Vec<Fault>>;

    /// Gives the volume more room than its record says, reserved first. Where there is none nothing is changed.
    fn enlarge(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()>;

    /// Holds the volume to the size in its record: takes back what an interrupted growth left, or what a shrink has left to
    /// the last.
    fn trim(&self, dir: &VolumeDir, record: &Record) -> Result<()>;

    /// Lets what is in use follow the volume's size; else that is for the next stage.
    ///
    /// # Errors
    /// [`Error::GrowthNotPermitted`], [`Error::GrowthReadOnly`]: the filesystem grows at the next stage.
    fn follow(&self, dir: &VolumeDir, record: &Record, path: Option<&Path>) -> Result<Growth>;

    /// Brings a volume in order that was found when starting.
    fn mend(&self, dir: &VolumeDir, record: &Record) -> Result<()>;

    /// How many files of the volume are held to no size any more, as far as can be told; `None` once `go_on`, which is asked
    /// again and again, says no.
    fn files_left(&self, dir: &VolumeDir, record: &Record, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Strays>>;

    /// How many volumes were found not to be what their records say, and were mended.
    fn mended(&self) -> u64;

    /// Whether the volume has all the space that it was promised; what it lost is given again where there is room.
    fn reserve_again(&self, dir: &VolumeDir, size: Bytes) -> Result<bool, host::Error>;

    /// Whether nothing but a limit holds a volume to its size: it grows and shrinks at once, and where it is mounted.
    fn has_limits(&self) -> bool;

    /// How small the volume can become. Nothing is written.
    fn smallest(&self, dir: &VolumeDir, record: &Record) -> Result<Bytes>;

    /// Makes what is in the volume smaller. What a kill leaves, [`Backend::take_back_shrink`] takes back.
    fn shrink(&self, dir: &VolumeDir, record: &Record, size: Bytes) -> Result<()>;

    /// Takes a shrink back that did not end. Before this the volume is not mounted.
    fn take_back_shrink(&self, dir: &VolumeDir, record: &Record) -> Result<()>;
}
