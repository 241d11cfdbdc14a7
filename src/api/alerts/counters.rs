//! Plain numbers that metrics read later.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// What happened on all sockets since the start.
#[derive(Default, Debug)]
pub struct Counters {
    clients: AtomicU64,
    frames: AtomicU64,
    malformed: AtomicU64,
    closes: [AtomicU64; CODES.len()],
    delays: Delays,
}

/// How long it took from the measurement that crossed the threshold to the alert's frame on a socket.
#[derive(Default, Debug)]
pub struct Delays {
    /// As in [`BOUNDS`], and what is longer than all of them; not added up.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    microseconds: AtomicU64,
    last: AtomicU64,
}

/// Counts one socket as long as it is kept.
#[derive(Debug)]
pub(super) struct Counted<'a>(&'a Counters);

/// The upper bounds of [`Delays`], in seconds.
pub const BOUNDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];

/// The codes with which sockets close; [`ABNORMAL`] stands for those that no close frame reached, and for other codes.
pub const CODES: [u16; 9] = [1000, 1001, 1002, 1007, 1009, 1013, NO_CODE, UNAUTHORIZED, ABNORMAL];

/// Shutting down, or a client that is not there any more.
pub const AWAY: u16 = 1001;
/// A client that cannot keep up.
pub const TRY_AGAIN: u16 = 1013;
/// The token is expired or replaced.
pub const UNAUTHORIZED: u16 = 4401;
/// The client closed and gave no code.
pub const NO_CODE: u16 = 1005;
/// Nobody said goodbye.
pub const ABNORMAL: u16 = 1006;

impl Counters {
    /// How many sockets are open.
    pub fn clients(&self) -> u64 {
        self.clients.load(Relaxed)
    }

    /// How many frames went out.
    pub fn frames(&self) -> u64 {
        self.frames.load(Relaxed)
    }

    /// How many frames came in that were no JSON object.
    pub fn malformed(&self) -> u64 {
        self.malformed.load(Relaxed)
    }

    /// How many sockets closed, by code.
    pub fn closes(&self) -> [(u16, u64); CODES.len()] {
        std::array::from_fn(|at| (CODES[at], self.closes[at].load(Relaxed)))
    }

    /// From crossing to frame.
    pub fn delays(&self) -> &Delays {
        &self.delays
    }

    pub(super) fn open(&self) -> Counted<'_> {
        self.clients.fetch_add(1, Relaxed);
        Counted(self)
    }

    pub(super) fn sent(&self) {
        self.frames.fetch_add(1, Relaxed);
    }

    pub(super) fn ignored(&self) {
        self.malformed.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self, code: u16) {
        let at = CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1);
        self.closes[at].fetch_add(1, Relaxed);
    }

    pub(super) fn alerted(&self, delay: Duration) {
        self.delays.observe(delay);
    }
}

impl Delays {
    /// How many were at most as long as each of [`BOUNDS`] and longer than the one before; at the end, longer than all.
    pub fn buckets(&self) -> [u64; BOUNDS.len() + 1] {
        std::array::from_fn(|at| self.buckets[at].load(Relaxed))
    }

    /// All of them together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.microseconds.load(Relaxed))
    }

    /// The last.
    pub fn last(&self) -> Duration {
        Duration::from_micros(self.last.load(Relaxed))
    }

    fn observe(&self, delay: Duration) {
        let seconds = delay.as_secs_f64();
        let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        let microseconds = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        self.buckets[at].fetch_add(1, Relaxed);
        self.microseconds.fetch_add(microseconds, Relaxed);
        self.last.store(microseconds, Relaxed);
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.clients.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_has_a_code_and_every_delay_a_bucket() {
        let counters = Counters::default();
        [1001, 4401, 4401, 3999].into_iter().for_each(|code| counters.closed(code));
        let closes: Vec<_> = counters.closes().into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(closes, [(1001, 1), (4401, 2), (1006, 1)]);
        [1, 1, 70, 5000].into_iter().for_each(|ms| counters.alerted(Duration::from_millis(ms)));
        assert_eq!(counters.delays().buckets(), [2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(counters.delays().sum(), Duration::from_millis(5072));
        assert_eq!(counters.delays().last(), Duration::from_secs(5));
    }

    #[test]
    fn a_client_is_counted_while_it_is_there() {
        let counters = Counters::default();
        let both = (counters.open(), counters.open());
        assert_eq!(counters.clients(), 2);
        drop(both);
        assert_eq!(counters.clients(), 0);
    }
}
