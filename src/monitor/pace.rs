//! When to look again: pure.

use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Headroom, Level, Reading, Thresholds};

/// How often things are done, and how long they may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Between two samples at least, where the next level is near.
    pub shortest: Duration,
    /// Between two samples at most.
    pub longest: Duration,
    /// Between two samples of a volume that is full or lost: nobody must be early, and good news is told soon.
    pub way_back: Duration,
    /// Before the next sample of a volume that was taken away by ourselves.
    pub aside: Duration,
    /// A sample that takes longer is hung, and nobody waits for it.
    pub limit: Duration,
    /// Between two [`super::Event::Measured`] of a volume at least.
    pub measured: Duration,
    /// Between two [`super::Event::Reminder`] of a full volume.
    pub reminder: Duration,
    /// Between two rounds through all volumes at least, however often somebody nudges.
    pub nudges: Duration,
    /// So long a device that grew waits for its filesystem, of which nobody says that it is behind, before its size is
    /// believed all the same.
    pub growth: Duration,
}

/// The highest rates of filling that were seen of a volume.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    bytes: u64,
    inodes: u64,
    since: Option<(Instant, Reading)>,
}

/// What any volume may be filled with, even if it never was: the page cache takes 4 GiB in a second.
const BYTES: u64 = 4 << 30;
/// The same for inodes: `BYTES` of files of 16 KiB, for which ext4 has inodes.
const INODES: u64 = 1 << 18;

impl Default for Timing {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(50),
            longest: Duration::from_secs(5),
            way_back: Duration::from_secs(1),
            aside: Duration::from_millis(100),
            limit: Duration::from_secs(2),
            measured: Duration::from_secs(1),
            reminder: Duration::from_secs(300),
            nudges: Duration::from_millis(100),
            growth: Duration::from_secs(60),
        }
    }
}

impl Timing {
    /// How long to wait after such a reading: at most the room to the next level by the highest rate, which nobody who
    /// fills no faster than before can outrun.
    pub(super) fn wait(&self, thresholds: &Thresholds, level: Level, reading: &Reading, rates: &Rates) -> Duration {
        let Some(Headroom { bytes, inodes }) = thresholds.room(level, reading) else { return self.way_back };
        let by_inodes = inodes.map_or(self.longest, |inodes| time(inodes, rates.inodes));
        time(bytes, rates.bytes).min(by_inodes).min(self.longest).max(self.shortest)
    }
}

impl Default for Rates {
    fn default() -> Self {
        Self { bytes: BYTES, inodes: INODES, since: None }
    }
}

impl Rates {
    /// Takes a reading into account. What is nearer to the last than `shortest` waits for the next: a burst that the
    /// filesystem accounts for in one microsecond is no rate.
    pub(super) fn see(&mut self, at: Instant, reading: &Reading, shortest: Duration) {
        if let Some((since, before)) = &self.since {
            let passed = at.saturating_duration_since(*since);
            if passed < shortest {
                return;
            }
            let bytes = before.available.saturating_sub(reading.available).get();
            let inodes = before.inodes.free.saturating_sub(reading.inodes.free);
            self.bytes = self.bytes.max(rate(bytes, passed));
            self.inodes = self.inodes.max(rate(inodes, passed));
        }
        self.since = Some((at, *reading));
    }

    /// What comes next has nothing to do with what was: it was lost in between.
    pub(super) fn forget_last(&mut self) {
        self.since = None;
    }
}

/// In a second.
fn rate(amount: u64, passed: Duration) -> u64 {
    let rate = (u128::from(amount) * 1_000_000_000).div_ceil(passed.as_nanos().max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

fn time(room: u64, rate: u64) -> Duration {
    let nanos = u128::from(room) * 1_000_000_000 / u128::from(rate.max(1));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Bytes, Inodes};

    const TIMING: fn() -> Timing = Timing::default;

    fn reading(size: Bytes, available: Bytes) -> Reading {
        Reading { size, available, inodes: Inodes::default() }
    }

    fn wait(level: Level, reading: &Reading, rates: &Rates) -> u128 {
        TIMING().wait(&Thresholds::default(), level, reading, rates).as_millis()
    }

    #[test]
    fn a_volume_is_looked_at_more_often_the_nearer_it_is() {
        let rates = Rates::default();
        let gib = |available| reading(Bytes::gib(100), Bytes::gib(available));
        let cases = [
            (Level::Ok, gib(100), 5000),
            (Level::Ok, gib(40), 5000),
            (Level::Ok, gib(30), 2500),
            (Level::Ok, gib(21), 250),
            (Level::Ok, gib(20), 50),
            (Level::Warning, gib(19), 3500),
            (Level::Warning, gib(6), 250),
            (Level::Full, gib(5), 1000),
            (Level::Ok, reading(Bytes::gib(10), Bytes::gib(5)), 750),
            (Level::Ok, reading(Bytes::mib(20), Bytes::mib(20)), 50),
        ];
        for (level, reading, expected) in cases {
            assert_eq!(wait(level, &reading, &rates), expected, "{reading:?}");
        }
    }

    #[test]
    fn inodes_hasten_it_too() {
        let free = |free| Reading {
            inodes: Inodes { total: 10_000_000, used: 10_000_000 - free, free },
            ..reading(Bytes::gib(1000), Bytes::gib(1000))
        };
        assert_eq!(wait(Level::Ok, &free(10_000_000), &Rates::default()), 5000);
        assert_eq!(wait(Level::Ok, &free(100_000 + INODES), &Rates::default()), 1000);
        assert_eq!(wait(Level::Ok, &free(100_000), &Rates::default()), 50);
    }

    #[test]
    fn who_once_filled_fast_is_expected_to_do_so_again() {
        let (mut rates, start) = (Rates::default(), Instant::now());
        let at = |gib| reading(Bytes::gib(1000), Bytes::gib(gib));
        let mut see = |millis, gib| {
            rates.see(start + Duration::from_millis(millis), &at(gib), TIMING().shortest);
            rates.bytes >> 30
        };
        assert_eq!(see(0, 900), 4);
        assert_eq!(see(1000, 899), 4);
        assert_eq!(see(2000, 889), 10);
        assert_eq!(see(3000, 888), 10);
        // 8 GiB within a microsecond are seen as what they are in the time to the next sample.
        assert_eq!(see(3001, 880), 10);
        assert_eq!(see(4000, 880), 10);
        assert_eq!(see(5000, 999), 10);
    }

    proptest! {
        #[test]
        fn nobody_outruns_it(
            size in 0_u64..1 << 50, share in 0_u64..=1000, free in 0_u64..1 << 32, fast in 1_u64..1 << 40, warning: bool,
        ) {
            let inodes = Inodes { total: 1 << 32, used: (1 << 32) - free, free };
            let reading = Reading { inodes, ..reading(Bytes::new(size), Bytes::new(size / 1000 * share)) };
            let rates = Rates { bytes: fast.max(BYTES), inodes: fast.max(INODES), since: None };
            let level = Thresholds::default().step(if warning { Level::Warning } else { Level::Ok }, &reading);
            let wait = TIMING().wait(&Thresholds::default(), level, &reading, &rates);
            prop_assert!((TIMING().shortest..=TIMING().longest).contains(&wait));
            if let Some(room) = Thresholds::default().room(level, &reading).filter(|_| wait > TIMING().shortest) {
                let filled = |rate: u64| u128::from(rate) * wait.as_nanos() / 1_000_000_000;
                prop_assert!(filled(rates.bytes) <= u128::from(room.bytes));
                prop_assert!(filled(rates.inodes) <= u128::from(room.inodes.unwrap()));
            }
        }

        #[test]
        fn full_is_seen_within_one_shortest_wait(size in 1_u64 << 32..1 << 45, slowness in 4_u32..=10) {
            let (thresholds, rate) = (Thresholds::default(), size >> slowness);
            let rates = Rates { bytes: rate.max(BYTES), ..Rates::default() };
            let (mut left, mut level) = (size, Level::Ok);
            while level < Level::Full {
                let wait = TIMING().wait(&thresholds, level, &reading(Bytes::new(size), Bytes::new(left)), &rates);
                left = left.saturating_sub(u64::try_from(u128::from(rate) * wait.as_nanos() / 1_000_000_000).unwrap());
                level = thresholds.step(level, &reading(Bytes::new(size), Bytes::new(left)));
            }
            let past = (size / 20).saturating_sub(left);
            prop_assert!(past <= rate / 20 + 1, "{past} past the threshold");
        }
    }
}
