use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Group;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tonic::transport::Server;

use super::caretaker::Caretaker;
use super::herald::Watchman;
use super::quota::{Quota, QuotaDoor, Watch};
use super::samples;
use super::{Error, Result};
use crate::api::machine::{self, Machine};
use crate::config::Config;
use crate::csi;
use crate::engine::{Engine, PoolStatus};
use crate::host::linux;
use crate::k8s::events::Reporter;
use crate::monitor::Thresholds;
use crate::observe::metrics::Metrics;
use crate::observe::{health, log};
use crate::rpc::socket::{self, Access, Listener};

/// Where a role serves, and how much it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doors {
    /// The unix socket of CSI and of `ullage volume`.
    pub socket: PathBuf,
    /// The group, by name or number, that may connect beside the owner.
    pub group: Option<String>,
    /// The address of metrics and health, where there shall be one.
    pub metrics: Option<String>,
    /// How much the log says.
    pub log_level: log::Level,
    /// How it says it.
    pub log_format: log::Format,
}

/// Everything that a role serves.
pub(super) struct House {
    pub(super) config: Config,
    pub(super) node: String,
    pub(super) doors: Doors,
    /// Whether there is no point in going on while no pool is served.
    pub(super) needs_a_pool: bool,
    /// The quota API, where there is no kubelet: then what is mounted also comes back after a restart.
    pub(super) quota: Option<Local>,
    /// Whether events are posted on claims and pods, and when a volume is nearly full and full.
    pub(super) events: Option<Thresholds>,
}

/// The quota API over the volumes of this machine.
pub(super) struct Local {
    pub(super) quota: Quota,
    /// Where volumes are mounted that are made through it.
    pub(super) mount_dir: PathBuf,
}

/// Resolves when it is time to stop.
pub(super) type Stopped = watch::Receiver<bool>;

/// How long calls under way may take to end. One that is cut is undone or finished by the next start.
const PATIENCE: Duration = Duration::from_secs(20);

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
        let listener = socket::listen(&self.doors.socket, access(self.doors.group.as_deref())?).await?;
        let pages = match &self.doors.metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let quota = match &self.quota {
            Some(local) => Some(local.quota.open(true).await?),
            None => None,
        };
        let engine = Engine::new(linux::machine(), self.config.pools.clone());
        let engine = Arc::new(if self.quota.is_some() { engine.keeping_mounts() } else { engine });
        let watch = quota.as_ref().map(QuotaDoor::watch);
        let metrics = Metrics::new(samples::source(engine.clone()));
        let watchman = self.events.map(|thresholds| self.watchman(&engine, thresholds));
        let metrics = Arc::new(match (&watch, &watchman) {
            (Some(watch), _) => metrics.with_quota(watch.source()),
            (None, Some(watchman)) => metrics.with_watch(watchman.source()),
            (None, None) => metrics,
        });
        let caretaker = Caretaker::start(engine.clone());
        if let Some(watchman) = watchman {
            tokio::spawn(watchman.watch(caretaker.recovered()));
        }
        let (stop, stopped) = watch::channel(false);

        if let Some(pages) = pages {
            let ready = engine.clone();
            let router = health::router(Arc::new(move || readiness(&ready, watch.as_ref())), metrics.clone());
            tokio::spawn(health::serve(pages, router, until(stopped.clone())));
        }
        tracing::info!(version = env!("CARGO_PKG_VERSION"), node = self.node, socket = %self.doors.socket.display(), "started");
        let door = self.door(engine.clone(), metrics, caretaker.waker());
        let quota = tokio::spawn(self.quota(quota, &engine, &caretaker, stopped.clone()));
        let mut grpc = pin!(answer(listener, door, stopped));
        let ended = tokio::select! {
            ended = &mut grpc => return ended,
            ended = caretaker.watch(&engine, self.needs_a_pool) => ended,
            name = signals.next() => { tracing::info!(signal = name, "stopping"); Ok(()) }
        };
        let _ = stop.send(true);
        tokio::select! {
            drained = async { (grpc.await, quota.await).0 } => drained?,
            () = tokio::time::sleep(PATIENCE) => tracing::warn!("calls are still under way: the next start looks after them"),
            _ = signals.next() => tracing::warn!("stopped at once"),
        }
        ended
    }

    /// Who tells Kubernetes of the volumes.
    fn watchman(&self, engine: &Arc<Engine>, thresholds: Thresholds) -> Watchman {
        let (controller, instance) = (self.config.driver_name.clone(), self.node.clone());
        let reporter = Reporter { controller, instance, is_optional: false };
        Watchman::new(engine.clone(), Arc::new(|_| Vec::new()), thresholds, reporter)
    }

    /// The quota API, from the moment when the volumes are in order.
    fn quota(
        &self,
        door: Option<QuotaDoor>,
        engine: &Arc<Engine>,
        caretaker: &Caretaker,
        stopped: Stopped,
    ) -> impl Future<Output = ()> + Send + use<> {
        let mut recovered = caretaker.recovered();
        let (config, deleted, engine) = (&self.config, caretaker.waker(), engine.clone());
        let (pools, defaults) = (config.pool_names(), config.defaults.clone());
        let local = self.quota.as_ref().map(|local| local.mount_dir.clone());
        async move {
            let (Some(door), Some(mount_dir)) = (door, local) else { return };
            if recovered.wait_for(|recovered| *recovered).await.is_err() {
                return;
            }
            let settings = machine::Settings { mount_dir, pools, defaults, deleted };
            let machine = Arc::new(Machine::new(engine, settings));
            door.serve(machine, stopped).await;
        }
    }

    fn door(&self, engine: Arc<Engine>, metrics: Arc<Metrics>, deleted: Arc<dyn Fn() + Send + Sync>) -> csi::Door {
        csi::Door {
            engine,
            driver_name: self.config.driver_name.clone(),
            node_name: self.node.clone(),
            defaults: self.config.defaults.clone(),
            pools: self.config.pool_names(),
            metrics,
            deleted,
        }
    }
}

/// Answers calls; told to stop, it takes no more and lets those under way end. Then the socket is gone.
async fn answer(listener: Listener, door: csi::Door, stopped: Stopped) -> Result<()> {
    let server = Server::builder().add_routes(csi::routes(Arc::new(door)));
    Ok(server.serve_with_incoming_shutdown(listener, until(stopped)).await?)
}

pub(super) async fn until(mut stopped: Stopped) {
    // An error: whoever could say it is gone, which says it too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Whether calls can be answered, and every volume is there that is watched; where so, the pools that are refused beside
/// those that serve.
fn readiness(engine: &Engine, watch: Option<&Watch>) -> std::result::Result<Vec<String>, String> {
    engine.ready()?;
    watch.map_or(Ok(()), Watch::ready)?;
    let reason = |pool: PoolStatus| Some(format!("pool '{}' is not served: {}", pool.config.name, pool.room.err()?));
    Ok(engine.pools().into_iter().filter_map(reason).collect())
}

pub(super) async fn listen(address: &str) -> Result<tokio::net::TcpListener> {
    health::listen(address).await.map_err(Error::step(format!("listen at {address}")))
}

fn access(group: Option<&str>) -> Result<Access> {
    let Some(name) = group else { return Ok(Access::Owner) };
    if let Ok(id) = name.parse() {
        return Ok(Access::Group(id));
    }
    let found = Group::from_name(name).map_err(|errno| Error::step(format!("look up group '{name}'"))(errno.into()))?;
    found.map(|group| Access::Group(group.gid.as_raw())).ok_or_else(|| Error::NoGroup(name.to_owned()))
}

/// What tells a process to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "fake")]
    #[test]
    fn a_pool_refused_beside_others_is_named_though_ready() {
        use std::path::Path;

        use crate::config::{Overcommit, PoolConfig, Reserve};
        use crate::host::fake::Fake;
        use crate::model::{Backend, Bytes, PoolName};

        let config = |name: &str| PoolConfig {
            name: PoolName::parse(name).unwrap(),
            path: Path::new("/").join(name),
            backend: Backend::Loop,
            require_mount_point: false,
            reserve: Reserve::Share(500),
            overcommit: Overcommit::Unlimited,
        };
        let machine = Fake::new(Bytes::gib(100)).machine();
        let engine = Engine::new(machine.clone(), vec![config("a"), config("b")]);
        assert_eq!(readiness(&engine, None), Err("volumes are being recovered".to_owned()));
        engine.recover();
        assert!(readiness(&engine, None).unwrap_err().starts_with("no pool is served: "));
        machine.files.create_dir(Path::new("/a")).unwrap();
        engine.tend();
        assert_eq!(readiness(&engine, None), Ok(vec!["pool 'b' is not served: /b does not exist".to_owned()]));
        machine.files.create_dir(Path::new("/b")).unwrap();
        engine.tend();
        assert_eq!(readiness(&engine, None), Ok(vec![]));
    }

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

    #[test]
    fn a_group_has_a_name_or_a_number() {
        assert_eq!(access(None).unwrap(), Access::Owner);
        assert_eq!(access(Some("4711")).unwrap(), Access::Group(4711));
        assert_eq!(access(Some("root")).unwrap(), Access::Group(0));
        assert_eq!(access(Some("no such group")).unwrap_err().to_string(), "there is no group 'no such group'");
    }
}
