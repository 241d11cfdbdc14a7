use std::path::Path;

use ullage::config::{Config, Overrides};
use ullage::engine::{CreateRequest, Engine, MountRequest, SizeRange};
use ullage::host::linux;
use ullage::model::{Claim, Content, FsKind, PoolName, VolumeId, VolumeSpec};

use crate::{GROWN, Maker, Result, SIZE};

/// The engine in this process.
pub(crate) struct Inside {
    engine: Engine,
}

impl Inside {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let pool = root.join("engine");
        std::fs::create_dir_all(&pool)?;
        let text = format!("pools: [{{ name: default, path: {}, backend: quota, reserve: '0' }}]", pool.display());
        let config = Config::parse(&text, "the benchmark", &Overrides::default())?;
        let engine = Engine::new(linux::machine(), config.pools);
        engine.recover();
        engine.ready()?;
        Ok(Self { engine })
    }
}

impl Maker for Inside {
    fn create(&self, name: &str) -> Result<()> {
        let spec = VolumeSpec {
            name: name.to_owned(),
            pool: PoolName::parse("default").expect("a name"),
            size: SIZE,
            content: Content::Filesystem(FsKind::Xfs),
            sparse: false,
            direct_io: false,
            inodes: None,
            warn_percent: None,
            owner: None,
            claim: Claim::default(),
        };
        let accepted = SizeRange { at_least: SIZE, at_most: None };
        Ok(self.engine.create(&CreateRequest { spec, accepted }).map(drop)?)
    }

    fn show(&self, name: &str, at: &Path) -> Result<()> {
        let request = MountRequest { target: at.to_owned(), read_only: false };
        Ok(self.engine.mount(&VolumeId::from_name(name), &request)?)
    }

    fn expand(&self, name: &str) -> Result<()> {
        let range = SizeRange { at_least: GROWN, at_most: None };
        Ok(self.engine.expand(&VolumeId::from_name(name), None, range).map(drop)?)
    }

    fn stats(&self, name: &str, at: &Path) -> Result<()> {
        let (usage, _) = self.engine.usage(&VolumeId::from_name(name), at)?;
        if usage.total == GROWN { Ok(()) } else { Err(format!("{} of {GROWN}", usage.total).into()) }
    }

    fn hide(&self, name: &str, at: &Path) -> Result<()> {
        Ok(self.engine.unmount(&VolumeId::from_name(name), at)?)
    }

    fn delete(&self, name: &str) -> Result<()> {
        Ok(self.engine.delete(&VolumeId::from_name(name))?)
    }

    fn settle(&self) -> Result<()> {
        self.engine.tend();
        Ok(())
    }
}
