//! The engine in this process, over a machine that is metered.

use std::path::Path;
use std::sync::Arc;

use ullage::config::{Config, Overrides};
use ullage::engine::{Access, CreateRequest, Engine, PublishRequest, SizeRange, StageRequest};
use ullage::host::linux;
use ullage::model::{Claim, Content, MountOptions, PoolName, VolumeId, VolumeSpec};

use crate::Result;
use crate::life::{Maker, SIZE, Step, Volume};
use crate::meter::{Meter, metered};

pub(crate) struct Inside {
    engine: Engine,
    meter: Arc<Meter>,
}

impl Inside {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let pool = root.join("engine");
        std::fs::create_dir_all(&pool)?;
        let config = Config::standalone(&pool, "loop", &Overrides::default())?;
        let meter = Arc::<Meter>::default();
        let engine = Engine::new(metered(linux::machine(), &meter), config.pools);
        engine.recover();
        engine.ready()?;
        Ok(Self { engine, meter })
    }

    pub(crate) fn meter(&self) -> Arc<Meter> {
        self.meter.clone()
    }

    fn create(&self, volume: &Volume) -> ullage::engine::Result<()> {
        let spec = VolumeSpec {
            name: volume.name.clone(),
            pool: PoolName::parse("default").expect("a name"),
            size: SIZE,
            content: Content::Filesystem(volume.kind.fs),
            sparse: volume.kind.sparse,
            direct_io: true,
            inodes: None,
            warn_percent: None,
            owner: None,
            claim: Claim::default(),
        };
        let accepted = SizeRange { at_least: SIZE, at_most: None };
        self.engine.create(&CreateRequest { spec, accepted }).map(drop)
    }

    fn stage(&self, id: &VolumeId, volume: &Volume) -> ullage::engine::Result<()> {
        let access = Access::Mount(Some(volume.kind.fs));
        let request = StageRequest { staging: volume.staging.clone(), access, options: MountOptions::default() };
        self.engine.stage(id, &request)
    }

    fn publish(&self, id: &VolumeId, volume: &Volume) -> ullage::engine::Result<()> {
        let request = PublishRequest {
            staging: volume.staging.clone(),
            target: volume.target.clone(),
            access: Access::Mount(Some(volume.kind.fs)),
            read_only: false,
            exclusive: false,
            pod: None,
        };
        self.engine.publish(id, &request)
    }
}

impl Maker for Inside {
    fn name(&self) -> &'static str {
        "engine"
    }

    fn step(&mut self, step: Step, volume: &Volume) -> Result<()> {
        let id = VolumeId::from_name(&volume.name);
        self.meter.enter(Some(step));
        let done = match step {
            Step::Create => self.create(volume),
            Step::Stage => self.stage(&id, volume),
            Step::Publish => self.publish(&id, volume),
            Step::Unpublish => self.engine.unpublish(&id, &volume.target),
            Step::Unstage => self.engine.unstage(&id, &volume.staging),
            Step::Delete => self.engine.delete(&id),
        };
        self.meter.enter(None);
        Ok(done?)
    }

    fn settle(&mut self) -> Result<()> {
        self.engine.tend();
        Ok(())
    }
}
