use std::future::pending;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use super::caretaker::Caretaker;
use super::doors::{Doors, Sockets, listen};
use super::ending::{died, over};
use super::herald::Watchman;
use super::quota::{Quota, QuotaDoor};
use super::readiness::Readiness;
use super::registrar::{Kubelet, Registrar};
use super::samples;
use super::signals::{Signals, Stopped, until};
use super::{Error, Result};
use crate::api::machine::{self, Machine};
use crate::config::Config;
use crate::csi;
use crate::engine::Engine;
use crate::host::linux;
use crate::k8s::events::Reporter;
use crate::model::{Bytes, Thresholds, VolumeId};
use crate::observe::metrics::Metrics;
use crate::observe::{health, log};

/// Everything that a role serves.
pub(super) struct House {
    pub(super) config: Config,
    pub(super) node: String,
    pub(super) doors: Doors,
    /// The kubelet of this node, where there is one.
    pub(super) kubelet: Option<Kubelet>,
    /// Whether there is no point in going on while no pool is served.
    pub(super) needs_a_pool: bool,
    /// The quota API, where there is no kubelet: then what is mounted also comes back after a restart.
    pub(super) quota: Option<Local>,
    /// When a volume is nearly full, and full.
    pub(super) thresholds: Thresholds,
    /// Whether events are posted on claims and pods.
    pub(super) events: bool,
    /// How often the files of volumes under a limit are looked at; zero: never.
    pub(super) audits: Duration,
}

/// The quota API over the volumes of this machine.
pub(super) struct Local {
    pub(super) quota: Quota,
    /// Where volumes are mounted that are made through it.
    pub(super) mount_dir: PathBuf,
}

/// How long calls under way may take to end: less than the chart gives the pod. One that is cut is undone or finished by the
/// next start.
const PATIENCE: Duration = Duration::from_secs(8);

/// Serves until SIGTERM or SIGINT; every mount stays as it is.
pub(super) fn serve(house: House) -> Result<()> {
    log::init(house.doors.log_level, house.doors.log_format)?;
    let runtime = runtime().map_err(Error::step("start threads"))?;
    let served = runtime.block_on(house.serve());
    // What still runs has had its time.
    runtime.shutdown_background();
    served
}

/// How many calls are done at a time, each on a thread of its own. One may write a whole image for minutes, and nothing
/// waits for a volume that is not its own, least of all Probe: so there are more than a node will have calls.
const THREADS: usize = 512;

/// How long a thread without work stays: what a burst took is given back soon.
const IDLE: Duration = Duration::from_secs(2);

/// Small stacks, as no call goes deep.
fn runtime() -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).max_blocking_threads(THREADS).thread_stack_size(1 << 20).thread_keep_alive(IDLE);
    builder.enable_all().build()
}

impl House {
    async fn serve(self) -> Result<()> {
        let mut signals = Signals::new().map_err(Error::step("listen for signals"))?;
        let sockets = Sockets::open(&self.doors, self.kubelet.as_ref().map(|kubelet| &kubelet.socket)).await?;
        let registrar = self.registrar()?;
        let pages = match &self.doors.metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let quota = match &self.quota {
            Some(local) => Some(local.quota.open(true, Vec::new()).await?),
            None => None,
        };
        let engine = Engine::new(linux::machine(), self.config.pools.clone()).judging_by(self.thresholds);
        let engine = Arc::new(if self.quota.is_some() { engine.keeping_mounts() } else { engine });
        let watch = quota.as_ref().map(QuotaDoor::watch);
        let metrics = Metrics::new(samples::source(engine.clone()));
        let watchman = self.events.then(|| Watchman::new(&engine, self.thresholds, self.reporter()));
        let metrics = Arc::new(match (&watch, &watchman) {
            (Some(watch), _) => metrics.with_quota(watch.source()),
            (None, Some(watchman)) => metrics.with_watch(watchman.source()),
            (None, None) => metrics,
        });
        let caretaker = Caretaker::start(engine.clone(), self.audits);
        let refused = watchman
            .as_ref()
            .map_or_else(|| Arc::new(|_: &VolumeId, _: Bytes, _: &str| {}) as csi::Refused, Watchman::refused);
        let mut watching = watchman.map(|watchman| tokio::spawn(watchman.watch(caretaker.recovered())));
        let (stop, stopped) = watch::channel(false);

        if let Some(pages) = pages {
            let kubelet = registrar.as_ref().map(Registrar::standing);
            let readiness = Readiness { engine: engine.clone(), watch, kubelet };
            let router = health::router(Arc::new(move || readiness.ask()), metrics.clone());
            tokio::spawn(health::serve(pages, router, until(stopped.clone())));
        }
        tracing::info!(version = env!("CARGO_PKG_VERSION"), node = self.node, socket = %self.doors.socket.display(), "started");
        let door = self.door(engine.clone(), metrics, caretaker.waker(), refused);
        let mut quota = quota.map(|door| tokio::spawn(self.quota(door, &engine, &caretaker, stopped.clone())));
        let mut grpc = pin!(sockets.answer(door, stopped));
        let mut registration = Box::pin(register(registrar, caretaker.recovered()));
        let ended = tokio::select! {
            ended = &mut grpc => return ended,
            ended = &mut registration => ended,
            ended = caretaker.watch(&engine, self.needs_a_pool) => ended,
            ended = died(watching.as_mut(), "the watch over the volumes") => ended,
            ended = died(quota.as_mut(), "the quota API") => ended,
            name = signals.next() => { tracing::info!(signal = name, "stopping"); Ok(()) }
        };
        drop(registration); // before the other sockets: the kubelet shall not miss them
        let _ = stop.send(true);
        tokio::select! {
            drained = async { (grpc.await, over(quota).await).0 } => drained?,
            () = tokio::time::sleep(PATIENCE) => tracing::warn!("calls are still under way: the next start looks after them"),
            _ = signals.next() => tracing::warn!("stopped at once"),
        }
        ended
    }

    /// Who registers the driver, where it shall be.
    fn registrar(&self) -> Result<Option<Registrar>> {
        let Some(Kubelet { socket, registration_dir: Some(dir) }) = &self.kubelet else { return Ok(None) };
        Registrar::new(dir, &self.config.driver_name, socket).map(Some)
    }

    /// As what events are posted.
    fn reporter(&self) -> Reporter {
        Reporter { controller: self.config.driver_name.clone(), instance: self.node.clone(), is_optional: false }
    }

    /// The quota API, from the moment when the volumes are in order.
    fn quota(
        &self,
        door: QuotaDoor,
        engine: &Arc<Engine>,
        caretaker: &Caretaker,
        stopped: Stopped,
    ) -> impl Future<Output = ()> + Send + use<> {
        let mut recovered = caretaker.recovered();
        let (config, deleted, engine) = (&self.config, caretaker.waker(), engine.clone());
        let (pools, defaults) = (config.pool_names(), config.defaults.clone());
        let local = self.quota.as_ref().map(|local| local.mount_dir.clone());
        async move {
            let Some(mount_dir) = local else { return };
            if recovered.wait_for(|recovered| *recovered).await.is_err() {
                return;
            }
            let settings = machine::Settings { mount_dir, pools, defaults, deleted };
            let machine = Arc::new(Machine::new(engine, settings));
            door.serve(machine, stopped).await;
        }
    }

    fn door(
        &self,
        engine: Arc<Engine>,
        metrics: Arc<Metrics>,
        deleted: Arc<dyn Fn() + Send + Sync>,
        refused: csi::Refused,
    ) -> csi::Door {
        csi::Door {
            engine,
            driver_name: self.config.driver_name.clone(),
            node_name: self.node.clone(),
            defaults: self.config.defaults.clone(),
            pools: self.config.pool_names(),
            metrics,
            deleted,
            refused,
        }
    }
}

async fn register(registrar: Option<Registrar>, recovered: watch::Receiver<bool>) -> Result<()> {
    match registrar {
        Some(registrar) => registrar.keep(recovered).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hundreds_of_long_calls_keep_no_other_waiting() {
        let runtime = runtime().unwrap();
        let gate = Arc::new(std::sync::RwLock::new(()));
        let shut = gate.write().unwrap();
        for _ in 0..300 {
            let gate = gate.clone();
            runtime.spawn_blocking(move || drop(gate.read()));
        }
        let probe = runtime.spawn_blocking(|| "ready");
        let answer = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), probe).await });
        drop(shut);
        assert_eq!(answer.expect("the probe waited").unwrap(), "ready");
    }
}
