use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::{Monitor, MountChanges, Target};

/// What can be measured now, or why nobody knows. It may block.
pub type Targets = Arc<dyn Fn() -> Result<Vec<Target>, String> + Send + Sync>;

/// What changes in a burst is looked at once, unless [`Follower::pausing`] says more.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the kernel does not tell of changes, or a look has failed, the next is no later.
const AT_LEAST: Duration = Duration::from_secs(10);

/// Makes a monitor watch what is mounted on this machine, whoever mounts it.
pub struct Follower {
    targets: Targets,
    monitor: Monitor,
    /// Held from reading what is mounted until it is watched: an older list never comes after a newer one.
    turn: Mutex<()>,
    pause: Duration,
}

impl Follower {
    /// Nothing is looked at yet.
    pub fn new(targets: Targets, monitor: Monitor) -> Self {
        Self { targets, monitor, turn: Mutex::default(), pause: PAUSE }
    }

    /// Looks no more often than that: on a node, mounts change with every container.
    pub fn pausing(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Follows for ever.
    pub async fn follow(&self) {
        let mut changes = MountChanges::new()
            .inspect_err(|error| {
                tracing::warn!(%error, "the kernel does not tell when mounts change: they are looked at every 10 s");
            })
            .ok();
        loop {
            self.monitor.nudge();
            self.look().await;
            sleep(self.pause).await;
            match &mut changes {
                Some(changes) => drop(timeout(AT_LEAST, changes.changed()).await),
                None => sleep(AT_LEAST).await,
            }
        }
    }

    /// Makes the monitor watch what is mounted now.
    pub async fn look(&self) {
        let _turn = self.turn.lock().await;
        let targets = self.targets.clone();
        match spawn_blocking(move || targets()).await {
            Ok(Ok(targets)) => self.monitor.set_targets(targets),
            Ok(Err(error)) => tracing::warn!(%error, "what is mounted cannot be read"),
            Err(error) => tracing::error!(%error, "what is mounted cannot be read"),
        }
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("monitor", &self.monitor).finish_non_exhaustive()
    }
}
