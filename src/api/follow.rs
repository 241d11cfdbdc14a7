//! The monitor follows the mounts of this machine, whoever changes them.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::volumes::Volumes;
use crate::monitor::{Monitor, MountChanges};

/// What changes in a burst is looked at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the kernel does not tell of changes, or a look has failed, the next is no later.
const AT_LEAST: Duration = Duration::from_secs(10);

/// Follows for ever.
pub async fn follow(volumes: Arc<dyn Volumes>, monitor: Monitor) {
    let mut changes = MountChanges::new()
        .inspect_err(|error| {
            tracing::warn!(%error, "the kernel does not tell when mounts change: they are looked at every 10 s");
        })
        .ok();
    loop {
        monitor.nudge();
        look(&volumes, &monitor).await;
        sleep(PAUSE).await;
        match &mut changes {
            Some(changes) => drop(timeout(AT_LEAST, changes.changed()).await),
            None => sleep(AT_LEAST).await,
        }
    }
}

/// Makes the monitor watch what is mounted now.
pub(super) async fn look(volumes: &Arc<dyn Volumes>, monitor: &Monitor) {
    let volumes = volumes.clone();
    match spawn_blocking(move || volumes.targets()).await {
        Ok(Ok(targets)) => monitor.set_targets(targets),
        Ok(Err(error)) => tracing::warn!(%error, "what is mounted cannot be read"),
        Err(error) => tracing::error!(%error, "what is mounted cannot be read"),
    }
}
