use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Bytes, Reading};

/// A size that grew before the room in it did.
///
/// A volume grows in two steps, first the device and then the filesystem. In between, all that was added seems to be
/// used: 1 GiB that grows to 20 GiB would be 95 % full, and the application would be told so.
#[derive(Clone, Copy, Debug)]
struct Growth {
    since: Instant,
    /// The least that was available since, so that what is written meanwhile does not hide the growth.
    lowest: Bytes,
}

/// Why the last size was believed.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Belief {
    growth: Option<Growth>,
    /// Nobody knew better: no room was seen to follow, and the filesystem was not known to be behind.
    is_assumed: bool,
}

impl Belief {
    /// Whether there is a growth of those that may still come to their end within the blink of an eye.
    pub(super) fn is_growing(&self, now: Instant, patience: Duration) -> bool {
        self.growth.is_some_and(|growth| growth.is_young(now, patience))
    }
}

impl Growth {
    fn is_young(&self, now: Instant, patience: Duration) -> bool {
        now.saturating_duration_since(self.since) < patience
    }
}

/// What to make of a reading: it keeps the old size while the filesystem has not followed. Not for ever, as room that is
/// taken as soon as it comes is not seen; but as long as the filesystem is known to be `behind`, with that size. Who hears of
/// that only later takes back what was assumed.
pub(super) fn believed(
    belief: &mut Belief,
    before: Option<&Reading>,
    reading: Reading,
    behind: Option<Bytes>,
    now: Instant,
    patience: Duration,
) -> Reading {
    // What has more room than that has followed.
    let behind = behind.filter(|size| *size >= reading.available);
    // Who starts beside a growth that waits has seen no smaller size.
    let (size, available) = match (before, behind) {
        (Some(before), Some(behind)) if belief.is_assumed && behind < before.size => (behind, reading.available),
        (Some(before), _) => (before.size, before.available),
        (None, Some(behind)) => (behind, reading.available),
        (None, None) => (reading.size, reading.available),
    };
    // Once it is known, it is known.
    belief.is_assumed = behind.is_none() && (before.is_none() || belief.is_assumed);
    if reading.size <= size {
        belief.growth = None;
        return reading;
    }
    let seen = belief.growth.get_or_insert(Growth { since: now, lowest: available });
    let gained = reading.available.saturating_sub(seen.lowest);
    let grown = reading.size.saturating_sub(size);
    let is_awaited = behind.is_some() || seen.is_young(now, patience);
    let has_followed = gained.get() >= grown.get() / 2;
    if has_followed || !is_awaited {
        *belief = Belief { growth: None, is_assumed: !has_followed };
        return reading;
    }
    seen.lowest = seen.lowest.min(reading.available);
    Reading { size, ..reading }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inodes;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Size and available of each reading in MiB, a second apart, and the size that is believed.
    fn course(steps: &[(u64, u64, u64)]) {
        let steps: Vec<_> = steps.iter().map(|(size, available, expected)| (*size, *available, 0, *expected)).collect();
        told(&steps);
    }

    /// The same, with the size in MiB that the filesystem is known to have still; 0: it is known of none.
    fn told(steps: &[(u64, u64, u64, u64)]) {
        let (mut belief, mut before, start) = (Belief::default(), None, Instant::now());
        for (second, (size, available, behind, expected)) in (0..).zip(steps) {
            let behind = (*behind > 0).then(|| Bytes::mib(*behind));
            let reading =
                Reading { size: Bytes::mib(*size), available: Bytes::mib(*available), inodes: Inodes::default() };
            let now = start + Duration::from_secs(second);
            let after = believed(&mut belief, before.as_ref(), reading, behind, now, PATIENCE);
            assert_eq!((after.size, after.available), (Bytes::mib(*expected), reading.available), "{second} s");
            before = Some(after);
        }
        assert!(belief.growth.is_none());
    }

    #[test]
    fn a_size_is_believed_when_the_room_has_followed() {
        course(&[(1024, 512, 1024), (20_480, 512, 1024), (20_480, 500, 1024), (20_480, 19_900, 20_480)]);
        course(&[(1024, 10, 1024), (2048, 1000, 2048), (2048, 10, 2048)]);
    }

    #[test]
    fn what_is_written_meanwhile_does_not_hide_it() {
        course(&[(1024, 1000, 1024), (2048, 1000, 1024), (2048, 100, 1024), (2048, 1050, 2048)]);
    }

    #[test]
    fn smaller_the_same_and_back_are_believed_at_once() {
        course(&[(1024, 500, 1024), (512, 100, 512), (512, 90, 512)]);
        course(&[(1024, 500, 1024), (2048, 500, 1024), (1024, 500, 1024)]);
    }

    #[test]
    fn patience_ends_where_nobody_knows_of_a_growth() {
        let mut steps = vec![(1024, 500, 1024)];
        steps.extend([(2048, 500, 1024)].repeat(60));
        steps.push((2048, 500, 2048));
        course(&steps);
    }

    #[test]
    fn patience_lasts_as_long_as_the_filesystem_is_known_to_be_behind() {
        let waiting = [(20_480, 500, 1024, 1024)].repeat(1000);
        let before = (1024, 500, 0, 1024);
        // It follows; it followed, and what came was taken at once.
        for (available, behind) in [(19_000, 1024), (19_000, 0), (500, 0)] {
            told(&[&[before][..], &waiting, &[(20_480, available, behind, 20_480)]].concat());
        }
        // It was taken back.
        told(&[&[before][..], &waiting, &[before]].concat());
    }

    #[test]
    fn who_starts_while_the_filesystem_is_behind_believes_its_size() {
        let waiting = [(20_480, 500, 1024, 1024)].repeat(100);
        told(&[&waiting[..], &[(20_480, 19_000, 1024, 20_480)]].concat());
        told(&[(20_480, 500, 0, 20_480)]);
    }

    #[test]
    fn who_hears_late_that_the_filesystem_is_behind_takes_back_what_it_assumed_once() {
        let assumed = (20_480, 500, 0, 20_480);
        let waiting = [(20_480, 500, 1024, 1024)].repeat(100);
        told(&[&[assumed][..], &waiting, &[(20_480, 19_000, 1024, 20_480), (20_480, 500, 1024, 20_480)]].concat());
        // That is not so any more: there is more room than it says.
        told(&[(20_480, 19_000, 0, 20_480), (20_480, 19_000, 1024, 20_480)]);
        // The room was seen to follow.
        told(&[(1024, 500, 0, 1024), (20_480, 19_900, 0, 20_480), (20_480, 500, 1024, 20_480)]);
    }
}
