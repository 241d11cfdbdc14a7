use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::{Joint, Monitor, MountChanges, Target};

/// What can be measured now, or why nobody knows. It may block.
pub type Targets = Arc<dyn Fn() -> Read + Send + Sync>;

type Read = Result<Vec<Target>, String>;

/// What changes in a burst is looked at once, unless [`Follower::pausing`] says more.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the kernel does not tell of changes, or a look has failed, the next is no later.
const AT_LEAST: Duration = Duration::from_secs(10);

/// A disk that does not answer keeps a look, and nobody who waits for it.
const LIMIT: Duration = Duration::from_secs(5);

/// Makes a monitor watch what is mounted on this machine, whoever mounts it.
pub struct Follower {
    targets: Targets,
    monitor: Monitor,
    /// From reading what is mounted until it is watched: an older list never comes after a newer one.
    looks: Joint<()>,
    /// The last look did not come back in time.
    is_late: AtomicBool,
    pause: Duration,
}

impl Follower {
    /// Nothing is looked at yet.
    pub fn new(targets: Targets, monitor: Monitor) -> Self {
        Self { targets, monitor, looks: Joint::new(LIMIT), is_late: AtomicBool::new(false), pause: PAUSE }
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

    /// Makes the monitor watch what is mounted now; where that cannot be read in time, it watches what it did.
    pub async fn look(&self) {
        let looked = self.looks.ask(|| {
            let (targets, monitor) = (self.targets.clone(), self.monitor.clone());
            async move { take(&monitor, spawn_blocking(move || targets()).await) }
        });
        let is_late = looked.await.is_none();
        if is_late && !self.is_late.swap(is_late, Ordering::Relaxed) {
            tracing::warn!("what is mounted cannot be read: a disk does not answer");
        }
        self.is_late.store(is_late, Ordering::Relaxed);
    }
}

fn take(monitor: &Monitor, read: Result<Read, JoinError>) {
    match read {
        Ok(Ok(targets)) => monitor.set_targets(targets),
        Ok(Err(error)) => tracing::warn!(%error, "what is mounted cannot be read"),
        Err(error) => tracing::error!(%error, "what is mounted cannot be read"),
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("monitor", &self.monitor).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;
    use crate::model::{Reading, Thresholds, VolumeId};
    use crate::monitor::Gauge;

    struct Empty;

    impl Gauge for Empty {
        fn read(&self) -> Result<Reading, String> {
            Ok(Reading::default())
        }
    }

    /// The look that is under way ends, or the limit is over.
    async fn looked(follower: &Arc<Follower>) {
        let follower = follower.clone();
        let look = tokio::spawn(async move { follower.look().await });
        for _ in 0..1000 {
            if look.is_finished() {
                return;
            }
            tokio::task::yield_now().await;
            tokio::time::advance(LIMIT / 50).await; // paused time stands while a thread works
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it waits for ever");
    }

    #[tokio::test]
    async fn a_look_that_sticks_keeps_nobody_waiting_and_there_is_no_second() {
        let monitor = Monitor::new(Thresholds::default());
        let (release, released) = mpsc::channel::<()>();
        let (looks, released) = (Arc::new(AtomicUsize::new(0)), std::sync::Mutex::new(released));
        let counted = looks.clone();
        let targets = move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            if number == 1 {
                let _ = released.lock().unwrap().recv();
            }
            let id = VolumeId::from_name(&format!("v{number}"));
            Ok(vec![Target { id, gauge: Arc::new(Empty), generation: 0, warn_percent: None }])
        };
        let follower = Arc::new(Follower::new(Arc::new(targets), monitor.clone()));
        let watched = || monitor.statuses().iter().map(|status| status.id.to_string()).collect::<Vec<_>>();
        tokio::time::pause();
        looked(&follower).await;
        for _ in 0..3 {
            looked(&follower).await;
            assert_eq!((watched(), looks.load(Ordering::SeqCst)), (vec!["v0".to_owned()], 2));
        }
        release.send(()).unwrap();
        while watched() != ["v1"] {
            std::thread::sleep(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
        looked(&follower).await;
        assert_eq!((watched(), looks.load(Ordering::SeqCst)), (vec!["v2".to_owned()], 3));
    }
}
