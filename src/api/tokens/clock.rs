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

#[cfg(test)]
pub(super) mod fake {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use time::macros::datetime;

    use super::*;

    /// Two clocks that stand still until they are moved.
    pub(in super::super) struct FakeClock(Mutex<(OffsetDateTime, Instant)>);

    impl FakeClock {
        pub(in super::super) fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new((datetime!(2026-01-28 15:00:00.25 UTC), Instant::now()))))
        }

        /// Time goes by.
        pub(in super::super) fn pass(&self, seconds: u64) {
            self.jump(seconds.cast_signed());
            self.0.lock().unwrap().1 += Duration::from_secs(seconds);
        }

        /// Somebody sets the wall clock.
        pub(in super::super) fn jump(&self, seconds: i64) {
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
