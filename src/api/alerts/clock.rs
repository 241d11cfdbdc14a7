use std::pin::Pin;

use time::OffsetDateTime;
use tokio::time::{Instant, Sleep};

use super::counters::{AWAY, TRY_AGAIN, UNAUTHORIZED};
use super::outbox::Outbox;
use super::state::Pace;
use crate::api::tokens::End;

/// What becomes due.
pub(super) struct Clock {
    pub(super) pace: Pace,
    /// When its token ends, by the wall clock and by the one that nobody sets.
    ends: Option<End>,
    ping: Instant,
    /// How many pings in a row nothing came back for.
    pub(super) missed: u32,
}

/// Why a socket ends, and what its client is told.
pub(super) type Farewell = (u16, &'static str);

impl Clock {
    pub(super) fn new(pace: Pace, ends: Option<End>) -> Self {
        Self { pace, ends, ping: Instant::now() + pace.ping, missed: 0 }
    }

    /// When there is something to do next.
    pub(super) fn due(&self, outbox: &Outbox) -> Instant {
        let slow = outbox.waiting().map(|since| since + self.pace.patience);
        let ends = self.ends.map(|ends| Instant::from_std(ends.steady));
        [ends, slow].into_iter().flatten().fold(self.ping, Instant::min)
    }

    pub(super) fn wind(&self, timer: Pin<&mut Sleep>, outbox: &Outbox) {
        let due = self.due(outbox);
        if timer.deadline() != due {
            timer.reset(due);
        }
    }

    /// Does what is due; `wall` is what the calendar says.
    pub(super) fn strike(&mut self, outbox: &mut Outbox, wall: OffsetDateTime) -> Option<Farewell> {
        let now = Instant::now();
        if self.ends.is_some_and(|ends| ends.wall <= wall || Instant::from_std(ends.steady) <= now) {
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_client_is_pinged_every_30_s_and_gone_after_two_that_it_missed() {
        const PING: Duration = Duration::from_secs(30);
        let (mut clock, mut outbox) = (Clock::new(Pace::default(), None), Outbox::default());
        let mut strike = async |clock: &mut Clock| {
            assert_eq!(clock.due(&outbox), Instant::now() + PING);
            advance(PING - Duration::from_millis(1)).await;
            assert_eq!(clock.strike(&mut outbox, OffsetDateTime::UNIX_EPOCH), None);
            advance(Duration::from_millis(1)).await;
            clock.strike(&mut outbox, OffsetDateTime::UNIX_EPOCH)
        };
        for missed in [1, 2] {
            assert_eq!((strike(&mut clock).await, clock.missed), (None, missed));
        }
        clock.missed = 0; // something came
        for missed in [1, 2] {
            assert_eq!((strike(&mut clock).await, clock.missed), (None, missed));
        }
        assert_eq!(strike(&mut clock).await, Some((AWAY, "nobody answers")));
    }
}
