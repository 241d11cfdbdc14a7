//! The pod as a place where the quota API is served: the volumes that are mounted beside it, grown through their claims.
//!
//! No privilege is needed: sizes are read from what any process may read, and growing is a right of the pod's service
//! account. A claim must be told (`pvc=`): a container cannot see which claim is behind a path, and to ask for its own
//! Pod object would be a right that the pod does not need otherwise.

mod flags;
mod gauge;
mod slot;
mod wish;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::timeout;

pub use flags::{InvalidVolume, NamedVolume, parse_volumes_of};
pub use gauge::MountGauge;

use super::volumes::{Create, Created, Error, Resized, Volume, Volumes};
use crate::host::Machine;
use crate::k8s::{Claims, Growth, NewClaim};
use crate::model::Bytes;
use crate::monitor::Target;
use slot::{ClaimGauge, Slot};

/// How a pod is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The volumes that are mounted in it.
    pub volumes: Vec<NamedVolume>,
    /// `--provision`: a client that wants a volume gets a new claim, of this StorageClass.
    pub provision: Option<String>,
    /// What the names of new claims begin with: the pod's name.
    pub prefix: String,
    /// `--resize-wait`: how long a resize is waited for.
    pub resize_wait: Duration,
}

/// The volumes of one pod.
pub struct Pod {
    slots: RwLock<Vec<Arc<Slot>>>,
    claims: Arc<dyn Claims>,
    namespace: Option<String>,
    provision: Option<String>,
    prefix: String,
    resize_wait: Duration,
    /// Whose turn it is to be handed out.
    turn: AtomicUsize,
}

/// An API server that takes longer keeps nobody from being served.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is asked for where nobody says: Lightd's own.
const DEFAULT_SIZE: Bytes = Bytes::gib(1);

impl Pod {
    /// The volumes of a pod on that machine. Nothing is measured yet, and no API server asked.
    pub fn new(settings: Settings, machine: &Machine, claims: Arc<dyn Claims>) -> Self {
        let Settings { volumes, provision, prefix, resize_wait } = settings;
        let slots = volumes.into_iter().map(|NamedVolume { name, path, claim, size }| {
            let gauge = Arc::new(MountGauge::new(&path, size, machine.clone()));
            Arc::new(Slot::new(&name, claim, Some((path, gauge))))
        });
        let namespace = claims.namespace();
        let slots = RwLock::new(slots.collect());
        Self { slots, claims, namespace, provision, prefix, resize_wait, turn: AtomicUsize::new(0) }
    }

    /// Learns from the claims since when they are there, and what they wait for.
    pub async fn meet(&self) {
        let slots = self.slots();
        let _ = timeout(PATIENCE, join_all(slots.iter().map(|slot| slot.look(self.claims.as_ref())))).await;
    }

    fn slots(&self) -> Vec<Arc<Slot>> {
        // Nothing panics while it is held.
        self.slots.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn slot(&self, volume: &Volume) -> Result<Arc<Slot>, Error> {
        self.slots().into_iter().find(|slot| slot.id == volume.id).ok_or(Error::NotFound)
    }

    fn volume(&self, slot: &Slot, size: Bytes) -> Volume {
        slot.volume(self.namespace.as_deref(), size)
    }

    /// What a volume has now: of one that has yet to follow its device, what it had.
    async fn found(&self, slot: &Arc<Slot>) -> Result<Bytes, String> {
        let size = slot.measured().await?;
        Ok(slot.behind().unwrap_or(size))
    }

    /// Grows the claim, and is done with that also where the client does not wait for it: what does not fit is taken back.
    async fn grow(&self, slot: &Arc<Slot>, previous: Bytes, size: Bytes) -> Result<Resized, Error> {
        let claim = slot.claim.clone().ok_or_else(|| Error::Forbidden(unknown_claim(slot)))?;
        let (claims, wait, slot) = (self.claims.clone(), self.resize_wait, slot.clone());
        let name = claim.clone();
        let growing = tokio::spawn(async move {
            let growth = claims.grow(&name, size, wait).await;
            match &growth {
                Growth::Completed(_) => slot.asked_for(size, true),
                Growth::Pending(_) => slot.asked_for(size, false),
                _ => slot.forget(),
            }
            growth
        });
        let growth = growing.await.map_err(|error| Error::Failed(format!("growing claim {claim}: {error}")))?;
        match growth {
            Growth::Completed(_) => Ok(Resized { previous, size, is_pending: false }),
            Growth::Pending(_) => Ok(Resized { previous, size, is_pending: true }),
            Growth::Forbidden(reason) => Err(Error::Forbidden(reason)),
            Growth::NoRoom(reason) => {
                tracing::warn!(claim, reason, "no room");
                Err(Error::NoRoom { reason: Some(reason) })
            }
            Growth::Failed(reason) => Err(Error::Failed(format!("growing claim {claim}: {reason}"))),
            Growth::NotFound => {
                let place = self.namespace.as_deref().unwrap_or("this pod's namespace");
                let reason = format!("there is no claim {claim} in {place}: pvc= must name the claim of this volume");
                Err(Error::Refused { code: Some("claim_not_found"), reason })
            }
        }
    }

    /// The next of the pod's own volumes that is there, and whether it is handed out for the first time.
    async fn next(&self) -> Result<(Arc<Slot>, Bytes, bool), Error> {
        let slots = self.slots();
        let mut lost = Vec::new();
        for _ in 0..slots.len() {
            let slot = &slots[self.turn.fetch_add(1, Ordering::Relaxed) % slots.len()];
            match self.found(slot).await {
                Ok(size) => return Ok((slot.clone(), size, slot.give())),
                Err(reason) => lost.push(reason),
            }
        }
        Err(Error::Failed(match lost.as_slice() {
            [] => "this pod has no volume: name one (--volume data=/data,pvc=my-claim)".to_owned(),
            lost => lost.join("; "),
        }))
    }

    async fn provision(&self, class: &str, size: Bytes) -> Result<Created, Error> {
        let new = NewClaim { class: class.to_owned(), size, prefix: self.prefix.clone() };
        let made = self.claims.create(&new).await.map_err(|error| match error {
            crate::k8s::Error::Forbidden(reason) => Error::Forbidden(reason),
            error => Error::Failed(format!("making a claim of class {class}: {error}")),
        })?;
        let slot = Arc::new(Slot::new(&made.name, Some(made.name.clone()), None));
        slot.asked_for(size, true);
        let volume = self.volume(&slot, size);
        self.slots.write().unwrap_or_else(PoisonError::into_inner).push(slot);
        Ok(Created { volume, is_new: true })
    }
}

#[async_trait]
impl Volumes for Pod {
    async fn list(&self) -> Result<Vec<Volume>, Error> {
        let slots = self.slots();
        join_all(slots.iter().map(|slot| slot.meet())).await;
        // As they were measured last: one that does not answer holds up no list.
        Ok(slots.iter().map(|slot| self.volume(slot, slot.size().unwrap_or_default())).collect())
    }

    async fn create(&self, create: Create) -> Result<Created, Error> {
        let Create { size, name, fs, pool, sparse } = create;
        if name.is_some() || fs.is_some() || pool.is_some() || sparse.is_some() {
            let reason = "in a pod only 'size' can be chosen: name, fs, pool and sparse are those of the claim";
            return Err(Error::Invalid(reason.to_owned()));
        }
        let size = size.unwrap_or(DEFAULT_SIZE);
        if let Some(class) = &self.provision {
            return self.provision(class, size).await;
        }
        let (slot, mut now, is_new) = self.next().await?;
        if now < size {
            // Not permitted, no room, not yet: then the answer has the true size.
            self.grow(&slot, now, size).await.ok();
            now = self.found(&slot).await.unwrap_or(now);
        }
        Ok(Created { volume: self.volume(&slot, now), is_new: is_new && now >= size })
    }

    async fn resize(&self, volume: &Volume, size: Bytes) -> Result<Resized, Error> {
        let slot = self.slot(volume)?;
        let found = self.found(&slot).await.map_err(Error::Failed)?;
        // Clients count in MiB: a volume of 2 GiB and 4096 bytes shows as 2048.
        if size <= found && size >= Bytes::mib(found.get() >> 20) {
            return Ok(Resized { previous: found, size: found, is_pending: false });
        }
        if size < found {
            let reason = format!("volume {} has {found}, and Kubernetes cannot shrink a claim to {size}", slot.name);
            return Err(Error::Refused { code: Some("shrink_not_supported"), reason });
        }
        self.grow(&slot, found, size).await
    }

    async fn delete(&self, volume: &Volume) -> Result<(), Error> {
        let slot = self.slot(volume)?;
        let reason = match (&slot.claim, &self.namespace) {
            (Some(claim), Some(namespace)) => {
                format!("delete its claim instead: kubectl delete pvc {claim} -n {namespace}")
            }
            (Some(claim), None) => format!("delete its claim instead: kubectl delete pvc {claim}"),
            (None, _) => format!("volume {} belongs to this pod: delete the claim that is mounted there", slot.name),
        };
        Err(Error::Refused { code: Some("delete_the_claim"), reason })
    }

    fn pending(&self, volume: &Volume, size: Bytes) -> bool {
        self.slot(volume).is_ok_and(|slot| slot.is_pending(size, &self.claims))
    }

    fn targets(&self) -> Result<Vec<Target>, Error> {
        let slots = self.slots();
        let target = |slot: &Arc<Slot>| {
            let (id, gauge) = (slot.id.clone(), slot.mounted.as_ref()?.1.clone());
            let gauge = Arc::new(ClaimGauge { slot: slot.clone(), gauge, claims: self.claims.clone() });
            // A volume's own warning percentage stands in its record, which nobody in a pod sees.
            Some(Target { id, gauge, generation: 0, warn_percent: None })
        };
        Ok(slots.iter().filter_map(target).collect())
    }
}

fn unknown_claim(slot: &Slot) -> String {
    let path = slot.mounted.as_ref().map(|(path, _)| path.display().to_string()).unwrap_or_default();
    let name = &slot.name;
    format!("the claim of volume {name} is not known: start the quota API with --volume {name}={path},pvc=CLAIM")
}

#[cfg(test)]
mod tests;
