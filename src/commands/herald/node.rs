use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::errands::{Errands, NoAnswer};
use super::news::{self, News};
use crate::api::machine;
use crate::commands::samples;
use crate::csi::Refused;
use crate::engine::{self, Engine};
use crate::k8s::Cluster;
use crate::k8s::events::{Events, Reporter, Subject};
use crate::model::{Bytes, Thresholds, VolumeId};
use crate::monitor::{Follower, Monitor};
use crate::observe::metrics::WatchSource;

/// Watches every volume that is mounted on a node, and tells of it on the claims and the pods.
pub(in crate::commands) struct Watchman {
    engine: Arc<Engine>,
    monitor: Monitor,
    events: Events,
    refuse: mpsc::Sender<Refusal>,
    refusals: mpsc::Receiver<Refusal>,
    /// Whose reservation is broken, and when that was said.
    broken: BTreeMap<VolumeId, Instant>,
    /// After a volume's record, or after all reservations.
    errands: Errands<Option<VolumeId>>,
}

/// A volume that does not grow, to which size, and why.
type Refusal = (VolumeId, Bytes, String);

/// Refusals that wait; a caller that is refused asks again.
const REFUSALS: usize = 64;
/// How often reservations are looked at: as often as an engine looks after them.
const ROUND: Duration = Duration::from_secs(10);
/// Between two looks at what is mounted.
const PAUSE: Duration = Duration::from_secs(1);
/// How often it is considered to say again what lasts.
const REMINDER: Duration = Duration::from_secs(300);

impl Watchman {
    /// The watchman of a node. He asks no API server before there is something to tell. Inside a runtime.
    pub(in crate::commands) fn new(engine: &Arc<Engine>, thresholds: Thresholds, from: Reporter) -> Self {
        Self::telling(engine, thresholds, Events::start(Arc::new(Cluster::new()), from))
    }

    fn telling(engine: &Arc<Engine>, thresholds: Thresholds, events: Events) -> Self {
        let (refuse, refusals) = mpsc::channel(REFUSALS);
        let (engine, monitor) = (engine.clone(), Monitor::new(thresholds));
        Self { engine, monitor, events, refuse, refusals, broken: BTreeMap::new(), errands: Errands::new() }
    }

    /// What he has seen, as it is when somebody asks.
    pub(in crate::commands) fn source(&self) -> WatchSource {
        let monitor = self.monitor.clone();
        Arc::new(move || samples::watch(&monitor))
    }

    /// Where he is told of expansions that do not fit.
    pub(in crate::commands) fn refused(&self) -> Refused {
        let refuse = self.refuse.clone();
        Arc::new(move |volume, asked, reason| {
            // Where too many wait, this one is heard of by the claim's condition.
            let _ = refuse.try_send((volume.clone(), asked, reason.to_owned()));
        })
    }

    /// Watches from the moment when the volumes are in order, for ever. When he ends something is amiss.
    pub(in crate::commands) async fn watch(mut self, mut recovered: watch::Receiver<bool>) {
        if recovered.wait_for(|recovered| *recovered).await.is_err() {
            return;
        }
        let mut events = self.monitor.subscribe();
        let (engine, monitor) = (self.engine.clone(), self.monitor.clone());
        let targets = Arc::new(move || machine::targets(&engine).map_err(|error| error.to_string()));
        let follower = Follower::new(targets, monitor).pausing(PAUSE);
        let mut following = JoinSet::new(); // ends with him
        following.spawn(async move { follower.follow().await });
        let mut rounds = interval(ROUND);
        rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => {
                        if let Some(news) = News::of(&event) {
                            self.tell(event.id(), news).await;
                        }
                    }
                    Err(RecvError::Lagged(_)) => {
                        for (volume, news) in news::missed(&self.monitor) {
                            self.tell(&volume, news).await;
                        }
                    }
                    Err(RecvError::Closed) => return,
                },
                Some((volume, asked, reason)) = self.refusals.recv() => {
                    self.tell(&volume, News::refused_expansion(asked, &reason)).await;
                }
                _ = rounds.tick() => self.look_at_reservations().await,
                _ = following.join_next() => return,
            }
        }
    }

    async fn look_at_reservations(&mut self) {
        // Who counts a pool's room holds its lock, for as long as its disk takes to answer.
        let engine = self.engine.clone();
        let found = match self.errands.ask(&None, move || engine.broken_reservations()).await {
            Ok(found) => found,
            Err(NoAnswer::StillOut) => return,
            Err(error) => return tracing::warn!(%error, "it is not known which reservations are broken"),
        };
        self.broken.retain(|volume, _| found.contains(volume));
        for volume in found {
            let said = self.broken.get(&volume);
            if said.is_none_or(|said| said.elapsed() >= REMINDER) {
                self.tell(&volume, News::broken_reservation(said.is_some())).await;
                self.broken.insert(volume, Instant::now());
            }
        }
    }

    /// Posts news on everybody whom they concern.
    async fn tell(&mut self, volume: &VolumeId, news: News) {
        let (engine, id) = (self.engine.clone(), volume.clone());
        let concerned = self.errands.ask(&Some(volume.clone()), move || concerned(&engine, &id)).await;
        let (called, subjects) = match concerned {
            Ok(Ok(concerned)) => concerned,
            // Most likely it was deleted meanwhile.
            Ok(Err(error)) => return tracing::debug!(%volume, %error, "an event is not posted"),
            Err(error) => return tracing::warn!(%volume, %error, "an event is not posted"),
        };
        for subject in subjects {
            self.events.post(subject, news.notice(volume, &called));
        }
    }
}

/// What a volume is called, and whom its news concern.
fn concerned(engine: &Engine, volume: &VolumeId) -> engine::Result<(String, Vec<Subject>)> {
    let record = engine.record(volume)?;
    let claim = &record.spec.claim;
    Ok((news::called(volume.as_str(), claim.name.as_deref()), news::subjects(volume, claim, engine.users(volume)?)))
}

#[cfg(test)]
#[cfg(feature = "fake")]
mod tests;
