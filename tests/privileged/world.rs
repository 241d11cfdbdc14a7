//! An engine over the real machine with one scratch pool, and short words for what is asked of it.

mod volume;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::ops::Deref;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ullage::config::{Overcommit, PoolConfig, Reserve};
use ullage::engine::{Engine, Error, Kind, PublishRequest, Result, SizeRange, StageRequest};
use ullage::host::{Machine, linux};
use ullage::model::{Backend, Bytes, FsKind, MountOptions, PodRef, PoolName, Usage};
use ullage::store::Record;

use crate::common::host_expectations::{Bed, soon};
use crate::scratch::Scratch;
pub(crate) use volume::{BLOCK, EXT4, Volume, XFS};

pub(crate) struct World {
    pub(crate) node: Node,
    pub(crate) scratch: Scratch,
}

/// An engine, its pool, and the places where volumes are mounted: also those of another process.
pub(crate) struct Node {
    pub(crate) engine: Engine,
    pub(crate) config: PoolConfig,
    pub(crate) pool: PathBuf,
    pub(crate) mounts: PathBuf,
}

impl World {
    pub(crate) fn new(fs: FsKind) -> Self {
        Self::over(Scratch::new(fs))
    }

    pub(crate) fn over(scratch: Scratch) -> Self {
        let config = pool(scratch.dir());
        Self::with(scratch, config)
    }

    /// With a pool in `scratch` that is configured so.
    pub(crate) fn with(scratch: Scratch, config: PoolConfig) -> Self {
        let node = Node::serving(linux::machine(), config, scratch.mount_point(""));
        for above in ["staging", "pods"] {
            fs::create_dir(node.mounts.join(above)).unwrap();
        }
        Self { node, scratch }
    }

    /// The engine goes; the machine stays as it is.
    pub(crate) fn stop(&mut self) {
        self.node.engine = Engine::new(linux::machine(), Vec::new());
    }

    /// The next process on the machine that the last one left.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let config = self.node.config.clone();
        self.node = Node::serving(linux::machine(), config, self.scratch.mount_point(""));
        assert_eq!(self.engine.set_aside(), []);
    }

    /// Everything down again, and nothing left: no mount, device, path or promise.
    pub(crate) fn take_down(&self, volumes: &[&Volume]) {
        for volume in volumes {
            self.put_away(volume);
            self.delete(volume).unwrap();
        }
        self.check_empty();
    }

    /// No mount, device, path or promise is left.
    pub(crate) fn check_empty(&self) {
        self.engine.tend();
        soon("no device is left", || self.scratch.left_behind().is_empty());
        let empty = ["pool.yaml", "trash", "volumes"].map(|name| self.scratch.dir().join(name));
        assert_eq!(tree(&self.scratch.dir()), empty);
        let room = self.engine.pools()[0].room.clone().unwrap();
        assert_eq!((room.pending, room.promised, room.volumes), (Bytes::ZERO, Bytes::ZERO, 0));
    }
}

impl Deref for World {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}

impl Node {
    pub(crate) fn new(machine: Machine, at: PathBuf, mounts: PathBuf) -> Self {
        Self::serving(machine, pool(at), mounts)
    }

    pub(crate) fn serving(machine: Machine, config: PoolConfig, mounts: PathBuf) -> Self {
        let (engine, pool) = (Engine::new(machine, vec![config.clone()]), config.path.clone());
        engine.recover();
        // A program that another test is just starting has a copy of the last engine's lock.
        soon("the pool is served", || {
            if engine.ready().is_err() {
                engine.tend();
            }
            engine.ready().is_ok()
        });
        Self { engine, config, pool, mounts }
    }

    pub(crate) fn staging(&self, volume: &Volume) -> PathBuf {
        self.mounts.join("staging").join(&volume.name)
    }

    pub(crate) fn target(&self, volume: &Volume) -> PathBuf {
        self.mounts.join("pods").join(&volume.name)
    }

    pub(crate) fn image(&self, volume: &Volume) -> PathBuf {
        self.pool.join("volumes").join(&volume.name).join("image")
    }

    pub(crate) fn create(&self, volume: &Volume) -> Result<Arc<Record>> {
        self.engine.create(&volume.request())
    }

    pub(crate) fn stage(&self, volume: &Volume) -> Result<()> {
        let (access, options) = (volume.access(), MountOptions::default());
        self.engine.stage(&volume.id(), &StageRequest { staging: self.staging(volume), access, options })
    }

    pub(crate) fn publish(&self, volume: &Volume) -> Result<()> {
        self.publish_at(volume, self.target(volume), false)
    }

    pub(crate) fn publish_at(&self, volume: &Volume, target: PathBuf, read_only: bool) -> Result<()> {
        let staging = self.staging(volume);
        let pod = PodRef { namespace: "shop".into(), name: volume.name.clone(), uid: "1f0e".into() };
        let (access, pod) = (volume.access(), Some(pod));
        let request = PublishRequest { staging, target, access, read_only, exclusive: false, pod };
        self.engine.publish(&volume.id(), &request)
    }

    pub(crate) fn unpublish(&self, volume: &Volume) -> Result<()> {
        self.engine.unpublish(&volume.id(), &self.target(volume))
    }

    pub(crate) fn unstage(&self, volume: &Volume) -> Result<()> {
        self.engine.unstage(&volume.id(), &self.staging(volume))
    }

    pub(crate) fn expand(&self, volume: &Volume, size: Bytes) -> Result<Bytes> {
        self.engine.expand(&volume.id(), None, SizeRange { at_least: size, at_most: None })
    }

    pub(crate) fn delete(&self, volume: &Volume) -> Result<()> {
        self.engine.delete(&volume.id())
    }

    /// Up the whole staircase; every step is safe to repeat.
    pub(crate) fn bring_up(&self, volume: &Volume) -> PathBuf {
        self.create(volume).unwrap();
        self.stage(volume).unwrap();
        self.publish(volume).unwrap();
        self.target(volume)
    }

    /// Off the node; the volume stays. The staging directory is for whoever made the volume be staged to remove.
    pub(crate) fn put_away(&self, volume: &Volume) {
        self.unpublish(volume).unwrap();
        self.unstage(volume).unwrap();
        if let Err(error) = fs::remove_dir(self.staging(volume)) {
            assert_eq!(error.kind(), ErrorKind::NotFound, "what is left there? {error}");
        }
    }

    pub(crate) fn allocated(&self, volume: &Volume) -> Bytes {
        Bytes::new(fs::metadata(self.image(volume)).unwrap().blocks() * 512)
    }

    /// Lets the record say that the filesystem has grown to another size than it has.
    pub(crate) fn rewrite_grown(&self, volume: &Volume, from: Bytes, to: Bytes) {
        let path = self.image(volume).with_file_name("volume.yaml");
        let record = fs::read_to_string(&path).unwrap();
        let rewritten = record.replace(&format!("grownTo: {}", from.get()), &format!("grownTo: {}", to.get()));
        assert_ne!(rewritten, record);
        fs::write(path, rewritten).unwrap();
    }

    /// The stable names of what is wrong with a volume.
    pub(crate) fn faults(&self, volume: &Volume) -> Vec<&'static str> {
        self.engine.health(&volume.id()).unwrap().iter().map(|fault| fault.reason()).collect()
    }

    /// Writes into a published volume that it is this one.
    pub(crate) fn mark(&self, volume: &Volume) {
        let target = self.target(volume);
        let file = if volume.content == BLOCK { target } else { target.join("mark") };
        let mut name = [0; 512];
        name[..volume.name.len()].copy_from_slice(volume.name.as_bytes());
        let out = OpenOptions::new().write(true).create(volume.content != BLOCK).truncate(false).open(file).unwrap();
        out.write_all_at(&name, 0).unwrap();
        out.sync_all().unwrap();
    }

    /// What is written in a published volume: its name, or nothing.
    pub(crate) fn marked(&self, volume: &Volume) -> String {
        let target = self.target(volume);
        let file = if volume.content == BLOCK { target } else { target.join("mark") };
        let mut name = [0; 512];
        match File::open(file) {
            Ok(found) => found.read_exact_at(&mut name, 0).unwrap(),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        }
        String::from_utf8_lossy(&name).trim_end_matches('\0').to_owned()
    }

    /// The size of the volume's filesystem, or of its device.
    pub(crate) fn total(&self, volume: &Volume) -> Bytes {
        self.usage(volume).total
    }

    pub(crate) fn usage(&self, volume: &Volume) -> Usage {
        self.engine.usage(&volume.id(), &self.target(volume)).unwrap().0
    }
}

/// The pool of images at that path.
pub(crate) fn pool(path: PathBuf) -> PoolConfig {
    PoolConfig {
        name: PoolName::parse("default").unwrap(),
        path,
        backend: Backend::Loop,
        require_mount_point: false,
        reserve: Reserve::Share(500),
        overcommit: Overcommit::Unlimited,
        limits: Default::default(),
    }
}

/// What a refusal means to the caller.
#[track_caller]
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    result.unwrap_err().kind()
}

/// Every path in a directory, sorted, not descending into what is mounted there.
pub(crate) fn tree(dir: &Path) -> Vec<PathBuf> {
    let device = fs::metadata(dir).unwrap().dev();
    let mut paths: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in paths.clone() {
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_dir() && found.dev() == device {
            paths.extend(tree(&path));
        }
    }
    paths.sort();
    paths
}

/// Writes a new file until the kernel says that there is no more room; how much went in, and is on disk.
pub(crate) fn fill(file: &Path) -> Bytes {
    let mut written = 0;
    let mut out = File::create(file).unwrap();
    for piece in [1 << 20, 4096] {
        let data = vec![0x5a; piece];
        loop {
            match out.write(&data) {
                Ok(count) => written += count as u64,
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{}: {error}", file.display()),
            }
        }
    }
    out.sync_all().unwrap();
    Bytes::new(written)
}
