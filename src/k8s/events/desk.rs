use std::collections::{HashMap, HashSet};
use std::mem::{Discriminant, discriminant};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::series::Book;
use super::wire::{self, Key};
use super::{Posting, Reporter};
use crate::k8s::client::in_time;
use crate::k8s::{Cluster, Error, Result};

/// Whoever posts events, one after the other.
pub(super) struct Desk {
    cluster: Arc<Cluster>,
    reporter: Reporter,
    book: Book,
    /// By the object's uid and the reason: what is refused again and again does not silence an alert.
    limits: DefaultKeyedRateLimiter<(String, &'static str)>,
    /// The namespaces in which events are not permitted, and until when nobody asks again.
    muted: HashMap<String, Instant>,
    /// The trouble that was said last, with all of them.
    trouble: Option<Discriminant<Error>>,
    /// The namespaces of which it was said that events are not permitted there.
    forbidden: HashSet<String>,
}

/// What becomes of an event that was not posted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It is tried again until it is so old.
    Later(Duration),
    /// It is dropped, and all others in its namespace for a while.
    Muted,
    /// It is dropped.
    Dropped,
}

/// As many events of one object and reason at once; the numbers are client-go's.
const BURST: NonZeroU32 = NonZeroU32::new(25).expect("not zero");
/// After them, one in that time.
const REFILL: Duration = Duration::from_secs(300);
/// Those that were quiet are forgotten when there are more.
const LIMITED: usize = 1024;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// An event that could not be posted for so long, as no API server answered, is old.
const LIFETIME: Duration = Duration::from_secs(600);
/// One that it does not take may be the only one: others wait behind it.
const REFUSED_LIFETIME: Duration = Duration::from_secs(60);
/// A role may be bound later.
const MUTED: Duration = Duration::from_secs(300);

impl Desk {
    pub(super) fn new(cluster: Arc<Cluster>, reporter: Reporter) -> Self {
        let quota = Quota::with_period(REFILL).expect("longer than nothing").allow_burst(BURST);
        let (book, muted) = (Book::default(), HashMap::new());
        let limits = RateLimiter::keyed(quota);
        Self { cluster, reporter, book, limits, muted, trouble: None, forbidden: HashSet::new() }
    }

    /// Posts what comes, until nobody is left who could post.
    pub(super) async fn serve(mut self, mut postings: mpsc::Receiver<Posting>) {
        while let Some(posting) = postings.recv().await {
            self.deliver(&posting).await;
        }
    }

    async fn deliver(&mut self, posting: &Posting) {
        let key = Key::of(&self.reporter, posting);
        if !self.is_due(&key, posting) {
            return;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            let Err(error) = self.send(&key, posting).await else { return self.is_well(posting) };
            self.say(&error, posting);
            match fate(&error) {
                Fate::Later(lifetime) if posting.posted.elapsed() + pause < lifetime => sleep(pause).await,
                Fate::Later(_) | Fate::Dropped => return,
                Fate::Muted => {
                    self.muted.retain(|_, until| *until > Instant::now());
                    self.muted.insert(posting.subject.namespace.clone(), Instant::now() + MUTED);
                    return;
                }
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn is_due(&self, key: &Key, posting: &Posting) -> bool {
        let is_muted = self.muted.get(&posting.subject.namespace).is_some_and(|until| *until > Instant::now());
        let is_known = posting.notice.lasts && self.book.is_fresh(key);
        if is_muted || is_known {
            return false;
        }
        if self.limits.len() > LIMITED {
            self.limits.retain_recent();
        }
        let is_allowed = self.limits.check_key(&(posting.subject.uid.clone(), posting.notice.reason)).is_ok();
        if !is_allowed {
            let (object, reason) = (&posting.subject.name, posting.notice.reason);
            tracing::debug!(object, reason, "too many such events on one object: this one is not posted");
        }
        is_allowed
    }

    /// Counts the event that is there, or makes one.
    async fn send(&mut self, key: &Key, posting: &Posting) -> Result<()> {
        let events = self.cluster.events(&posting.subject.namespace).await?;
        if let Some(series) = self.book.open(key) {
            let (name, count) = (series.name.clone(), series.count.saturating_add(1));
            match patch(&events, &name, wire::counted(count, posting.at)).await {
                Err(Error::NotFound(_)) => self.book.close(key), // the API server has forgotten it
                patched => return patched.map(|_| self.book.note(key.clone(), name, count)),
            }
        }
        let name = key.name(posting);
        let event = wire::event(name.clone(), &self.reporter, posting);
        let count = match in_time(events.create(&PostParams::default(), &event)).await {
            Ok(_) => 1,
            Err(Error::Conflict(_)) => take_over(&events, &name, posting).await?,
            Err(error) => return Err(error),
        };
        self.book.note(key.clone(), name, count);
        Ok(())
    }

    fn is_well(&mut self, posting: &Posting) {
        let namespace = &posting.subject.namespace;
        let was_forbidden = self.forbidden.remove(namespace);
        if self.trouble.take().is_some() || was_forbidden {
            tracing::info!(namespace, "events are posted again");
        }
    }

    /// Once, and not for every event.
    fn say(&mut self, error: &Error, posting: &Posting) {
        let namespace = &posting.subject.namespace;
        if is_end_of_namespace(error) {
            return tracing::debug!(%error, "an event is not posted");
        }
        let is_news = match error {
            // Of this namespace alone.
            Error::Forbidden(_) => self.forbidden.insert(namespace.clone()),
            _ => self.trouble.replace(discriminant(error)) != Some(discriminant(error)),
        };
        match self.reporter.is_optional {
            true if is_news => tracing::info!(namespace, %error, "events are not posted"),
            false if is_news => tracing::warn!(namespace, %error, "events are not posted"),
            _ => {}
        }
    }
}

/// Goes on with an event that an earlier process made: how often it has happened then. To change nothing is the way to read
/// it for who may only patch.
async fn take_over(events: &Api<Event>, name: &str, posting: &Posting) -> Result<i32> {
    let taken = async {
        let count = wire::count(&patch(events, name, json!({})).await?).saturating_add(1);
        patch(events, name, wire::counted(count, posting.at)).await.map(|_| count)
    };
    match taken.await {
        // It is there, and that is what matters.
        Err(Error::Forbidden(_)) => Ok(1),
        taken => taken,
    }
}

async fn patch(events: &Api<Event>, name: &str, change: Value) -> Result<Event> {
    in_time(events.patch(name, &PatchParams::default(), &Patch::Merge(change))).await
}

fn fate(error: &Error) -> Fate {
    match error {
        Error::Slow(_) | Error::Unclear(_) => Fate::Later(LIFETIME),
        Error::Refused { code, .. } if *code == 429 || *code >= 500 => Fate::Later(REFUSED_LIFETIME),
        Error::Nowhere(_) | Error::Forbidden(_) => Fate::Muted,
        // The namespace is gone, or it would be refused again.
        Error::NotFound(_) | Error::Conflict(_) | Error::Refused { .. } => Fate::Dropped,
    }
}

/// A claim that goes with its namespace is nothing to tell.
fn is_end_of_namespace(error: &Error) -> bool {
    match error {
        Error::NotFound(_) => true,
        Error::Forbidden(reason) => reason.contains("being terminated"),
        _ => false,
    }
}
