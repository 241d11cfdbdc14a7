use std::path::PathBuf;
use std::time::Duration;

use super::doors::Doors;
use super::registrar::Kubelet;
use super::serve::{House, serve};
use super::{Error, Result};
use crate::config::{Config, Overrides};
use crate::model::{Limits, Thresholds};

/// What `ullage driver` is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Driver {
    /// The configuration file.
    pub config: PathBuf,
    /// What goes before it.
    pub overrides: Overrides,
    /// Where it serves.
    pub doors: Doors,
    /// The kubelet that it serves, where it has a socket of its own.
    pub kubelet: Option<Kubelet>,
    /// When a volume is nearly full, and full.
    pub limits: Limits,
    /// Whether events are posted on claims and pods.
    pub events: bool,
    /// How often the files of volumes under a limit are looked at; zero: never.
    pub audits: Duration,
}

/// Serves the pools of a node until it is told to stop. A pool that cannot be served is tried again and again.
pub fn driver(driver: Driver) -> Result<()> {
    let config = Config::read(&driver.config, &driver.overrides)?;
    let node = config.node_name.clone().ok_or(Error::NoNodeName(driver.config))?;
    let Driver { doors, kubelet, limits, events, audits, .. } = driver;
    let thresholds = Thresholds::new(limits)?;
    serve(House { config, node, doors, kubelet, needs_a_pool: false, quota: None, thresholds, events, audits })
}
