use std::pin::Pin;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, Sleep};

use super::counters::{AWAY, TRY_AGAIN, UNAUTHORIZED};
use super::outbox::Outbox;
use super::state::Pace;

/// What becomes due.
pub(super) struct Clock {
    pub(super) pace: Pace,
    expires: Option<OffsetDateTime>,
    /// The same by a clock that nobody sets: setting the other back prolongs nothing.
    deadline: Option<Instant>,
    ping: Instant,
    /// How many pings in a row nothing came back for.
    pub(super) missed: u32,
}

/// Why a socket ends, and what its client is told.
pub(super) type Farewell = (u16, &'static str);

impl Clock {
    pub(super) fn new(pace: Pace, expires: Option<OffsetDateTime>) -> Self {
        let now = Instant::now();
        let rest = expires.map(|expires| expires - OffsetDateTime::now_utc());
        let deadline = rest.map(|rest| now + Duration::try_from(rest).unwrap_or_default());
        Self { pace, expires, deadline, ping: now + pace.ping, missed: 0 }
    }

    /// When there is something to do next.
    pub(super) fn due(&self, outbox: &Outbox) -> Instant {
        let slow = outbox.waiting().map(|since| since + self.pace.patience);
        [self.deadline, slow].into_iter().flatten().fold(self.ping, Instant::min)
    }

    pub(super) fn wind(&self, timer: Pin<&mut Sleep>, outbox: &Outbox) {
        let due = self.due(outbox);
        if timer.deadline() != due {
            timer.reset(due);
        }
    }

    /// Does what is due.
    pub(super) fn strike(&mut self, outbox: &mut Outbox) -> Option<Farewell> {
        let now = Instant::now();
        let by_wall = self.expires.is_some_and(|expires| expires <= OffsetDateTime::now_utc());
        if by_wall || self.deadline.is_some_and(|deadline| deadline <= now) {
            return Some((UNAUTHORIZED, "the token has expired"));
        }
        if outbox.waiting().is_some_and(|since| since + self.pace.patience <= now) {
            return Some((TRY_AGAIN, "too slow"));
        }
        if self.ping <= now {
            if self.missed >= 2 {
                return Some((AWAY, "nobody answers"));
            }
            self.missed += 1;
            self.ping = now + self.pace.ping;
            outbox.ping();
        }
        None
    }
}
