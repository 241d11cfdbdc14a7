use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::news::{self, News};
use crate::api::pod::NamedVolume;
use crate::k8s::events::{Events, Reporter, Subject, SubjectKind};
use crate::k8s::{Claims, Cluster};
use crate::model::{Level, VolumeId};
use crate::monitor::{Event, Monitor};

/// Tells of a volume that is full on its claim, and on the pod in which this process runs, where that is permitted.
pub(in crate::commands) struct PodHerald {
    claims: Arc<dyn Claims>,
    events: Events,
    /// By the volume's id: its claim, where it is told, and else its name.
    volumes: BTreeMap<VolumeId, (Option<String>, String)>,
    pod: Option<Subject>,
    namespace: Option<String>,
    /// Whether it was said that a claim cannot be read.
    is_said: bool,
}

/// What reports in a pod.
const CONTROLLER: &str = "ullage.dev/quota-api";

impl PodHerald {
    /// The herald of these volumes; nobody is asked before one is full. `None`: nothing is known that could have an event.
    pub(in crate::commands) fn new(cluster: &Arc<Cluster>, volumes: &[NamedVolume]) -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let namespace = variable("POD_NAMESPACE").or_else(|| cluster.namespace());
        let own = (variable("POD_NAME"), variable("POD_UID"), namespace.clone());
        let pod = match own {
            (Some(name), Some(uid), Some(namespace)) => Some(Subject { kind: SubjectKind::Pod, namespace, name, uid }),
            _ => None,
        };
        if pod.is_none() && volumes.iter().all(|volume| volume.claim.is_none()) {
            return None;
        }
        let instance = variable("POD_NAME").or_else(|| variable("HOSTNAME")).unwrap_or_else(|| "ullage".to_owned());
        let from = Reporter { controller: CONTROLLER.to_owned(), instance, is_optional: true };
        let events = Events::start(cluster.clone(), from);
        let named = volumes
            .iter()
            .map(|NamedVolume { name, claim, .. }| (VolumeId::from_name(name), (claim.clone(), name.clone())));
        Some(Self { claims: cluster.clone(), events, volumes: named.collect(), pod, namespace, is_said: false })
    }

    /// Tells of everything that is full from now on, for ever.
    pub(in crate::commands) fn start(self, monitor: &Monitor) {
        tokio::spawn(self.listen(monitor.clone(), monitor.subscribe()));
    }

    async fn listen(mut self, monitor: Monitor, mut events: Receiver<Arc<Event>>) {
        loop {
            match events.recv().await {
                Ok(event) => self.hear(&event).await,
                Err(RecvError::Lagged(_)) => {
                    for (volume, news) in news::missed(&monitor) {
                        self.tell(&volume, &news).await;
                    }
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// What lasts is told again: it may be permitted now, or there may be an API server that takes it.
    async fn hear(&mut self, event: &Event) {
        if let Event::Level { status, .. } | Event::Reminder(status) = event
            && status.level == Level::Full
            && let Some(news) = News::of(event)
        {
            self.tell(&status.id, &news).await;
        }
    }

    async fn tell(&mut self, volume: &VolumeId, news: &News) {
        let Some((claim, name)) = self.volumes.get(volume).cloned() else { return };
        let called = news::called(&name, claim.as_deref());
        // First, as it needs no answer of anybody.
        if let Some(pod) = &self.pod {
            self.events.post(pod.clone(), news.notice(volume, &called));
        }
        if let (Some(claim), Some(namespace)) = (claim, self.namespace.clone()) {
            match self.claims.read(&claim).await {
                Ok(found) => {
                    let subject = Subject { kind: SubjectKind::Claim, namespace, name: claim, uid: found.uid };
                    self.events.post(subject, news.notice(volume, &called));
                }
                Err(error) if !self.is_said => {
                    tracing::info!(claim, %error, "no event is posted on the claim, which cannot be read");
                    self.is_said = true;
                }
                Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
