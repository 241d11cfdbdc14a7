//! The real machine, on which this process is killed before a step of its own choice.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use ullage::host::{
    Attach, Backing, Detached, Error, FileId, Files, FsTools, Ground, HeldLoop, Lock, LoopDevice, LoopDevices, Machine,
    MountAt, MountEntry, MountIdentity, Mounts, ProjectQuotas, QuotaState, Result, Stat, Strays, linux,
};
use ullage::model::{
    Bytes, FsKind, MountAttributes, MountOptions, Owner, ProjectId, ProjectLimit, ProjectTag, ProjectUsage, Usage,
};

/// Counts down to the end.
#[derive(Clone, Default)]
pub(super) struct Fuse(Arc<AtomicUsize>);

impl Fuse {
    /// From here on: no return from the `at`-th step.
    pub(super) fn light(&self, at: usize) {
        self.0.store(at, Ordering::SeqCst);
    }

    /// A step: whatever changes something. Between two of them one instruction is as good as another.
    pub(super) fn step(&self) {
        let left = self.0.load(Ordering::SeqCst);
        if left == 1 {
            kill(Pid::this(), Signal::SIGKILL).unwrap();
            loop {
                std::thread::park();
            }
        }
        self.0.store(left.saturating_sub(1), Ordering::SeqCst);
    }
}

struct Deadly<T: ?Sized> {
    real: Arc<T>,
    fuse: Fuse,
}

pub(super) fn deadly(fuse: &Fuse, makes: bool) -> Machine {
    let real = linux::machine();
    Machine {
        files: Arc::new(Deadly { real: real.files, fuse: fuse.clone() }),
        loops: Arc::new(Deadly { real: real.loops, fuse: fuse.clone() }),
        mounts: Arc::new(Deadly { real: real.mounts, fuse: fuse.clone() }),
        quotas: Arc::new(Deadly { real: real.quotas, fuse: fuse.clone() }),
        tools: Arc::new(DeadlyTools { real: Deadly { real: real.tools, fuse: fuse.clone() }, makes }),
    }
}

/// Passes calls on: those that change something are steps, those that look are not.
macro_rules! deadly {
    ($door:ident steps { $($step:ident($($given:ident: $type:ty),*) -> $answer:ty;)* }
     looks { $($look:ident($($asked:ident: $kind:ty),*) -> $said:ty;)* }) => {
        impl $door for Deadly<dyn $door> {
            $(fn $step(&self, $($given: $type),*) -> Result<$answer> {
                self.fuse.step();
                self.real.$step($($given),*)
            })*
            $(fn $look(&self, $($asked: $kind),*) -> Result<$said> {
                self.real.$look($($asked),*)
            })*
        }
    };
}

deadly! { Files
    steps {
        create_dir(dir: &Path) -> ();
        create_mount_point(dir: &Path) -> ();
        create_file(file: &Path) -> ();
        set_owner(dir: &Path, owner: Owner) -> ();
        remove_empty(path: &Path) -> ();
        remove_tree(dir: &Path) -> ();
        rename(from: &Path, to: &Path) -> ();
        write_whole(file: &Path, content: &[u8]) -> ();
        write_shared(file: &Path, content: &[u8]) -> ();
        write_unsynced(file: &Path, content: &[u8]) -> ();
        create_image(file: &Path, size: Bytes) -> ();
        create_synced(file: &Path) -> ();
        set_len(file: &Path, size: Bytes) -> ();
        allocate(file: &Path, size: Bytes) -> ();
        fill(file: &Path, from: Bytes, to: Bytes) -> ();
        sync(file: &Path) -> ();
    }
    looks {
        read(file: &Path) -> Option<Vec<u8>>;
        list(dir: &Path) -> Vec<String>;
        stat(path: &Path) -> Option<Stat>;
        space(dir: &Path) -> Usage;
        largest_file(dir: &Path) -> Bytes;
        lock(dir: &Path) -> Option<Lock>;
    }
}

deadly! { LoopDevices
    steps {
        attach(image: &Path, options: &Attach) -> HeldLoop;
        keep(device: &HeldLoop) -> ();
        set_capacity(device: LoopDevice) -> ();
        detach(device: LoopDevice, image: FileId) -> bool;
    }
    looks {
        hold(device: LoopDevice) -> HeldLoop;
        is_attached(image: &Path) -> bool;
        backing(device: LoopDevice) -> Option<Backing>;
        list() -> Vec<(LoopDevice, Backing)>;
        size(device: LoopDevice) -> Bytes;
    }
}

deadly! { ProjectQuotas
    steps {
        set_limit(dir: &Path, project: ProjectId, limit: ProjectLimit) -> ();
        set_project(dir: &Path, project: ProjectId) -> ();
        try_filling(dir: &Path, at_most: Bytes) -> Bytes;
    }
    looks {
        state(dir: &Path) -> QuotaState;
        usage(dir: &Path, project: ProjectId) -> Option<ProjectUsage>;
        usage_and_space(dir: &Path, project: ProjectId) -> (Option<ProjectUsage>, Usage);
        projects(dir: &Path) -> Vec<(ProjectId, ProjectUsage)>;
        project_of(path: &Path) -> Option<ProjectTag>;
        usage_of_all(dir: &Path) -> Option<Usage>;
        strays(dir: &Path, project: ProjectId, go_on: &mut dyn FnMut() -> bool) -> Option<Strays>;
    }
}

struct DeadlyTools {
    real: Deadly<dyn FsTools>,
    /// Only a driver that shall make a filesystem needs to know that it can: proving it takes long.
    makes: bool,
}

impl FsTools for DeadlyTools {
    fn format(&self, image: &Path, fs: FsKind) -> Result<()> {
        if !self.makes {
            return Err(Error::call("execve", image, Errno::ENOSYS));
        }
        self.real.fuse.step();
        self.real.real.format(image, fs)
    }

    fn grow_offline(&self, device: &HeldLoop, fs: FsKind) -> Result<()> {
        self.real.fuse.step();
        self.real.real.grow_offline(device, fs)
    }

    fn smallest(&self, device: &HeldLoop) -> Result<Bytes> {
        self.real.real.smallest(device)
    }

    fn shrink(&self, device: &HeldLoop, size: Bytes, undo: &Path) -> Result<()> {
        self.real.fuse.step();
        self.real.real.shrink(device, size, undo)
    }

    fn undo_shrink(&self, device: &HeldLoop, undo: &Path) -> Result<()> {
        self.real.fuse.step();
        self.real.real.undo_shrink(device, undo)
    }
}

impl Mounts for Deadly<dyn Mounts> {
    fn open(&self, device: &HeldLoop, fs: FsKind, options: &MountOptions) -> Result<Box<dyn Detached>> {
        self.fuse.step();
        let real = self.real.open(device, fs, options)?;
        Ok(Box::new(DeadlyDetached { real, fuse: self.fuse.clone() }))
    }

    fn bind(&self, from: &Path, to: &Path, attributes: &MountAttributes) -> Result<()> {
        self.fuse.step();
        self.real.bind(from, to, attributes)
    }

    fn unmount(&self, target: &Path) -> Result<()> {
        self.fuse.step();
        self.real.unmount(target)
    }

    fn grow(&self, path: &Path, fs: FsKind) -> Result<()> {
        self.fuse.step();
        self.real.grow(path, fs)
    }

    fn at(&self, path: &Path) -> Result<Option<MountAt>> {
        self.real.at(path)
    }

    fn is_read_only(&self, path: &Path) -> Result<bool> {
        self.real.is_read_only(path)
    }

    fn identity(&self, path: &Path) -> Result<Option<MountIdentity>> {
        self.real.identity(path)
    }

    fn ground(&self, path: &Path) -> Result<Option<Ground>> {
        self.real.ground(path)
    }

    fn device_size(&self, mount: MountIdentity) -> Result<Option<Bytes>> {
        self.real.device_size(mount)
    }

    fn list(&self) -> Result<Vec<MountEntry>> {
        self.real.list()
    }

    fn usage(&self, path: &Path) -> Result<Usage> {
        self.real.usage(path)
    }

    fn thaw(&self, path: &Path) -> Result<()> {
        self.real.thaw(path)
    }

    fn error_count(&self, device: LoopDevice, fs: FsKind) -> Result<u64> {
        self.real.error_count(device, fs)
    }

    fn has_given_up(&self, path: &Path, fs: FsKind) -> Result<bool> {
        self.real.has_given_up(path, fs)
    }
}

struct DeadlyDetached {
    real: Box<dyn Detached>,
    fuse: Fuse,
}

impl Detached for DeadlyDetached {
    fn set_owner(&self, owner: Owner) -> Result<()> {
        self.fuse.step();
        self.real.set_owner(owner)
    }

    fn grow(&self) -> Result<()> {
        self.fuse.step();
        self.real.grow()
    }

    fn set_read_only(&self) -> Result<()> {
        self.fuse.step();
        self.real.set_read_only()
    }

    fn attach(self: Box<Self>, target: &Path) -> Result<()> {
        self.fuse.step();
        self.real.attach(target)
    }
}
