use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use tempfile::TempDir;
use ullage::host::{Attach, Backing, Error, FileId, LoopDevice, Machine, Result, linux};
use ullage::model::{Bytes, FsKind, MountOptions, VolumeId};

use crate::common::host_expectations::Bed;

/// A pool of its own on a filesystem of its own. Dropped, also by a failed test, every mount and device in it is gone.
pub(crate) struct Scratch {
    machine: Machine,
    root: TempDir,
}

const ROOM: Bytes = Bytes::gib(3);

impl Scratch {
    pub(crate) fn new(fs: FsKind) -> Self {
        Self::with_room(fs, ROOM)
    }

    /// A larger one: its own image is sparse.
    pub(crate) fn with_room(fs: FsKind, room: Bytes) -> Self {
        Self::made(room, fs, &[], |machine, image| machine.tools.format(image, fs).unwrap())
    }

    /// One of that room, whose filesystem `format` makes, and which is mounted with those options.
    pub(crate) fn made(room: Bytes, fs: FsKind, options: &[&str], format: impl Fn(&Machine, &Path)) -> Self {
        assert!(
            nix::unistd::geteuid().is_root(),
            "these tests attach loop devices and mount: run them as root, with CAP_SYS_ADMIN (sudo -E cargo test --test privileged)"
        );
        let machine = linux::machine();
        let root = tempfile::Builder::new().prefix("ullage-test-").tempdir().unwrap();
        let scratch = Self { machine, root };
        scratch.make_pool(room, format);
        scratch.mount_pool(fs, options);
        fs::create_dir(scratch.dir()).unwrap();
        scratch
    }

    /// An XFS of that room, mounted so.
    pub(crate) fn xfs(room: Bytes, option: &str) -> Self {
        Self::made(room, FsKind::Xfs, &[option], |machine, image| machine.tools.format(image, FsKind::Xfs).unwrap())
    }

    /// An ext4 with those features, mounted so.
    pub(crate) fn ext4(features: &str, option: &str) -> Self {
        Self::made(Bytes::gib(1), FsKind::Ext4, &[option], |_, image| {
            run(Command::new("mkfs.ext4").args(["-q", "-m", "0", "-O", features]).arg(image));
        })
    }

    fn make_pool(&self, room: Bytes, format: impl Fn(&Machine, &Path)) {
        fs::create_dir(self.pool()).unwrap();
        fs::create_dir(self.root.path().join("mounts")).unwrap();
        self.machine.files.create_image(&self.pool_image(), room).unwrap();
        format(&self.machine, &self.pool_image());
    }

    fn mount_pool(&self, fs: FsKind, options: &[&str]) {
        let attach = Attach { tag: Backing::tag_of(&VolumeId::from_name("scratch-pool")), direct_io: true };
        let device = self.machine.loops.attach(&self.pool_image(), &attach).unwrap();
        let pool = self.machine.mounts.open(&device, fs, &MountOptions::from_flags(options)).unwrap();
        pool.attach(&self.pool()).unwrap();
    }

    /// Takes the pool's mount away, and makes another.
    pub(crate) fn remount_pool(&self, fs: FsKind, options: &[&str]) {
        self.remount_changed(fs, options, |_| {});
    }

    /// The same, with the image changed in between.
    pub(crate) fn remount_changed(&self, fs: FsKind, options: &[&str], change: impl Fn(&Path)) {
        patiently(&self.pool(), || self.machine.mounts.unmount(&self.pool()));
        let image = self.pool_image();
        patiently(&image, || match self.machine.loops.is_attached(&image) {
            Ok(true) => Err(Error::call("LOOP_CLR_FD", &image, Errno::EBUSY)),
            other => other,
        });
        change(&image);
        self.mount_pool(fs, options);
    }

    fn pool_image(&self) -> PathBuf {
        self.root.path().join("pool.img")
    }

    /// The mounts below it and the devices on its images that should not be there any more.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let mounts = self.mounts().into_iter().map(|path| format!("a mount at {}", path.display()));
        let loops = self.loops().into_iter().map(|device| format!("an image on {}", device.0));
        mounts.chain(loops).collect()
    }

    pub(crate) fn pool(&self) -> PathBuf {
        self.root.path().join("pool")
    }

    /// What is mounted below it, but for the pool.
    pub(crate) fn mounts(&self) -> Vec<PathBuf> {
        let entries = self.machine.mounts.list().unwrap().into_iter().map(|entry| entry.target);
        entries.filter(|target| target.starts_with(self.root.path()) && *target != self.pool()).collect()
    }

    /// The devices on images in the pool.
    pub(crate) fn loops(&self) -> Vec<(LoopDevice, FileId)> {
        let pool = fs::metadata(self.pool()).unwrap().dev();
        let devices = self.machine.loops.list().unwrap().into_iter();
        devices
            .filter(|(_, backing)| backing.image.device == pool)
            .map(|(device, backing)| (device, backing.image))
            .collect()
    }
}

impl Bed for Scratch {
    fn machine(&self) -> Machine {
        self.machine.clone()
    }

    fn dir(&self) -> PathBuf {
        self.pool().join("volumes")
    }

    fn mount_point(&self, name: &str) -> PathBuf {
        self.root.path().join("mounts").join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        for target in self.mounts().into_iter().rev() {
            patiently(&target, || self.machine.mounts.unmount(&target));
        }
        for (device, image) in self.loops() {
            patiently(&device.path(), || self.machine.loops.detach(device, image));
        }
        patiently(&self.pool(), || self.machine.mounts.unmount(&self.pool()));
    }
}

/// Lets a program do its work; what it says is shown where it fails.
#[track_caller]
pub(crate) fn run(program: &mut Command) {
    let done = program.output().unwrap();
    assert!(done.status.success(), "{program:?}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Whether the device of the filesystem at `target` has nothing left to do.
pub(crate) fn is_quiet(target: &Path) -> bool {
    let dev = fs::metadata(target).unwrap().dev();
    let (major, minor) = (nix::sys::stat::major(dev), nix::sys::stat::minor(dev));
    let under_way = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/inflight")).unwrap();
    under_way.split_whitespace().all(|count| count == "0")
}

/// A program that another test starts has a copy of every descriptor until it executes: `EBUSY` may pass.
fn patiently<T>(object: &Path, mut attempt: impl FnMut() -> Result<T>) {
    let end = Instant::now() + Duration::from_secs(5);
    while let Err(error) = attempt() {
        if Instant::now() > end {
            assert!(std::thread::panicking(), "left behind: {}: {error}", object.display());
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
