//! The monitor follows the mounts of this machine, whoever changes them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::volumes::Volumes;
use crate::monitor::{Monitor, MountChanges};

/// What changes in a burst is looked at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the kernel does not tell of changes, or a look has failed, the next is no later.
const AT_LEAST: Duration = Duration::from_secs(10);

/// Makes a monitor watch what is mounted.
pub(super) struct Follower {
    volumes: Arc<dyn Volumes>,
    monitor: Monitor,
    /// Held from reading what is mounted until it is watched: an older list never comes after a newer one.
    turn: Mutex<()>,
}

impl Follower {
    pub(super) fn new(volumes: Arc<dyn Volumes>, monitor: Monitor) -> Self {
        Self { volumes, monitor, turn: Mutex::default() }
    }

    /// Follows for ever.
    pub(super) async fn follow(&self) {
        let mut changes = MountChanges::new()
            .inspect_err(|error| {
                tracing::warn!(%error, "the kernel does not tell when mounts change: they are looked at every 10 s");
            })
            .ok();
        loop {
            self.monitor.nudge();
            self.look().await;
            sleep(PAUSE).await;
            match &mut changes {
                Some(changes) => drop(timeout(AT_LEAST, changes.changed()).await),
                None => sleep(AT_LEAST).await,
            }
        }
    }

    /// Makes the monitor watch what is mounted now.
    pub(super) async fn look(&self) {
        let _turn = self.turn.lock().await;
        let volumes = self.volumes.clone();
        match spawn_blocking(move || volumes.targets()).await {
            Ok(Ok(targets)) => self.monitor.set_targets(targets),
            Ok(Err(error)) => tracing::warn!(%error, "what is mounted cannot be read"),
            Err(error) => tracing::error!(%error, "what is mounted cannot be read"),
        }
    }
}
