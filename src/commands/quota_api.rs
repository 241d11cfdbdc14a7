use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::doors::listen;
use super::ending::died;
use super::herald::PodHerald;
use super::quota::Quota;
use super::signals::{Signals, until};
use super::{Error, Result};
use crate::api::pod::{NamedVolume, Pod, Settings};
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

/// A filesystem that hangs keeps a thread of whoever watches it, and one of whoever hands it out or grows it.
const THREADS_OF_A_VOLUME: usize = 2;
/// Whoever follows the tokens keeps one; the rest is for what comes and goes.
const SPARE_THREADS: usize = 8;

/// All on one thread, but what may block.
fn runtime(volumes: usize) -> std::io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    let threads = volumes * THREADS_OF_A_VOLUME + SPARE_THREADS;
    builder.max_blocking_threads(threads).thread_stack_size(1 << 18).enable_all().build()
}

/// Serves the volumes that are mounted beside this process, until SIGTERM or SIGINT. No privilege is needed.
pub fn quota_api(role: QuotaApi) -> Result<()> {
    log::init(role.log_level, role.log_format)?;
    let runtime = runtime(role.volumes.len()).map_err(Error::step("start threads"))?;
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
        let settings =
            Settings { volumes: self.volumes, provision: self.provision, prefix, resize_wait: self.resize_wait };
        let pod = Arc::new(Pod::new(settings, &linux::machine(), cluster));
        pod.meet().await;
        let mut serving = tokio::spawn(door.serve(pod, stopped));
        let name = tokio::select! {
            ended = died(Some(&mut serving), "the quota API") => return ended,
            name = signals.next() => name,
        };
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

#[cfg(test)]
mod tests {
    use std::sync::RwLock;

    use super::*;

    #[test]
    fn volumes_that_all_hang_leave_threads_for_the_rest() {
        let volumes = 3;
        let runtime = runtime(volumes).unwrap();
        let gate = Arc::new(RwLock::new(()));
        let shut = gate.write().unwrap();
        // Each is watched and handed out, and somebody follows the tokens.
        for _ in 0..2 * volumes + 1 {
            let gate = gate.clone();
            runtime.spawn_blocking(move || drop(gate.read()));
        }
        let answers: Vec<_> = (0..4).map(|_| runtime.spawn_blocking(|| ())).collect();
        let answered = futures_util::future::join_all(answers);
        let answered = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), answered).await });
        drop(shut);
        assert!(answered.is_ok(), "nobody was left");
    }
}
