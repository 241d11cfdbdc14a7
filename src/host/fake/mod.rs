//! A machine in memory, for tests: one disk, loop devices and mounts, with what a crash leaves of each.
//!
//! Every call takes one or more *steps*. At a step the machine can be told to [`Cut`]: to fail that call, or to end
//! the process there, alone, with a reboot, or with a loss of power. After that every call fails without an effect,
//! until [`Fake::restart`] gives a machine as the next process would find it.

mod disk;
mod files;
mod loops;
mod mounts;
mod projects;
mod quotas;
mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use nix::errno::Errno;

use super::{Error, Machine, QuotaState, Result};
use crate::model::{Bytes, FsKind, Owner};
use disk::{Disk, Ino};
use loops::Loops;
use mounts::FakeMount;
use projects::Limits;
pub use quotas::Lie;

/// The machine. Clones are the same one.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<World>>);

/// Something that happens at a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// At which step from now on, the first being 1.
    pub at: usize,
    /// What happens.
    pub how: How,
}

/// Ways for a step to end badly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// The call fails with that error.
    Fail(Errno),
    /// The process is killed: its descriptors are closed; mounts and kept devices stay.
    Kill,
    /// The machine goes down in order: mounts and devices are gone, the disk has everything.
    Reboot,
    /// Power is lost: the disk has only what was synced.
    PowerCut,
}

/// What a volume's filesystem looks like from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FakeFs {
    /// Its kind.
    pub kind: FsKind,
    /// Its size.
    pub size: Bytes,
    /// Owner and mode of its root.
    pub owner: Option<Owner>,
    /// What an application wrote there.
    pub data: u64,
    /// The errors it has counted, as an ext4 does.
    pub errors: u64,
}

/// What somebody else does.
type Meanwhile = Box<dyn FnOnce() + Send>;

struct World {
    now: Disk,
    /// What a power cut leaves.
    durable: Disk,
    loops: Loops,
    mounts: Vec<FakeMount>,
    /// How many there have ever been.
    mounted: u64,
    /// How the disk's own filesystem treats projects; `None`: the kernel has no quotas.
    quotas: Option<QuotaState>,
    lie: Option<Lie>,
    limits: Limits,
    /// What a power cut leaves of them.
    durable_limits: Limits,
    /// Directories that are taken, as long as the holder lives.
    locks: BTreeMap<Ino, Weak<()>>,
    capacity: Bytes,
    refuse_online_ext4: bool,
    knows_fallocate: bool,
    fallocate_takes: Duration,
    /// Whether somebody opens every new device.
    devices_are_looked_at: bool,
    /// Mounts on which somebody has a file open.
    busy: BTreeSet<PathBuf>,
    steps: usize,
    cut: Option<Cut>,
    fail_next: Option<(&'static str, Errno)>,
    after_next: Option<(&'static str, Meanwhile)>,
    /// What is done before the machine is asked for so many times more.
    meanwhile: Option<(usize, Meanwhile)>,
    ended: Option<How>,
    /// Which process this is: what an earlier one held is closed.
    process: u64,
}

impl Fake {
    /// A machine with an empty disk of that size.
    pub fn new(capacity: Bytes) -> Self {
        Self(Arc::new(Mutex::new(World {
            now: Disk::new(),
            durable: Disk::new(),
            loops: Loops::default(),
            mounts: Vec::new(),
            mounted: 0,
            quotas: Some(QuotaState { fs: "xfs", accounting: true, enforcement: true, limits_everybody: false }),
            lie: None,
            limits: Limits::new(),
            durable_limits: Limits::new(),
            locks: BTreeMap::new(),
            capacity,
            refuse_online_ext4: false,
            knows_fallocate: true,
            fallocate_takes: Duration::ZERO,
            devices_are_looked_at: false,
            busy: BTreeSet::new(),
            steps: 0,
            cut: None,
            fail_next: None,
            after_next: None,
            meanwhile: None,
            ended: None,
            process: 0,
        })))
    }

    /// Its doors.
    pub fn machine(&self) -> Machine {
        let this = Arc::new(self.clone());
        Machine { files: this.clone(), loops: this.clone(), mounts: this.clone(), tools: this.clone(), quotas: this }
    }

    /// Lets something happen at a step, counted from now.
    pub fn cut(&self, cut: Option<Cut>) {
        let mut world = self.world();
        world.steps = 0;
        world.cut = cut;
    }

    /// Lets the next call of that name fail.
    pub fn fail_next(&self, call: &'static str, errno: Errno) {
        self.world().fail_next = Some((call, errno));
    }

    /// Lets somebody else do something right after the next `rename` or `read`, before its caller goes on.
    pub fn after_next(&self, call: &'static str, then: impl FnOnce() + Send + 'static) {
        self.world().after_next = Some((call, Box::new(then)));
    }

    /// Lets somebody else do that just before the machine is asked for the `at`th time from now. He may ask it, too.
    pub fn meanwhile(&self, at: usize, act: impl FnOnce() + Send + 'static) {
        self.lock().meanwhile = Some((at, Box::new(act)));
    }

    /// The machine answers nobody while that is done.
    pub fn stalled<T>(&self, meanwhile: impl FnOnce() -> T) -> T {
        let _world = self.world();
        meanwhile()
    }

    /// How many steps were taken since the last [`Fake::cut`].
    pub fn steps(&self) -> usize {
        self.world().steps
    }

    /// Ends the process that way, unless it has ended already, and starts the next.
    pub fn restart(&self, how: How) {
        let mut world = self.world();
        let how = world.ended.take().unwrap_or(how);
        world.cut = None;
        world.process += 1;
        world.locks.clear();
        if matches!(how, How::Reboot | How::PowerCut) {
            world.mounts.clear();
            world.loops = Loops::default();
        }
        if how == How::Reboot {
            world.durable = world.now.clone();
            world.durable_limits = world.limits.clone();
        }
        if how == How::PowerCut {
            world.now = world.durable.after_power_cut();
            world.limits = world.durable_limits.clone();
            world.durable = world.now.clone();
        }
        world.loops.close_all();
        world.clear_unused_loops();
    }

    /// Lets growing a mounted ext4 fail with `EPERM`, as without `CAP_SYS_RESOURCE`.
    pub fn refuse_online_ext4(&self, refuse: bool) {
        self.world().refuse_online_ext4 = refuse;
    }

    /// Lets the disk's filesystem neither reserve blocks nor punch holes, as NFS and FAT.
    pub fn forget_fallocate(&self) {
        self.world().knows_fallocate = false;
    }

    /// Lets reserving blocks take so long, while which other calls are answered.
    pub fn slow_fallocate(&self, takes: Duration) {
        self.world().fallocate_takes = takes;
    }

    /// Lets somebody open every new device as soon as it is there, as udev does, and close them all when it ends.
    pub fn look_at_devices(&self, looks: bool) {
        let mut world = self.world();
        world.devices_are_looked_at = looks;
        if !looks {
            world.loops.look_away();
            world.clear_unused_loops();
        }
    }

    /// Lets somebody open a file at a mount, or close it.
    pub fn set_busy(&self, target: &Path, busy: bool) {
        let mut world = self.world();
        match busy {
            true => world.busy.insert(target.to_owned()),
            false => world.busy.remove(target),
        };
    }

    /// What others take of the disk: the rest is `capacity`.
    pub fn set_capacity_of_disk(&self, capacity: Bytes) {
        self.world().capacity = capacity;
    }

    /// The filesystem in an image.
    pub fn filesystem(&self, image: &Path) -> Option<FakeFs> {
        let world = self.world();
        world.file(image).ok()?.fs
    }

    /// Writes into the filesystem mounted at a path, and syncs.
    pub fn write_data(&self, path: &Path, data: u64) -> bool {
        let mut world = self.world();
        let Some(ino) = world.image_at(path) else { return false };
        let Some(fs) = world.now.inode_mut(ino).fs.as_mut() else { return false };
        fs.data = data;
        world.sync_inode(ino);
        true
    }

    /// Whether any filesystem is frozen.
    pub fn is_anything_frozen(&self) -> bool {
        self.world().mounts.iter().any(|mount| mount.is_frozen)
    }

    /// Lets the filesystem mounted at a path meet an error, after which it takes no writes.
    pub fn break_filesystem(&self, path: &Path) {
        let mut world = self.world();
        let Some(device) = world.mount_at(path).and_then(|mount| mount.device) else { return };
        if let Some(fs) = world.fs_mut(device).filter(|fs| fs.kind == FsKind::Ext4) {
            fs.errors += 1;
        }
        world.mounts.iter_mut().filter(|mount| mount.holds(device)).for_each(|mount| mount.has_given_up = true);
    }

    /// Reads what was written into the filesystem mounted at a path.
    pub fn read_data(&self, path: &Path) -> Option<u64> {
        let world = self.world();
        let ino = world.image_at(path)?;
        world.now.inode(ino).fs.map(|fs| fs.data)
    }

    /// Every path on the disk, sorted: directories with a `/` at the end.
    pub fn paths(&self) -> Vec<String> {
        self.world().now.paths()
    }

    /// Where anything is mounted.
    pub fn mount_targets(&self) -> Vec<PathBuf> {
        self.world().mounts.iter().map(|mount| mount.target.clone()).collect()
    }

    /// How many devices are attached.
    pub fn attached(&self) -> usize {
        self.world().loops.attached()
    }

    fn after(&self, call: &'static str) {
        let then = self.world().after_next.take_if(|(name, _)| *name == call);
        if let Some((_, then)) = then {
            then();
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        let due = self.lock().due();
        if let Some(act) = due {
            act();
        }
        self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("no holder panics")
    }
}

impl World {
    /// What is to be done before this question is answered.
    fn due(&mut self) -> Option<Meanwhile> {
        let (left, _) = self.meanwhile.as_mut()?;
        *left = left.saturating_sub(1);
        self.meanwhile.take_if(|(left, _)| *left == 0).map(|(_, act)| act)
    }

    /// One step: the place where the machine may be cut.
    fn step(&mut self, call: &'static str, object: &Path) -> Result<()> {
        let refused = |errno| Err(Error::call(call, object, errno));
        if self.ended.is_some() {
            return refused(Errno::ESHUTDOWN);
        }
        self.steps += 1;
        if let Some((_, errno)) = self.fail_next.take_if(|(name, _)| *name == call) {
            return refused(errno);
        }
        match self.cut {
            Some(Cut { at, how: How::Fail(errno) }) if at == self.steps => refused(errno),
            Some(Cut { at, how }) if at == self.steps => {
                self.ended = Some(how);
                refused(Errno::ESHUTDOWN)
            }
            _ => Ok(()),
        }
    }

    fn sync_inode(&mut self, ino: Ino) {
        let inode = self.now.inode(ino).clone();
        self.durable.put(ino, inode);
        self.durable_limits = self.limits.clone(); // the journal is written in order
    }

    /// Whether a handle of that process still holds anything.
    fn is_running(&self, process: u64) -> bool {
        self.process == process && self.ended.is_none()
    }

    /// What autoclear does: a device that nothing holds goes.
    fn clear_unused_loops(&mut self) {
        let mounts = &self.mounts;
        self.loops.clear_unused(|device| mounts.iter().any(|mount| mount.holds(device)));
    }

    fn image_at(&self, path: &Path) -> Option<Ino> {
        let mount = self.mount_at(path)?;
        self.loops.get(mount.device?).map(|device| device.image)
    }
}
