use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::gauge::MountGauge;
use crate::api::volumes::Volume;
use crate::k8s::Claims;
use crate::model::{Backend, Bytes, VolumeId};
use crate::monitor::Gauge;

/// One volume of the pod: mounted here, or only claimed.
pub(super) struct Slot {
    pub(super) id: VolumeId,
    pub(super) name: String,
    pub(super) claim: Option<String>,
    pub(super) created: OffsetDateTime,
    /// `None`: it was claimed from here, and is mounted nowhere in this pod.
    pub(super) mounted: Option<(PathBuf, Arc<MountGauge>)>,
    wish: Mutex<Wish>,
    /// Held by whoever measures it.
    look: Arc<tokio::sync::Mutex<()>>,
}

/// What its claim is known to ask for.
struct Wish {
    request: Bytes,
    /// What a volume has that cannot be measured here; what was asked for until it is bound.
    capacity: Bytes,
    /// Before that the API server is not asked again.
    next_look: Instant,
}

/// A client may ask for the quota many times a second; the API server is for all.
const BETWEEN_LOOKS: Duration = Duration::from_secs(30);
/// Where it answered nothing: a claim without the right to read it, or no cluster.
const AFTER_FAILURE: Duration = Duration::from_secs(300);
/// A filesystem that does not answer in that time hangs.
const PATIENCE: Duration = Duration::from_secs(2);

impl Slot {
    pub(super) fn new(name: &str, claim: Option<String>, mounted: Option<(PathBuf, Arc<MountGauge>)>) -> Self {
        let wish = Wish { request: Bytes::ZERO, capacity: Bytes::ZERO, next_look: Instant::now() };
        Self {
            id: VolumeId::from_name(name),
            name: name.to_owned(),
            claim,
            created: OffsetDateTime::now_utc(),
            mounted,
            wish: Mutex::new(wish),
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

    /// The same without asking anything.
    fn last_size(&self) -> Option<Bytes> {
        self.mounted.as_ref().and_then(|(_, gauge)| gauge.last_size())
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

    pub(super) fn volume(&self, namespace: Option<&str>, size: Bytes) -> Volume {
        let mounted = self.mounted.as_ref();
        Volume {
            id: self.id.clone(),
            name: self.name.clone(),
            claim: self.claim.clone(),
            namespace: self.claim.as_ref().and(namespace).map(str::to_owned),
            path: mounted.map(|(path, _)| path.clone()),
            created: self.created,
            size,
            backend: Backend::Loop,
            fs: mounted.and_then(|(_, gauge)| gauge.fs()),
        }
    }

    /// Whether its claim asks for more than it has, as far as is known; looks again in the background, now and then.
    pub(super) fn is_pending(self: &Arc<Self>, claims: &Arc<dyn Claims>) -> bool {
        let (request, is_due) = {
            let mut wish = self.wish();
            let is_due = self.claim.is_some() && Instant::now() >= wish.next_look;
            if is_due {
                wish.next_look = Instant::now() + BETWEEN_LOOKS;
            }
            (wish.request, is_due)
        };
        if let (true, Ok(runtime)) = (is_due, tokio::runtime::Handle::try_current()) {
            let (slot, claims) = (self.clone(), claims.clone());
            runtime.spawn(async move { slot.look(claims.as_ref()).await });
        }
        // Asked with every measurement, on the thread of all requests: sysfs, which may be slow, only while it matters.
        let is_met = self.last_size().is_some_and(|size| request <= size);
        !is_met && self.size().is_some_and(|size| request > size)
    }

    /// Learns from its claim what it asks for.
    pub(super) async fn look(&self, claims: &dyn Claims) {
        let Some(claim) = &self.claim else { return };
        match claims.read(claim).await {
            Ok(found) => {
                let mut wish = self.wish();
                wish.request = found.request;
                if found.capacity > Bytes::ZERO {
                    wish.capacity = found.capacity;
                }
                wish.next_look = Instant::now() + BETWEEN_LOOKS;
            }
            Err(_) => self.wish().next_look = Instant::now() + AFTER_FAILURE,
        }
    }

    /// It was grown, or is being grown.
    pub(super) fn asked_for(&self, size: Bytes, is_done: bool) {
        let mut wish = self.wish();
        wish.request = wish.request.max(size);
        if is_done {
            wish.capacity = wish.capacity.max(size);
        }
        drop(wish);
        if let (true, Some((_, gauge))) = (is_done, &self.mounted) {
            gauge.grown_to(size);
        }
    }

    /// What it asks for is not known any more: it was taken back.
    pub(super) fn forget(&self) {
        let mut wish = self.wish();
        wish.request = Bytes::ZERO;
        wish.next_look = Instant::now();
    }

    fn wish(&self) -> MutexGuard<'_, Wish> {
        // Nothing panics while it is held.
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
