use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use time::OffsetDateTime;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// What a calendar says; whoever may, sets it.
    fn wall(&self) -> OffsetDateTime;

    /// What only goes forward, and means nothing to another process.
    fn steady(&self) -> Instant;
}

/// The machine's.
#[derive(Clone, Copy, Default, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn steady(&self) -> Instant {
        Instant::now()
    }
}

/// How far the wall clock is from where it was, by the steady one.
pub(super) struct Drift {
    begin: (OffsetDateTime, Instant),
    last: Mutex<time::Duration>,
}

/// What a clock that is only corrected does not do between two looks.
const JUMP: time::Duration = time::Duration::SECOND;

impl Drift {
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self { begin: (clock.wall(), clock.steady()), last: Mutex::default() }
    }

    /// Whether somebody has set the wall clock since this was asked last, or the machine has slept.
    pub(super) fn has_jumped(&self, clock: &dyn Clock) -> bool {
        let (wall, steady) = self.begin;
        let drift = (clock.wall() - wall) - clock.steady().saturating_duration_since(steady);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (drift - std::mem::replace(&mut *last, drift)).abs() >= JUMP
    }
}

#[cfg(test)]
pub(in crate::api) mod fake {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;

    /// Two clocks that stand still until they are moved.
    pub(in crate::api) struct FakeClock(Mutex<(OffsetDateTime, Instant)>);

    impl FakeClock {
        pub(in crate::api) fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new((datetime!(2026-01-28 15:00:00.25 UTC), Instant::now()))))
        }

        /// Time goes by.
        pub(in crate::api) fn pass(&self, seconds: u64) {
            self.jump(seconds.cast_signed());
            self.0.lock().unwrap().1 += Duration::from_secs(seconds);
        }

        /// Somebody sets the wall clock.
        pub(in crate::api) fn jump(&self, seconds: i64) {
            self.0.lock().unwrap().0 += time::Duration::seconds(seconds);
        }
    }

    impl Clock for FakeClock {
        fn wall(&self) -> OffsetDateTime {
            self.0.lock().unwrap().0
        }

        fn steady(&self) -> Instant {
            self.0.lock().unwrap().1
        }
    }
}
