//! A machine that passes every call on, and writes down how long it took.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ullage::host::{
    Attach, Backing, Detached, FileId, Files, FsTools, Ground, HeldLoop, Lock, LoopDevice, LoopDevices, Machine,
    MountAt, MountEntry, MountIdentity, Mounts, ProjectQuotas, QuotaState, Result, Stat, Strays,
};
use ullage::model::{
    Bytes, FsKind, MountAttributes, MountOptions, Owner, ProjectId, ProjectLimit, ProjectTag, ProjectUsage, Usage,
};

use crate::life::Step;

/// Where the times of calls are kept: by step, and by name.
#[derive(Default)]
pub(crate) struct Meter(Mutex<Written>);

/// A step, and a call to the machine in it.
pub(crate) type Call = (Step, &'static str);

#[derive(Default)]
struct Written {
    step: Option<Step>,
    counts: bool,
    times: BTreeMap<Call, Vec<Duration>>,
}

impl Meter {
    /// Whether what comes is written down.
    pub(crate) fn count(&self, counts: bool) {
        self.0.lock().expect("no holder panics").counts = counts;
    }

    /// What comes belongs to that step; `None`: is not counted.
    pub(crate) fn enter(&self, step: Option<Step>) {
        self.0.lock().expect("no holder panics").step = step;
    }

    /// Every call so far.
    pub(crate) fn times(&self) -> BTreeMap<Call, Vec<Duration>> {
        self.0.lock().expect("no holder panics").times.clone()
    }

    fn time<T>(&self, name: &'static str, call: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let answer = call();
        let took = begun.elapsed();
        let mut written = self.0.lock().expect("no holder panics");
        if let Some(step) = written.step.filter(|_| written.counts) {
            written.times.entry((step, name)).or_default().push(took);
        }
        answer
    }
}

/// The machine, with a meter at its doors.
pub(crate) fn metered(machine: Machine, meter: &Arc<Meter>) -> Machine {
    Machine {
        files: Arc::new(Metered { inner: machine.files, meter: meter.clone() }),
        loops: Arc::new(Metered { inner: machine.loops, meter: meter.clone() }),
        mounts: Arc::new(Metered { inner: machine.mounts, meter: meter.clone() }),
        tools: Arc::new(Metered { inner: machine.tools, meter: meter.clone() }),
        quotas: Arc::new(Metered { inner: machine.quotas, meter: meter.clone() }),
    }
}

struct Metered<T: ?Sized> {
    inner: Arc<T>,
    meter: Arc<Meter>,
}

macro_rules! passed_on {
    ($door:ident as $prefix:literal: $($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        impl $door for Metered<dyn $door> {
            $(fn $name(&self, $($argument: $type),*) -> Result<$answer> {
                self.meter.time(concat!($prefix, stringify!($name)), || self.inner.$name($($argument),*))
            })*
        }
    };
}

passed_on! { Files as "files.":
    create_dir(dir: &Path) -> ();
    create_mount_point(dir: &Path) -> ();
    create_file(file: &Path) -> ();
    set_owner(dir: &Path, owner: Owner) -> ();
    remove_empty(path: &Path) -> ();
    remove_tree(dir: &Path) -> ();
    rename(from: &Path, to: &Path) -> ();
    read(file: &Path) -> Option<Vec<u8>>;
    write_whole(file: &Path, content: &[u8]) -> ();
    write_shared(file: &Path, content: &[u8]) -> ();
    write_unsynced(file: &Path, content: &[u8]) -> ();
    list(dir: &Path) -> Vec<String>;
    stat(path: &Path) -> Option<Stat>;
    create_image(file: &Path, size: Bytes) -> ();
    create_synced(file: &Path) -> ();
    set_len(file: &Path, size: Bytes) -> ();
    allocate(file: &Path, size: Bytes) -> ();
    fill(file: &Path, from: Bytes, to: Bytes) -> ();
    sync(file: &Path) -> ();
    space(dir: &Path) -> Usage;
    lock(dir: &Path) -> Option<Lock>;
    largest_file(dir: &Path) -> Bytes;
}

passed_on! { LoopDevices as "loops.":
    attach(image: &Path, options: &Attach) -> HeldLoop;
    hold(device: LoopDevice) -> HeldLoop;
    keep(device: &HeldLoop) -> ();
    is_attached(image: &Path) -> bool;
    backing(device: LoopDevice) -> Option<Backing>;
    list() -> Vec<(LoopDevice, Backing)>;
    size(device: LoopDevice) -> Bytes;
    set_capacity(device: LoopDevice) -> ();
    detach(device: LoopDevice, image: FileId) -> bool;
}

passed_on! { FsTools as "tools.":
    format(image: &Path, fs: FsKind) -> ();
    grow_offline(device: &HeldLoop, fs: FsKind) -> ();
    smallest(device: &HeldLoop) -> Bytes;
    shrink(device: &HeldLoop, size: Bytes, undo: &Path) -> ();
    undo_shrink(device: &HeldLoop, undo: &Path) -> ();
}

passed_on! { ProjectQuotas as "quotas.":
    state(dir: &Path) -> QuotaState;
    usage(dir: &Path, project: ProjectId) -> Option<ProjectUsage>;
    usage_and_space(dir: &Path, project: ProjectId) -> (Option<ProjectUsage>, Usage);
    set_limit(dir: &Path, project: ProjectId, limit: ProjectLimit) -> ();
    projects(dir: &Path) -> Vec<(ProjectId, ProjectUsage)>;
    project_of(path: &Path) -> Option<ProjectTag>;
    strays(dir: &Path, project: ProjectId, go_on: &mut dyn FnMut() -> bool) -> Option<Strays>;
    set_project(dir: &Path, project: ProjectId) -> ();
    usage_of_all(dir: &Path) -> Option<Usage>;
    try_filling(dir: &Path, at_most: Bytes) -> Bytes;
}

impl Mounts for Metered<dyn Mounts> {
    fn open(&self, device: &HeldLoop, fs: FsKind, options: &MountOptions) -> Result<Box<dyn Detached>> {
        let inner = self.meter.time("mounts.open", || self.inner.open(device, fs, options))?;
        Ok(Box::new(MeteredMount { inner, meter: self.meter.clone() }))
    }

    fn bind(&self, from: &Path, to: &Path, attributes: &MountAttributes) -> Result<()> {
        self.meter.time("mounts.bind", || self.inner.bind(from, to, attributes))
    }

    fn unmount(&self, target: &Path) -> Result<()> {
        self.meter.time("mounts.unmount", || self.inner.unmount(target))
    }

    fn at(&self, path: &Path) -> Result<Option<MountAt>> {
        self.meter.time("mounts.at", || self.inner.at(path))
    }

    fn is_read_only(&self, path: &Path) -> Result<bool> {
        self.meter.time("mounts.is_read_only", || self.inner.is_read_only(path))
    }

    fn identity(&self, path: &Path) -> Result<Option<MountIdentity>> {
        self.meter.time("mounts.identity", || self.inner.identity(path))
    }

    fn ground(&self, path: &Path) -> Result<Option<Ground>> {
        self.meter.time("mounts.ground", || self.inner.ground(path))
    }

    fn device_size(&self, mount: MountIdentity) -> Result<Option<Bytes>> {
        self.meter.time("mounts.device_size", || self.inner.device_size(mount))
    }

    fn list(&self) -> Result<Vec<MountEntry>> {
        self.meter.time("mounts.list", || self.inner.list())
    }

    fn usage(&self, path: &Path) -> Result<Usage> {
        self.meter.time("mounts.usage", || self.inner.usage(path))
    }

    fn grow(&self, path: &Path, fs: FsKind) -> Result<()> {
        self.meter.time("mounts.grow", || self.inner.grow(path, fs))
    }

    fn thaw(&self, path: &Path) -> Result<()> {
        self.meter.time("mounts.thaw", || self.inner.thaw(path))
    }

    fn error_count(&self, device: LoopDevice, fs: FsKind) -> Result<u64> {
        self.meter.time("mounts.error_count", || self.inner.error_count(device, fs))
    }

    fn has_given_up(&self, path: &Path, fs: FsKind) -> Result<bool> {
        self.meter.time("mounts.has_given_up", || self.inner.has_given_up(path, fs))
    }
}

struct MeteredMount {
    inner: Box<dyn Detached>,
    meter: Arc<Meter>,
}

impl Detached for MeteredMount {
    fn set_owner(&self, owner: Owner) -> Result<()> {
        self.meter.time("mount.set_owner", || self.inner.set_owner(owner))
    }

    fn grow(&self) -> Result<()> {
        self.meter.time("mount.grow", || self.inner.grow())
    }

    fn set_read_only(&self) -> Result<()> {
        self.meter.time("mount.set_read_only", || self.inner.set_read_only())
    }

    fn attach(self: Box<Self>, target: &Path) -> Result<()> {
        let Self { inner, meter } = *self;
        meter.time("mount.attach", || inner.attach(target))
    }
}
