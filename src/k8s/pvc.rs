use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::claim::{Trouble, Verdict};
use super::client::PATIENCE;
use super::quantity::quantity;
use super::{Claim, Claims, Cluster, Error, Growth, NewClaim, Result};
use crate::model::Bytes;

/// A claim that asks for what we want.
struct Asked {
    claim: Claim,
    /// The request that we replaced; `None` where it asked for as much already.
    replaced: Option<Bytes>,
    /// What was wrong before: no answer to what is asked now.
    stale: Vec<Trouble>,
}

/// So often somebody else may change the claim between our reading and our writing: controllers write its status.
const ATTEMPTS: usize = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The API server refuses to lower a request to what the volume has; this much more it accepts.
const STEP: Bytes = Bytes::new(4096);

#[async_trait]
impl Claims for Cluster {
    fn namespace(&self) -> Option<String> {
        self.own_namespace()
    }

    async fn read(&self, name: &str) -> Result<Claim> {
        let claims = self.claims().await?;
        in_time(claims.get(name)).await.map(|found| Claim::of(&found))
    }

    async fn grow(&self, name: &str, size: Bytes, wait: Duration) -> Growth {
        let end = Instant::now() + wait;
        let asked = match self.ask(name, size).await {
            Ok(asked) => asked,
            Err(error) => return refused(error),
        };
        let (request, replaced) = (asked.claim.request, asked.replaced);
        match self.follow(asked, size, end).await {
            Growth::NoRoom(reason) if replaced.is_some() => {
                Growth::NoRoom(format!("{reason}; {}", self.take_back(name, size, replaced).await))
            }
            Growth::NoRoom(reason) => Growth::NoRoom(format!(
                "{reason}; the claim asks for {request}, which this call did not ask for: it stays"
            )),
            outcome => outcome,
        }
    }

    async fn create(&self, new: &NewClaim) -> Result<Claim> {
        let claims = self.claims().await?;
        let (params, claim) = (PostParams::default(), manifest(new));
        in_time(claims.create(&params, &claim)).await.map(|made| Claim::of(&made))
    }
}

impl Cluster {
    /// Makes the claim ask for at least `size`.
    async fn ask(&self, name: &str, size: Bytes) -> Result<Asked> {
        let mut last = Error::Conflict(name.to_owned());
        for _ in 0..ATTEMPTS {
            let found = self.read(name).await?;
            if found.request >= size {
                return Ok(Asked { claim: found, replaced: None, stale: Vec::new() });
            }
            match self.patch(&found, size).await {
                Ok(claim) => return Ok(Asked { claim, replaced: Some(found.request), stale: found.troubles }),
                Err(error @ Error::Conflict(_)) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Sets the request, and nothing else, of the claim as it was found: changed meanwhile, it is a conflict.
    async fn patch(&self, found: &Claim, size: Bytes) -> Result<Claim> {
        let claims = self.claims().await?;
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": found.version},
            "spec": {"resources": {"requests": {"storage": quantity(size)}}},
        }));
        let params = PatchParams::default();
        in_time(claims.patch(&found.name, &params, &patch)).await.map(|claim| Claim::of(&claim))
    }

    /// Until it is done or refused, at most until `end`.
    async fn follow(&self, asked: Asked, size: Bytes, end: Instant) -> Growth {
        let Asked { mut claim, mut stale, .. } = asked;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut reason = match claim.verdict(size, &stale) {
                Verdict::Done => return Growth::Completed(claim.capacity),
                Verdict::NoRoom(reason) => return Growth::NoRoom(reason),
                Verdict::Never(reason) => return Growth::Failed(reason),
                Verdict::Waiting(reason) => reason,
            };
            loop {
                if Instant::now() >= end {
                    return Growth::Pending(reason);
                }
                sleep(pause.min(end - Instant::now())).await;
                pause = (pause * 3 / 2).min(LONGEST_PAUSE);
                // An API server that is away for a moment takes nothing back: the claim asks for it.
                match self.read(&claim.name).await {
                    Ok(found) => {
                        claim = found;
                        break;
                    }
                    Err(Error::NotFound(_)) => return Growth::NotFound,
                    Err(error) => reason = error.to_string(),
                }
            }
            // Once gone, the same trouble is a new one.
            stale.retain(|trouble| claim.troubles.contains(trouble));
        }
    }

    /// Lowers the request again where it is still ours; what became of it, in words.
    async fn take_back(&self, name: &str, size: Bytes, replaced: Option<Bytes>) -> String {
        let mut last = Error::Conflict(name.to_owned());
        for _ in 0..ATTEMPTS {
            let claim = match self.read(name).await {
                Ok(claim) => claim,
                Err(error) => return format!("the claim still asks for {size}: {error}"),
            };
            let lowest = claim.capacity.saturating_add(STEP);
            let target = replaced.unwrap_or_default().max(lowest);
            if claim.request != size || target >= size {
                return format!("the claim asks for {}", claim.request);
            }
            match self.patch(&claim, target).await {
                Ok(claim) => return format!("the claim was lowered to {} bytes again", claim.request.get()),
                Err(error @ Error::Conflict(_)) => last = error,
                Err(error) => return format!("the claim still asks for {size}: {error}"),
            }
        }
        format!("the claim still asks for {size}: {last}")
    }
}

/// An answer, where it comes in time.
pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T> {
    timeout(PATIENCE, answer).await.map_err(|_| Error::Slow(PATIENCE))?.map_err(Error::from)
}

fn refused(error: Error) -> Growth {
    match error {
        Error::Forbidden(reason) => Growth::Forbidden(reason),
        Error::NotFound(_) => Growth::NotFound,
        error => Growth::Failed(error.to_string()),
    }
}

fn manifest(new: &NewClaim) -> PersistentVolumeClaim {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let labels = BTreeMap::from([
        label("app.kubernetes.io/managed-by", "ullage"),
        label("app.kubernetes.io/component", "quota-api"),
    ]);
    let requests = BTreeMap::from([("storage".to_owned(), quantity(new.size))]);
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-", new.prefix)),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
            storage_class_name: Some(new.class.clone()),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests;
