//! How full volumes are, again and again: usage into levels, levels into alerts.
//!
//! One task for each volume looks often enough to be early ([`Timing`]), makes a level of what it sees ([`Thresholds`])
//! and tells whoever listens what has changed ([`Event`]). Looks that are due together run on one thread (`crew`). One may
//! hang: that holds up no other volume for longer than a blink, and holds that thread however long it lasts.

mod course;
mod crew;
mod follow;
mod growth;
mod joint;
mod mount_changes;
mod numbers;
mod pace;
mod sampler;
mod status;
mod watched;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, broadcast};
use tokio::task::AbortHandle;

use self::course::Rules;
pub use self::follow::{Follower, Targets};
pub(crate) use self::joint::Joint;
pub use self::mount_changes::MountChanges;
pub use self::numbers::{BOUNDS, Durations, Numbers, VolumeNumbers};
pub use self::pace::Timing;
pub use self::status::{Event, Status};
use self::watched::{Busy, Cell, Common};
use crate::model::{Bytes, Reading, Thresholds, VolumeId};

/// Measures one volume. Called on a thread that may block.
pub trait Gauge: Send + Sync {
    /// The numbers of now; an error where the volume is not there as it should be: why.
    fn read(&self) -> Result<Reading, String>;

    /// Asked after a measurement, on the same thread: the size that its filesystem still has, while it is known to have yet
    /// to follow a growth.
    fn behind(&self) -> Option<Bytes> {
        None
    }

    /// Asked after an error, on the same thread: whether it is not there because we have taken it away ourselves, for a
    /// moment or for good. Then nothing is told, and it is looked at again soon.
    fn is_aside(&self) -> bool {
        false
    }
}

/// A volume to watch.
#[derive(Clone)]
pub struct Target {
    /// Which.
    pub id: VolumeId,
    /// How it is measured.
    pub gauge: Arc<dyn Gauge>,
    /// Another number than before: the gauge is another, and replaces the old one.
    pub generation: u64,
    /// The percentage of its size at which its own warning begins; `None`: as with all others. One that is not below full
    /// begins a little below it.
    pub warn_percent: Option<u8>,
}

/// Watches volumes. Clones are the same monitor; with the last of them it ends.
#[derive(Clone)]
pub struct Monitor(Arc<Inner>);

struct Inner {
    common: Arc<Common>,
    runtime: Handle,
    watched: RwLock<BTreeMap<VolumeId, Watched>>,
    /// The looks at volumes that are watched no more and have not come back: should such a volume return, its next look
    /// waits, so that it never holds two threads.
    lingering: Mutex<BTreeMap<VolumeId, Weak<Busy>>>,
    nudged: Arc<Notify>,
    nudger: AbortHandle,
    /// Whether anybody has said which volumes there are.
    is_told: AtomicBool,
}

/// A volume and the task that looks at it; the task ends with it.
struct Watched {
    cell: Arc<Cell>,
    task: AbortHandle,
}

impl Monitor {
    /// A monitor of no volumes. Inside a runtime.
    pub fn new(thresholds: Thresholds) -> Self {
        Self::with_timing(thresholds, Timing::default())
    }

    /// The same with another timing.
    pub fn with_timing(thresholds: Thresholds, timing: Timing) -> Self {
        let (runtime, nudged) = (Handle::current(), Arc::new(Notify::new()));
        Self(Arc::new_cyclic(|inner| {
            let nudger = runtime.spawn(nudge(Weak::clone(inner), Arc::clone(&nudged), timing.nudges)).abort_handle();
            let common = Arc::new(Common::new(Rules { thresholds, timing }));
            let (watched, lingering, is_told) = (RwLock::default(), Mutex::default(), AtomicBool::new(false));
            Inner { common, runtime, watched, lingering, nudged, nudger, is_told }
        }))
    }

    /// Watches these volumes and no others. What is known of those that stay is kept.
    pub fn set_targets(&self, targets: Vec<Target>) {
        let wanted: HashSet<&VolumeId> = targets.iter().map(|target| &target.id).collect();
        let mut watched = self.0.write();
        let unwanted: Vec<VolumeId> = watched.keys().filter(|id| !wanted.contains(id)).cloned().collect();
        unwanted.iter().for_each(|id| self.0.take(&mut watched, id));
        targets.into_iter().for_each(|target| self.0.put(&mut watched, target));
        self.0.is_told.store(true, Ordering::Release);
    }

    /// All volumes as they are known, by id.
    pub fn statuses(&self) -> Vec<Arc<Status>> {
        self.0.read().values().map(|watched| watched.cell.status()).collect()
    }

    /// One volume as it is known.
    pub fn status(&self, id: &VolumeId) -> Option<Arc<Status>> {
        self.0.read().get(id).map(|watched| watched.cell.status())
    }

    /// Everything that happens from now on. Subscribe first, then ask for [`Monitor::statuses`], so that nothing falls in
    /// between. Who lags asks for them again: `entered_full` says whether an alert was missed.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.common.events.subscribe()
    }

    /// A volume as it is now, by a look that begins after the call; those who ask at once share one. It waits at most the
    /// time limit, and not at all for a volume that hangs already: then the last that is known, marked `hung`.
    pub async fn measure(&self, id: &VolumeId) -> Option<Arc<Status>> {
        let cell = Arc::clone(&self.0.read().get(id)?.cell);
        cell.fresh(self.0.common.rules.timing.limit).await
    }

    /// Looks at every volume now, or, if that was just done, in a moment.
    pub fn nudge(&self) {
        self.0.nudged.notify_one();
    }

    /// Whether every volume is there as it should be: else each that is not, and why, on a line of its own.
    pub fn ready(&self) -> Result<(), String> {
        if !self.0.is_told.load(Ordering::Acquire) {
            return Err("which volumes are here is not known yet".to_owned());
        }
        let amiss: Vec<String> = self.0.read().values().filter_map(|watched| watched.cell.amiss()).collect();
        if amiss.is_empty() { Ok(()) } else { Err(amiss.join("\n")) }
    }

    /// What was counted.
    pub fn numbers(&self) -> Numbers {
        let volumes = self.0.read().values().map(|watched| watched.cell.numbers()).collect();
        Numbers { volumes, durations: self.0.common.clocked.read() }
    }
}

impl Inner {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<VolumeId, Watched>> {
        self.watched.read().expect("no holder panics")
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<VolumeId, Watched>> {
        self.watched.write().expect("no holder panics")
    }

    fn put(&self, watched: &mut BTreeMap<VolumeId, Watched>, target: Target) {
        if let Some(known) = watched.get(&target.id) {
            return known.cell.replace(target);
        }
        let busy = self.lingering.lock().expect("no holder panics").remove(&target.id);
        let busy = busy.and_then(|busy| busy.upgrade()).unwrap_or_default();
        let (id, cell) = (target.id.clone(), Arc::new(Cell::new(target, busy)));
        let task = self.runtime.spawn(sampler::run(Arc::clone(&cell), Arc::clone(&self.common))).abort_handle();
        watched.insert(id, Watched { cell, task });
    }

    fn take(&self, watched: &mut BTreeMap<VolumeId, Watched>, id: &VolumeId) {
        let Some(gone) = watched.remove(id) else { return };
        gone.cell.retire(&self.common);
        let mut lingering = self.lingering.lock().expect("no holder panics");
        lingering.retain(|_, busy| busy.strong_count() > 0);
        if gone.cell.is_looked_at() {
            lingering.insert(id.clone(), gone.cell.busy());
        }
    }
}

/// One round through all volumes for each nudge, the first at once, the next not before `pause` is over.
async fn nudge(inner: Weak<Inner>, nudged: Arc<Notify>, pause: Duration) {
    loop {
        nudged.notified().await;
        let Some(inner) = inner.upgrade() else { return };
        for watched in inner.read().values() {
            watched.cell.wake();
        }
        drop(inner);
        tokio::time::sleep(pause).await;
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.nudger.abort();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Monitor").field(&self.statuses()).finish()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("id", &self.id).field("generation", &self.generation).finish_non_exhaustive()
    }
}
