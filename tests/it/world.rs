//! A machine with one pool, and short words for what is asked of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ullage::config::{Overcommit, PoolConfig, Reserve};
use ullage::engine::{Access, CreateRequest, Engine, MountRequest, PublishRequest, Result, SizeRange, StageRequest};
use ullage::host::fake::{Fake, How};
use ullage::model::{
    Backend, Bytes, Claim, Content, FsKind, MountOptions, Owner, PodRef, PoolName, VolumeId, VolumeSpec,
};
use ullage::store::Record;

pub const POOL: &str = "/pool";

pub struct World {
    pub fake: Fake,
    pub engine: Engine,
    pools: Vec<PoolConfig>,
    keeps_mounts: bool,
}

pub fn pool(name: &str, path: &str) -> PoolConfig {
    PoolConfig {
        name: PoolName::parse(name).unwrap(),
        path: path.into(),
        backend: Backend::Loop,
        require_mount_point: false,
        reserve: Reserve::Share(500),
        overcommit: Overcommit::Unlimited,
        limits: Default::default(),
    }
}

fn process(fake: &Fake, pools: &[PoolConfig], keeps_mounts: bool) -> Engine {
    let engine = Engine::new(fake.machine(), pools.to_vec());
    if keeps_mounts { engine.keeping_mounts() } else { engine }
}

impl World {
    /// A disk of 100 GiB.
    pub fn new() -> Self {
        Self::with(Fake::new(Bytes::gib(100)), vec![pool("default", POOL)])
    }

    pub fn with(fake: Fake, pools: Vec<PoolConfig>) -> Self {
        Self::serving(fake, pools, false)
    }

    /// A machine of its own: what is mounted comes back after a restart.
    pub fn keeping_mounts() -> Self {
        Self::serving(Fake::new(Bytes::gib(100)), vec![pool("default", POOL)], true)
    }

    fn serving(fake: Fake, pools: Vec<PoolConfig>, keeps_mounts: bool) -> Self {
        for pool in &pools {
            fake.machine().files.create_dir(&pool.path).unwrap();
        }
        fake.machine().files.create_dir(Path::new("/kubelet")).unwrap();
        let engine = process(&fake, &pools, keeps_mounts);
        engine.recover();
        Self { fake, engine, pools, keeps_mounts }
    }

    /// The next process on the machine that the last one left.
    pub fn restart(&mut self, how: How) {
        self.fake.restart(how);
        self.engine = process(&self.fake, &self.pools, self.keeps_mounts);
    }

    pub fn create(&self, volume: &Volume) -> Result<Arc<Record>> {
        self.engine.create(&volume.request())
    }

    pub fn stage(&self, volume: &Volume) -> Result<()> {
        let request =
            StageRequest { staging: volume.staging(), access: volume.access(), options: MountOptions::default() };
        self.engine.stage(&volume.id(), &request)
    }

    pub fn publish(&self, volume: &Volume) -> Result<()> {
        let request = PublishRequest {
            staging: volume.staging(),
            target: volume.target(),
            access: volume.access(),
            read_only: false,
            exclusive: false,
            pod: Some(volume.pod()),
        };
        self.engine.publish(&volume.id(), &request)
    }

    pub fn unpublish(&self, volume: &Volume) -> Result<()> {
        self.engine.unpublish(&volume.id(), &volume.target())
    }

    pub fn unstage(&self, volume: &Volume) -> Result<()> {
        self.engine.unstage(&volume.id(), &volume.staging())
    }

    pub fn mount(&self, volume: &Volume, target: &str) -> Result<()> {
        self.engine.mount(&volume.id(), &MountRequest { target: target.into(), read_only: false })
    }

    pub fn expand(&self, volume: &Volume, size: Bytes, at: Option<&Path>) -> Result<Bytes> {
        self.engine.expand(&volume.id(), at, SizeRange { at_least: size, at_most: None })
    }

    pub fn delete(&self, volume: &Volume) -> Result<()> {
        self.engine.delete(&volume.id())
    }

    /// Down the whole staircase.
    pub fn take_down(&self, volume: &Volume) -> Result<()> {
        self.unpublish(volume)?;
        self.unstage(volume)?;
        self.delete(volume)
    }
}

/// A volume that a test asks for.
#[derive(Clone, Copy, Debug)]
pub struct Volume {
    pub name: &'static str,
    pub content: Content,
    pub sparse: bool,
    pub owner: Option<Owner>,
    pub size: Bytes,
}

impl Volume {
    pub const fn new(name: &'static str, content: Content, sparse: bool) -> Self {
        Self { name, content, sparse, owner: None, size: Bytes::gib(1) }
    }

    pub const fn xfs(name: &'static str) -> Self {
        Self::new(name, Content::Filesystem(FsKind::Xfs), false)
    }

    pub fn id(&self) -> VolumeId {
        VolumeId::from_name(self.name)
    }

    pub fn staging(&self) -> PathBuf {
        Path::new("/kubelet/staging").join(self.name)
    }

    pub fn target(&self) -> PathBuf {
        Path::new("/kubelet/pods").join(self.name)
    }

    pub fn image(&self) -> PathBuf {
        Path::new(POOL).join("volumes").join(self.name).join("image")
    }

    pub fn pod(&self) -> PodRef {
        PodRef { namespace: "shop".into(), name: format!("{}-0", self.name), uid: format!("uid-of-{}", self.name) }
    }

    pub fn access(&self) -> Access {
        match self.content {
            Content::Filesystem(fs) => Access::Mount(Some(fs)),
            Content::Block => Access::Block,
        }
    }

    pub fn request(&self) -> CreateRequest {
        let spec = VolumeSpec {
            name: self.name.into(),
            pool: PoolName::parse("default").unwrap(),
            size: self.size,
            content: self.content,
            sparse: self.sparse,
            direct_io: true,
            inodes: None,
            warn_percent: None,
            owner: self.owner,
            claim: Claim::default(),
        };
        CreateRequest { spec, accepted: SizeRange { at_least: self.size, at_most: None } }
    }
}
