use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::doors::Doors;
use super::quota::Quota;
use super::serve::{House, Local, serve};
use super::{Error, Result};
use crate::config::{Config, Overrides};

/// What `ullage standalone` is told.
#[derive(Clone, PartialEq, Debug)]
pub struct Standalone {
    /// The directory of the pool `default`.
    pub pool: PathBuf,
    /// How its volumes are made: `loop` or `quota`.
    pub backend: String,
    /// The driver's and the node's name, where they are given.
    pub overrides: Overrides,
    /// Where it serves.
    pub doors: Doors,
    /// Where volumes are mounted that are made through the quota API.
    pub mount_dir: PathBuf,
    /// Where and how the quota API is served.
    pub quota: Quota,
    /// How often the files of volumes under a limit are looked at; zero: never.
    pub audits: Duration,
}

/// Serves one directory on this host until it is told to stop; it is made where it is missing.
///
/// Somebody is watching: where the pool cannot be served, that is an error and not a state.
pub fn standalone(standalone: Standalone) -> Result<()> {
    let config = Config::standalone(&standalone.pool, &standalone.backend, &standalone.overrides)?;
    for pool in &config.pools {
        fs::create_dir_all(&pool.path).map_err(Error::step(format!("make {}", pool.path.display())))?;
    }
    let node = config.node_name.clone().unwrap_or_else(host_name);
    // The engine takes no other path, and the kernel names mounts without links.
    fs::create_dir_all(&standalone.mount_dir)
        .map_err(Error::step(format!("make {}", standalone.mount_dir.display())))?;
    let mount_dir = fs::canonicalize(&standalone.mount_dir)
        .map_err(Error::step(format!("look at {}", standalone.mount_dir.display())))?;
    let Standalone { doors, quota, audits, .. } = standalone;
    let thresholds = quota.thresholds;
    let quota = Some(Local { quota, mount_dir });
    serve(House { config, node, doors, kubelet: None, needs_a_pool: true, quota, thresholds, events: false, audits })
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "localhost".to_owned() } else { name.trim().to_owned() }
}
