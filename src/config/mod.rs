//! The configuration, checked: what the file and the flags say, with every default filled in.

mod check;
mod error;
mod file;
mod flags;
mod places;
mod pool;

use std::path::Path;

pub use error::{Error, Fault};
pub use flags::Overrides;
pub use pool::{LimitSettings, Overcommit, PoolConfig, PoolImage, Reserve};

use crate::model::{Backend, Bytes, FsKind, PoolName};

/// What a driver or a standalone process is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// The CSI driver's name, and the domain of its topology key.
    pub driver_name: String,
    /// The node it runs on, where anybody said.
    pub node_name: Option<String>,
    /// The pools, at least one, no two of a name or in one another's directory.
    pub pools: Vec<PoolConfig>,
    /// What a request that does not say gets.
    pub defaults: Defaults,
}

/// What a request that does not say gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Defaults {
    /// The size: whole blocks, not below the smallest volume.
    pub size: Bytes,
    /// The filesystem.
    pub fs: FsChoice,
}

/// How the filesystem of a volume is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FsChoice {
    /// XFS where the volume is large enough for it, else ext4.
    Auto,
    /// That one.
    Always(FsKind),
}

impl Config {
    /// The driver's name where nobody gives another.
    pub const DRIVER_NAME: &str = "csi.ullage.dev";

    /// Reads a configuration file; what the flags say goes before it.
    pub fn read(file: &Path, overrides: &Overrides) -> Result<Self, Error> {
        let origin = file.display().to_string();
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text, &origin, overrides),
            Err(source) => Err(Error::Read { origin, source }),
        }
    }

    /// Checks the text of a configuration file; faults name `origin` as the file.
    pub fn parse(text: &str, origin: &str, overrides: &Overrides) -> Result<Self, Error> {
        let file = crate::yaml::parse(text).map_err(|source| Error::Form { origin: origin.to_owned(), source })?;
        file::checked(file, overrides).map_err(|faults| Error::Meaning { origin: origin.to_owned(), faults })
    }

    /// One pool, `default`, in that directory, of that backend (`loop` or `quota`), and every default: what needs no file.
    pub fn standalone(pool: &Path, backend: &str, overrides: &Overrides) -> Result<Self, Error> {
        let pool = places::absolute(pool);
        let faults = match pool.to_str() {
            Some(pool) => match file::checked(file::File::with_pool(pool, backend), overrides) {
                Ok(config) => return Ok(config),
                Err(faults) => faults,
            },
            None => vec![Fault::new("pools", format!("'{}' is not UTF-8", pool.display()))],
        };
        Err(Error::Meaning { origin: "command line".to_owned(), faults: faults.into_iter().map(flagged).collect() })
    }

    /// The key under which a node's name stands in topologies.
    pub fn topology_key(&self) -> String {
        format!("{}/node", self.driver_name)
    }

    /// The pools by name, in the order of the file, with how each makes its volumes.
    pub fn pool_names(&self) -> Vec<(PoolName, Backend)> {
        self.pools.iter().map(|pool| (pool.name.clone(), pool.backend)).collect()
    }
}

/// A fault of the only pool, by the flag that gave it.
fn flagged(fault: Fault) -> Fault {
    let flag = match fault.key.as_str() {
        "pools[0].backend" => "--backend",
        key if key.starts_with("pools") => "--pool",
        _ => return fault,
    };
    Fault { key: flag.to_owned(), ..fault }
}

impl Default for Defaults {
    fn default() -> Self {
        Self { size: Bytes::gib(1), fs: FsChoice::Auto }
    }
}

impl FsChoice {
    /// The filesystem for a volume of that size.
    pub fn of(self, size: Bytes) -> FsKind {
        match self {
            Self::Always(fs) => fs,
            Self::Auto if size >= FsKind::Xfs.smallest() => FsKind::Xfs,
            Self::Auto => FsKind::Ext4,
        }
    }
}
