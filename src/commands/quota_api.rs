use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::watch;

use super::doors::listen;
use super::herald::PodHerald;
use super::quota::Quota;
use super::signals::{Signals, until};
use super::{Error, Result};
use crate::api::pod::{NamedVolume, Pod, Settings};
use crate::api::volumes::Volumes;
use crate::host::linux;
use crate::k8s::Cluster;
use crate::observe::metrics::Metrics;
use crate::observe::{health, log};

/// What `ullage quota-api` is told.
#[derive(Clone, PartialEq, Debug)]
pub struct QuotaApi {
    /// The volumes that are mounted here.
    pub volumes: Vec<NamedVolume>,
    /// The StorageClass of which a client that wants a volume gets a claim.
    pub provision: Option<String>,
    /// How long a resize is waited for.
    pub resize_wait: Duration,
    /// Where and how the quota API is served.
    pub quota: Quota,
    /// The address of metrics and health, where there shall be one.
    pub metrics: Option<String>,
    /// How much the log says.
    pub log_level: log::Level,
    /// How it says it.
    pub log_format: log::Format,
}

/// One for each volume, and some for the rest: a filesystem that hangs keeps its thread.
const SPARE_THREADS: usize = 8;

/// Serves the volumes that are mounted beside this process, until SIGTERM or SIGINT. No privilege is needed.
pub fn quota_api(role: QuotaApi) -> Result<()> {
    log::init(role.log_level, role.log_format)?;
    let mut builder = Builder::new_current_thread();
    builder.max_blocking_threads(role.volumes.len() + SPARE_THREADS).thread_stack_size(1 << 18).enable_all();
    let runtime = builder.build().map_err(Error::step("start threads"))?;
    let served = runtime.block_on(role.serve());
    // A filesystem that hangs keeps its thread.
    runtime.shutdown_background();
    served
}

impl QuotaApi {
    async fn serve(self) -> Result<()> {
        let mut signals = Signals::new().map_err(Error::step("listen for signals"))?;
        let names = own_names();
        let prefix = names.first().cloned().unwrap_or_else(|| "ullage".to_owned());
        let door = self.quota.open(false, names).await?;
        let pages = match &self.metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let watch = door.watch();
        let cluster = Arc::new(Cluster::new());
        if let Some(herald) = PodHerald::new(&cluster, &self.volumes) {
            herald.start(&watch.monitor);
        }
        let (stop, stopped) = watch::channel(false);
        if let Some(pages) = pages {
            let (numbers, source) = (watch.monitor.clone(), watch.source());
            let metrics = Metrics::new(Arc::new(move || super::samples::watched(&numbers))).with_quota(source);
            let router = health::router(Arc::new(move || watch.ready().map(|()| Vec::new())), Arc::new(metrics));
            tokio::spawn(health::serve(pages, router, until(stopped.clone())));
        }
        let settings = Settings {
            volumes: self.volumes,
            provision: self.provision,
            prefix,
            resize_wait: self.resize_wait,
        };
        let pod: Arc<dyn Volumes> = Arc::new(Pod::new(settings, &linux::machine(), cluster));
        let serving = tokio::spawn(door.serve(pod, stopped));
        let name = signals.next().await;
        tracing::info!(signal = name, "stopping");
        let _ = stop.send(true);
        tokio::select! {
            _ = serving => {}
            _ = signals.next() => tracing::warn!("stopped at once"),
        }
        Ok(())
    }
}

/// What this pod is called; a host name is that, where nobody has given it another.
fn own_names() -> Vec<String> {
    let names = ["HOSTNAME", "POD_NAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    names.filter(|name| !name.is_empty()).collect()
}
