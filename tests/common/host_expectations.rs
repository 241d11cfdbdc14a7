//! What a machine does, be it Linux or the one in memory: one list that keeps the second honest.
//!
//! An expectation speaks only by the five traits. It may leave files in its directory, but no mount and no device.

mod files;
mod growth;
mod loops;
mod mounts;
mod quotas;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use ullage::host::{Attach, Backing, FileId, HeldLoop, Machine, Result};
use ullage::model::{Bytes, FsKind, MountOptions, VolumeId};

/// A machine, and the places in it that an expectation may use.
pub(crate) trait Bed {
    /// The machine.
    fn machine(&self) -> Machine;

    /// An empty directory in a pool with some GiB of room, for this expectation alone.
    fn dir(&self) -> PathBuf;

    /// A path where nothing is, in a directory that is there: for a mount.
    fn mount_point(&self, name: &str) -> PathBuf;
}

/// What it says, and whether it is so: it panics where not.
pub(crate) type Expectation = (&'static str, fn(&dyn Bed));

/// What holds for a pool whose filesystem bounds projects: an XFS.
pub(crate) fn of_projects() -> impl Iterator<Item = Expectation> {
    quotas::EXPECTATIONS.iter().copied()
}

/// What holds for any pool.
pub(crate) fn all() -> impl Iterator<Item = Expectation> {
    [files::EXPECTATIONS, loops::EXPECTATIONS, mounts::EXPECTATIONS, growth::EXPECTATIONS]
        .into_iter()
        .flatten()
        .copied()
}

/// The smallest image that both filesystems accept is XFS's.
fn smallest(fs: FsKind) -> Bytes {
    match fs {
        FsKind::Xfs => Bytes::mib(300),
        FsKind::Ext4 => Bytes::mib(64),
    }
}

fn plain_image(bed: &dyn Bed, name: &str, size: Bytes) -> PathBuf {
    let image = bed.dir().join(name);
    bed.machine().files.create_image(&image, size).unwrap();
    image
}

fn formatted_image(bed: &dyn Bed, fs: FsKind) -> PathBuf {
    formatted_image_of(bed, fs, smallest(fs))
}

fn formatted_image_of(bed: &dyn Bed, fs: FsKind, size: Bytes) -> PathBuf {
    let image = plain_image(bed, fs.as_str(), size);
    bed.machine().tools.format(&image, fs).unwrap();
    image
}

fn options() -> Attach {
    Attach { tag: Backing::tag_of(&VolumeId::from_name("expected")), direct_io: true }
}

fn attached(bed: &dyn Bed, image: &Path) -> HeldLoop {
    bed.machine().loops.attach(image, &options()).unwrap()
}

/// Mounts an image, as stage does: afterwards only the mount holds the device.
fn mounted(bed: &dyn Bed, image: &Path, fs: FsKind, name: &str) -> PathBuf {
    let target = bed.mount_point(name);
    bed.machine().files.create_dir(&target).unwrap();
    let device = attached(bed, image);
    let detached = bed.machine().mounts.open(&device, fs, &MountOptions::default()).unwrap();
    detached.attach(&target).unwrap();
    target
}

fn unmounted(bed: &dyn Bed, target: &Path) {
    bed.machine().mounts.unmount(target).unwrap();
    bed.machine().files.remove_empty(target).unwrap();
}

fn id_of(bed: &dyn Bed, image: &Path) -> FileId {
    bed.machine().files.stat(image).unwrap().unwrap().id
}

#[track_caller]
fn refused_with<T>(result: Result<T>, expected: &[Errno]) {
    let error = result.err().expect("it should be refused");
    assert!(error.errno().is_some_and(|errno| expected.contains(&errno)), "{error}, where one of {expected:?} is due");
}

/// On a real machine a prober (udev) may hold a device a moment longer than we do, and freed space comes back late.
#[track_caller]
pub(crate) fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(5);
    while !is_so() {
        assert!(Instant::now() < end, "not even after five seconds: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[track_caller]
pub(crate) fn soon_free(bed: &dyn Bed, image: &Path) {
    soon("no device has the image", || !bed.machine().loops.is_attached(image).unwrap());
    let id = id_of(bed, image);
    assert!(bed.machine().loops.list().unwrap().iter().all(|(_, backing)| backing.image != id));
}
