//! Events (`events.k8s.io/v1`): what people see below `kubectl describe`.
//!
//! Only `create` and `patch` are asked for. What happens to one object again and again is one event with a count, also
//! across a restart; nobody who posts ever waits; an API server that is away, or does not permit it, is said once.
//!
//! Our own and not `kube-runtime`'s recorder: that has neither a queue nor limits, forgets its series with the process,
//! and brings watches and caches into a program that is to stay small beside every application.

mod desk;
mod series;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::Cluster;
use desk::Desk;

/// Posts events, behind whoever calls. Clones are the same; with the last of them it ends.
#[derive(Clone)]
pub struct Events {
    queue: mpsc::Sender<Posting>,
    is_crowded: Arc<AtomicBool>,
}

/// Who reports.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reporter {
    /// The program, as a qualified name: `csi.ullage.dev`.
    pub controller: String,
    /// Which of them: the node, or the pod.
    pub instance: String,
    /// Whether nobody asked for events: then it is no warning that they are not permitted.
    pub is_optional: bool,
}

/// The object that an event is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Subject {
    /// What it is.
    pub kind: SubjectKind,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: without the right one `kubectl describe` shows nothing.
    pub uid: String,
}

/// What has events here.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SubjectKind {
    /// A PersistentVolumeClaim.
    Claim,
    /// A Pod.
    Pod,
}

/// What has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Whether somebody should do something.
    pub severity: Severity,
    /// One CamelCase word for programs.
    pub reason: &'static str,
    /// What was done, or what failed: one CamelCase word.
    pub action: &'static str,
    /// For people. At most a kilobyte is shown.
    pub note: String,
    /// What of the object it is about: a pod has several volumes. With the same reason and topic it has happened again, and
    /// is counted; the note stays that of the first time, as the API server lets nobody change one.
    pub topic: String,
    /// It has not happened again, it lasts: that is said only before the API server forgets it, after an hour.
    pub lasts: bool,
}

/// Normal or Warning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// For information.
    Normal,
    /// Somebody should look.
    Warning,
}

/// A notice on its way.
pub(crate) struct Posting {
    pub(crate) subject: Subject,
    pub(crate) notice: Notice,
    at: OffsetDateTime,
    posted: Instant,
}

/// How many events wait while the API server is slow. A storm of them tells people nothing that its first ones do not.
const QUEUE: usize = 256;

impl Events {
    /// Posts to that cluster, of which nothing is asked before the first event. Inside a runtime.
    pub fn start(cluster: Arc<Cluster>, reporter: Reporter) -> Self {
        let (queue, postings) = mpsc::channel(QUEUE);
        tokio::spawn(Desk::new(cluster, reporter).serve(postings));
        Self { queue, is_crowded: Arc::default() }
    }

    /// Posts an event when its turn comes. Never waits.
    pub fn post(&self, subject: Subject, notice: Notice) {
        let posting = Posting { subject, notice, at: OffsetDateTime::now_utc(), posted: Instant::now() };
        let is_crowded = self.queue.try_send(posting).is_err();
        if is_crowded && !self.is_crowded.swap(is_crowded, Ordering::Relaxed) {
            tracing::warn!("{QUEUE} events wait for the API server: those that come now are dropped");
        }
        self.is_crowded.store(is_crowded, Ordering::Relaxed);
    }
}

#[cfg(test)]
impl Events {
    /// What is posted is read by a test.
    pub(crate) fn heard() -> (Self, mpsc::Receiver<Posting>) {
        let (queue, postings) = mpsc::channel(QUEUE);
        (Self { queue, is_crowded: Arc::default() }, postings)
    }
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl SubjectKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "PersistentVolumeClaim",
            Self::Pod => "Pod",
        }
    }
}
