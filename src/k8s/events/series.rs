use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Key;

/// The events that were posted a while ago, and are counted further instead of posted again.
#[derive(Default)]
pub(super) struct Book(HashMap<Key, Series>);

/// One event on the API server, and how often it has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) count: i32,
    pub(super) last: Instant,
}

/// What has not happened for so long is news.
pub(super) const WINDOW: Duration = Duration::from_secs(30 * 60);

/// What lasts is said again after that: an API server forgets an event an hour after its last change (`--event-ttl`).
const REFRESH: Duration = Duration::from_secs(20 * 60);

impl Book {
    pub(super) fn open(&self, key: &Key) -> Option<&Series> {
        self.0.get(key).filter(|series| series.last.elapsed() < WINDOW)
    }

    /// Whether what lasts has been said so lately that nobody has forgotten it.
    pub(super) fn is_fresh(&self, key: &Key) -> bool {
        self.open(key).is_some_and(|series| series.last.elapsed() < REFRESH)
    }

    /// It has happened so often, just now.
    pub(super) fn note(&mut self, key: Key, name: String, count: i32) {
        self.0.retain(|_, series| series.last.elapsed() < WINDOW);
        self.0.insert(key, Series { name, count, last: Instant::now() });
    }

    /// The API server has it no more.
    pub(super) fn close(&mut self, key: &Key) {
        self.0.remove(key);
    }
}
