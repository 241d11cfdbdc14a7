use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;

use super::gauge::MountGauge;
use super::wish::Wish;
use crate::api::volumes::Volume;
use crate::k8s::Claims;
use crate::model::{Bytes, Reading, VolumeId};
use crate::monitor::Gauge;

/// One volume of the pod: mounted here, or only claimed.
pub(super) struct Slot {
    pub(super) id: VolumeId,
    pub(super) name: String,
    pub(super) claim: Option<String>,
    /// `None`: it was claimed from here, and is mounted nowhere in this pod.
    pub(super) mounted: Option<(PathBuf, Arc<MountGauge>)>,
    /// Since when it is known here.
    met: OffsetDateTime,
    wish: Mutex<Wish>,
    is_given: AtomicBool,
    /// Held by whoever measures it.
    look: Arc<tokio::sync::Mutex<()>>,
}

/// Measures a volume, and knows by its claim whether its filesystem has yet to grow.
pub(super) struct ClaimGauge {
    pub(super) slot: Arc<Slot>,
    pub(super) gauge: Arc<MountGauge>,
    pub(super) claims: Arc<dyn Claims>,
}

/// A filesystem that does not answer in that time hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// So long a list waits for the first measurement of a volume.
const FIRST: Duration = Duration::from_millis(200);

impl Slot {
    pub(super) fn new(name: &str, claim: Option<String>, mounted: Option<(PathBuf, Arc<MountGauge>)>) -> Self {
        Self {
            id: VolumeId::from_name(name),
            name: name.to_owned(),
            claim,
            mounted,
            met: OffsetDateTime::now_utc(),
            wish: Mutex::new(Wish::new()),
            is_given: AtomicBool::new(false),
            look: Arc::default(),
        }
    }

    /// What it has, as far as that is known without waiting.
    pub(super) fn size(&self) -> Option<Bytes> {
        match &self.mounted {
            Some((_, gauge)) => gauge.size(),
            None => Some(self.wish().capacity),
        }
    }

    /// What it has, measured now; the last known where the filesystem does not answer.
    ///
    /// # Errors
    /// It is not there, and why.
    pub(super) async fn measured(&self) -> Result<Bytes, String> {
        if let Some((_, gauge)) = &self.mounted {
            let (gauge, look) = (gauge.clone(), self.look.clone());
            // One look at a time, so that a filesystem that hangs holds one thread, however many ask.
            let reading = async move {
                let alone = look.lock_owned().await;
                let look = tokio::task::spawn_blocking(move || (gauge.read(), alone));
                look.await.map(|(reading, _)| reading)
            };
            if let Ok(Ok(Err(lost))) = tokio::time::timeout(PATIENCE, reading).await {
                return Err(lost);
            }
        }
        self.size().ok_or_else(|| format!("the filesystem of volume {} does not answer", self.name))
    }

    /// Sees to it that it was measured, if that can be done in a moment. Where somebody is at it, nobody else waits: it may hang.
    pub(super) async fn meet(&self) {
        if self.size().is_none() && self.look.try_lock().is_ok() {
            // An error: it is lost, or hangs, and its size stays unknown.
            let _ = tokio::time::timeout(FIRST, self.measured()).await;
        }
    }

    /// Gives it out. Whether that is the first time.
    pub(super) fn give(&self) -> bool {
        !self.is_given.swap(true, Ordering::Relaxed)
    }

    pub(super) fn volume(&self, namespace: Option<&str>, size: Bytes) -> Volume {
        let mounted = self.mounted.as_ref();
        let made = self.wish().created.or_else(|| mounted?.1.born());
        Volume {
            id: self.id.clone(),
            name: self.name.clone(),
            claim: self.claim.clone(),
            namespace: self.claim.as_ref().and(namespace).map(str::to_owned),
            path: mounted.map(|(path, _)| path.clone()),
            created: made.unwrap_or(self.met),
            size,
            backend: mounted.and_then(|(_, gauge)| gauge.backend()),
            fs: mounted.and_then(|(_, gauge)| gauge.fs()),
        }
    }

    /// Whether its claim asks for more than that, as far as is known; looks again behind, now and then.
    pub(super) fn is_pending(self: &Arc<Self>, size: Bytes, claims: &Arc<dyn Claims>) -> bool {
        self.look_behind(claims, |_| true);
        self.wish().request > size
    }

    /// What its filesystem has, while it is known to have yet to follow a device that has grown.
    pub(super) fn behind(&self) -> Option<Bytes> {
        let (size, wish) = (self.last_size()?, self.wish());
        Some(wish.capacity).filter(|capacity| wish.waits() && *capacity < size)
    }

    /// Has its claim read behind, where that is wanted and due.
    fn look_behind(self: &Arc<Self>, claims: &Arc<dyn Claims>, is_wanted: impl FnOnce(&Wish) -> bool) {
        let is_due = self.claim.is_some() && {
            let mut wish = self.wish();
            is_wanted(&wish) && wish.take_turn()
        };
        if let (true, Ok(runtime)) = (is_due, tokio::runtime::Handle::try_current()) {
            let (slot, claims) = (self.clone(), claims.clone());
            runtime.spawn(async move { slot.look(claims.as_ref()).await });
        }
    }

    /// Learns from its claim what it asks for.
    pub(super) async fn look(&self, claims: &dyn Claims) {
        let Some(claim) = &self.claim else { return };
        let size = self.last_size().unwrap_or_default();
        match claims.read(claim).await {
            Ok(found) => self.wish().learn(&found, size),
            Err(error) => self.wish().fail(&error),
        }
    }

    /// It was grown, or is being grown.
    pub(super) fn asked_for(&self, size: Bytes, is_done: bool) {
        self.wish().asked_for(size, is_done);
        if let (true, Some((_, gauge))) = (is_done, &self.mounted) {
            gauge.grown_to(size);
        }
    }

    /// What it asks for is not known any more: it was taken back.
    pub(super) fn forget(&self) {
        self.wish().forget();
    }

    /// What was last measured.
    fn last_size(&self) -> Option<Bytes> {
        self.mounted.as_ref().and_then(|(_, gauge)| gauge.last_size())
    }

    fn wish(&self) -> MutexGuard<'_, Wish> {
        // Nothing panics while it is held.
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauge for ClaimGauge {
    fn read(&self) -> Result<Reading, String> {
        self.gauge.read()
    }

    fn behind(&self) -> Option<Bytes> {
        let size = self.slot.last_size()?;
        self.slot.look_behind(&self.claims, |wish| wish.is_old(size));
        self.slot.behind()
    }
}
