use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::model::{Level, VolumeId};

/// What the monitor counts.
#[derive(Clone, PartialEq, Debug)]
pub struct Numbers {
    /// Each volume, by its id.
    pub volumes: Vec<VolumeNumbers>,
    /// How long the samples of all volumes took since the start.
    pub durations: Durations,
}

/// What is counted of one volume since it is watched.
#[derive(Clone, PartialEq, Debug)]
pub struct VolumeNumbers {
    /// Which.
    pub id: VolumeId,
    /// Its level.
    pub level: Level,
    /// How many times it rose to a warning.
    pub warnings: u64,
    /// How many times it became full.
    pub fulls: u64,
    /// How many samples came back.
    pub samples: u64,
    /// How long ago the last sample began that came back.
    pub age: Option<Duration>,
    /// How long it took.
    pub took: Option<Duration>,
    /// Whether it is lost.
    pub is_lost: bool,
    /// Whether a sample is hung.
    pub is_hung: bool,
}

/// A histogram.
#[derive(Clone, PartialEq, Debug)]
pub struct Durations {
    /// How many took at most [`BOUNDS`] of the same place, and longer than the bound before; the last: longer than all.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All together.
    pub sum: Duration,
}

/// The bounds of [`Durations`] in seconds: a `statvfs` takes microseconds, and one that takes seconds is in trouble.
pub const BOUNDS: [f64; 10] = [0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.05, 0.1, 0.5, 2.0];

/// [`Durations`] in the making.
#[derive(Default)]
pub(super) struct Clocked {
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanos: AtomicU64,
}

impl Clocked {
    pub(super) fn add(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        let place = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Durations {
        let counts = self.counts.each_ref().map(|count| count.load(Ordering::Relaxed));
        Durations { counts, sum: Duration::from_nanos(self.nanos.load(Ordering::Relaxed)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_counted_once_in_its_place() {
        let clocked = Clocked::default();
        for micros in [0, 10, 11, 2_000_000, 2_000_001] {
            clocked.add(Duration::from_micros(micros));
        }
        let Durations { counts, sum } = clocked.read();
        assert_eq!((counts[0], counts[1], counts[9], counts[10]), (2, 1, 1, 1));
        assert_eq!(counts.iter().sum::<u64>(), 5);
        assert_eq!(sum, Duration::from_micros(4_000_022));
    }
}
