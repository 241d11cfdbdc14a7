use std::time::Duration;

use tokio::time::Instant;

use crate::model::{Bytes, Reading};

/// A size that grew before the room in it did.
///
/// A volume grows in two steps, first the device and then the filesystem. In between, all that was added seems to be
/// used: 1 GiB that grows to 20 GiB would be 95 % full, and the application would be told so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    since: Instant,
    /// The least that was available since, so that what is written meanwhile does not hide the growth.
    lowest: Bytes,
}

/// What to make of a reading: it keeps the old size while the filesystem has not followed, but not for ever.
pub(super) fn believed(
    growth: &mut Option<Growth>,
    before: Option<&Reading>,
    reading: Reading,
    now: Instant,
    patience: Duration,
) -> Reading {
    let Some(before) = before.filter(|before| reading.size > before.size) else {
        *growth = None;
        return reading;
    };
    let seen = growth.get_or_insert(Growth { since: now, lowest: before.available });
    let gained = reading.available.saturating_sub(seen.lowest);
    let grown = reading.size.saturating_sub(before.size);
    if gained.get() >= grown.get() / 2 || now.saturating_duration_since(seen.since) >= patience {
        *growth = None;
        return reading;
    }
    seen.lowest = seen.lowest.min(reading.available);
    Reading { size: before.size, ..reading }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Inodes;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Size and available of each reading in MiB, a second apart, and the size that is believed.
    fn course(steps: &[(u64, u64, u64)]) {
        let (mut growth, mut before, start) = (None, None, Instant::now());
        for (second, (size, available, expected)) in (0..).zip(steps) {
            let reading =
                Reading { size: Bytes::mib(*size), available: Bytes::mib(*available), inodes: Inodes::default() };
            let now = start + Duration::from_secs(second);
            let after = believed(&mut growth, before.as_ref(), reading, now, PATIENCE);
            assert_eq!((after.size, after.available), (Bytes::mib(*expected), reading.available), "{second} s");
            before = Some(after);
        }
        assert!(growth.is_none());
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
    fn patience_ends() {
        let mut steps = vec![(1024, 500, 1024)];
        steps.extend([(2048, 500, 1024)].repeat(60));
        steps.push((2048, 500, 2048));
        course(&steps);
    }
}
