//! Numbers into levels: pure.
//!
//! # Small volumes
//!
//! "Less than 10 MiB available" is half of a volume of 20 MiB, so:
//!
//! | size | full below | full is left from | warning |
//! |---|---|---|---|
//! | 20 MB (the smallest) | 10 MiB available | 10.4 MiB; an empty ext4 of that size has 13.4 | never: its 3.8 MiB lie past full |
//! | 40 MiB | 10 MiB | 10.8 MiB | never |
//! | 50 MiB | 10 MiB | 11 MiB | never: both begin at 10 MiB |
//! | 60 MiB | 10 MiB | 11.2 MiB | between 12 and 10 MiB |
//! | 200 MiB and more | 5 % | 7 %, and 10 MiB + 2 % up to 10 MiB | from 20 % down |
//!
//! The way back beyond 10 MiB is a share of the size, and not 20 MiB for all, because a small volume would never find it.
//! A volume that cannot have 10 MiB available even when it is empty is full from its first byte to its last; none that
//! is made here is so small. The same holds of a filesystem with less than 32 inodes.

use super::limits::{InvalidLimits, Limits};
use super::{Level, Reading};

/// Where each level begins and ends, checked.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Thresholds(Limits);

/// How much can be taken before the next level begins; no inodes where the filesystem makes them as needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Headroom {
    /// Bytes.
    pub bytes: u64,
    /// Inodes.
    pub inodes: Option<u64>,
}

impl Thresholds {
    /// The thresholds, where they do not contradict each other.
    pub fn new(limits: Limits) -> Result<Self, InvalidLimits> {
        limits.checked().map(Self)
    }

    /// What they are.
    pub fn limits(&self) -> &Limits {
        &self.0
    }

    /// Those of a volume whose warning begins at that percentage, where it has one of its own.
    pub fn of_volume(self, warn_percent: Option<u8>) -> Self {
        warn_percent.map_or(self, |percent| Self(self.0.warning_at(percent)))
    }

    /// The level that follows `previous` at such numbers.
    pub fn step(&self, previous: Level, reading: &Reading) -> Level {
        let stays_full = previous == Level::Full && !self.may_leave_full(reading);
        if stays_full || self.enters_full(reading) {
            return Level::Full;
        }
        let end = if previous >= Level::Warning { self.0.warning_left_at } else { self.0.warning_above };
        if reading.used().get() > end.of(reading.size.get()) { Level::Warning } else { Level::Ok }
    }

    fn enters_full(&self, reading: &Reading) -> bool {
        reading.available < self.0.full_below
            || reading.used().get() > self.0.full_above.of(reading.size.get())
            || reading.inodes.total > 0 && reading.inodes.free < self.inodes_needed(reading)
    }

    /// Bytes and inodes both: the application does not care which of them it lacks.
    fn may_leave_full(&self, reading: &Reading) -> bool {
        let Limits { full_below, full_left_at, full_left_beyond, full_left_share, .. } = self.0;
        let (size, inodes) = (reading.size.get(), reading.inodes);
        let beyond = full_left_beyond.get().min(full_left_share.of_rounded_up(size));
        let inodes_needed = self.0.inodes_left_at.max(self.0.inodes_left_share.of_rounded_up(inodes.total));
        reading.available.get() >= full_below.get().saturating_add(beyond)
            && reading.used().get() <= full_left_at.of(size)
            && (inodes.total == 0 || inodes.free >= inodes_needed)
    }

    /// With fewer free than this it is full.
    fn inodes_needed(&self, reading: &Reading) -> u64 {
        self.0.inodes_below.max(self.0.inodes_below_share.of_rounded_up(reading.inodes.total))
    }

    /// What is left before the level above `level` begins; nothing comes after full.
    pub fn room(&self, level: Level, reading: &Reading) -> Option<Headroom> {
        let (size, used) = (reading.size.get(), reading.used().get());
        let below_full = reading.available.saturating_sub(self.0.full_below).get();
        let to_full = below_full.min(self.0.full_above.of(size).saturating_sub(used));
        let to_warning = self.0.warning_above.of(size).saturating_sub(used);
        let has_inodes = reading.inodes.total > 0;
        let inodes = has_inodes.then(|| reading.inodes.free.saturating_sub(self.inodes_needed(reading)));
        match level {
            Level::Ok => Some(Headroom { bytes: to_full.min(to_warning), inodes }),
            Level::Warning => Some(Headroom { bytes: to_full, inodes }),
            Level::Full => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Level::{Full, Warning};
    use super::*;
    use crate::model::{Bytes, Inodes};

    const OK: Level = Level::Ok;
    const MIB: u64 = 1 << 20;

    fn bytes(size: u64, available: u64) -> Reading {
        Reading { size: Bytes::new(size), available: Bytes::new(available), inodes: Inodes::default() }
    }

    fn inodes(total: u64, free: u64) -> Reading {
        Reading { inodes: Inodes { total, used: total - free, free }, ..bytes(MIB << 10, MIB << 9) }
    }

    fn course(readings: &[(Reading, Level)]) {
        let mut level = OK;
        for (reading, expected) in readings {
            level = Thresholds::default().step(level, reading);
            assert_eq!(level, *expected, "{reading:?}");
        }
    }

    #[test]
    fn a_gibibyte_is_filled_and_emptied() {
        let percent = |used: u64| bytes(100_000 * MIB, 100_000 * MIB - used * 1000 * MIB);
        let more = |used: u64| Reading { available: Bytes::new(percent(used).available.get() - 1), ..percent(used) };
        course(&[
            (percent(0), OK),
            (percent(80), OK),
            (more(80), Warning),
            (more(78), Warning),
            (percent(78), OK),
            (percent(80), OK),
            (percent(95), Warning),
            (more(95), Full),
            (percent(95), Full),
            (more(93), Full),
            (percent(93), Warning),
            (percent(95), Warning),
            (percent(100), Full),
            (percent(79), Warning),
            (percent(100), Full),
            (percent(78), OK),
            (percent(100), Full),
        ]);
    }

    #[test]
    fn ten_mebibytes_are_full_in_a_small_volume_and_there_is_a_way_back() {
        for (size, way_back) in [(20, 419_431), (40, 838_861), (50, MIB)] {
            let at = |available: u64| bytes(size * MIB, available);
            course(&[
                (at(14 * MIB), OK),
                (at(10 * MIB), OK),
                (at(10 * MIB - 1), Full),
                (at(10 * MIB), Full),
                (at(10 * MIB + way_back - 1), Full),
                (at(10 * MIB + way_back), OK),
                (at(12 * MIB), OK),
                (at(0), Full),
            ]);
        }
    }

    #[test]
    fn the_smallest_volume_with_ext4_is_not_born_full() {
        course(&[
            (bytes(20_000_000, 14_102_528), OK),
            (bytes(20_000_000, 0), Full),
            (bytes(20_000_000, 14_102_528), OK),
        ]);
    }

    #[test]
    fn inodes_run_out_too() {
        course(&[
            (inodes(65_536, 656), OK),
            (inodes(65_536, 655), Full),
            (inodes(65_536, 1310), Full),
            (inodes(65_536, 1311), OK),
            (inodes(100, 16), OK),
            (inodes(100, 15), Full),
            (inodes(100, 31), Full),
            (inodes(100, 32), OK),
            (inodes(0, 0), OK),
        ]);
    }

    #[test]
    fn full_of_inodes_is_not_left_for_bytes() {
        let both = |available: u64, free: u64| Reading { available: Bytes::new(available), ..inodes(1000, free) };
        course(&[
            (both(MIB << 9, 0), Full),
            (both(MIB << 10, 19), Full),
            (both(MIB, 500), Full),
            (both(MIB << 9, 31), Full),
            (both(MIB << 9, 32), OK),
        ]);
    }

    #[test]
    fn a_volume_without_a_size_is_full_and_nothing_overflows() {
        course(&[(bytes(0, 0), Full), (bytes(u64::MAX, u64::MAX), OK), (bytes(u64::MAX, 0), Full)]);
        course(&[(bytes(MIB, u64::MAX), OK), (inodes(u64::MAX, 0), Full), (inodes(u64::MAX, u64::MAX), OK)]);
    }

    #[test]
    fn the_room_ends_at_the_next_level() {
        let room = |level, reading: &Reading| Thresholds::default().room(level, reading).map(|room| room.bytes);
        assert_eq!(room(OK, &bytes(1000 * MIB, 500 * MIB)), Some(300 * MIB));
        assert_eq!(room(Warning, &bytes(1000 * MIB, 150 * MIB)), Some(100 * MIB));
        assert_eq!(room(Warning, &bytes(100 * MIB, 15 * MIB)), Some(5 * MIB));
        assert_eq!(room(Full, &bytes(1000 * MIB, 0)), None);
        let of_inodes = Thresholds::default().room(OK, &inodes(10_000, 500)).and_then(|room| room.inodes);
        assert_eq!(of_inodes, Some(400));
        assert_eq!(Thresholds::default().room(OK, &inodes(0, 0)).and_then(|room| room.inodes), None);
    }

    fn any_level() -> impl Strategy<Value = Level> {
        prop_oneof![Just(OK), Just(Warning), Just(Full)]
    }

    prop_compose! {
        /// Any volume, with room and inodes that it can have.
        fn any_reading()(size in 20_000_000_u64..1 << 50, total in prop_oneof![Just(0_u64), 64_u64..1 << 32])(
            size in Just(size),
            available in prop_oneof![0..=size, 0..=(size / 4), 9 * MIB..=12 * MIB],
            total in Just(total),
            free in 0..=total,
        ) -> Reading {
            Reading { inodes: Inodes { total, used: total - free, free }, ..bytes(size, available.min(size)) }
        }
    }

    proptest! {
        #[test]
        fn a_step_is_settled_at_once(level in any_level(), reading in any_reading()) {
            let after = Thresholds::default().step(level, &reading);
            prop_assert_eq!(Thresholds::default().step(after, &reading), after);
        }

        #[test]
        fn what_wobbles_inside_the_band_changes_nothing(
            from in any_level(), one in any_reading(), share in 0_u64..=400, wobbles in 1_usize..20,
        ) {
            // Another number of the same volume, at most 2 % away, at which the level stays: between them it stays too.
            let level = Thresholds::default().step(from, &one);
            let away = (one.available.get() + one.size.get() / 10_000 * share).saturating_sub(one.size.get() / 50);
            let other = Reading { available: Bytes::new(away), ..one };
            if Thresholds::default().step(level, &other) == level {
                let middle = Reading { available: Bytes::new(one.available.get().midpoint(away)), ..one };
                for reading in [one, middle, other].iter().cycle().take(wobbles * 3) {
                    prop_assert_eq!(Thresholds::default().step(level, reading), level);
                }
            }
        }

        #[test]
        fn a_wobble_smaller_than_the_bands_enters_no_level_twice(
            from in any_level(), one in any_reading(), wobbles in proptest::collection::vec(0_u64..=100, 1..50),
        ) {
            let (mut level, mut entered) = (from, Vec::new());
            for wobble in wobbles {
                let away = (one.size.get() / 5000 * wobble).min(10 * MIB / 100 * wobble);
                let reading = Reading { available: Bytes::new(one.available.get() + away), ..one };
                let after = Thresholds::default().step(level, &reading);
                if after != level {
                    prop_assert!(!entered.contains(&after), "{after} after {entered:?}");
                    entered.push(after);
                }
                level = after;
            }
        }

        #[test]
        fn more_room_never_means_a_higher_level(level in any_level(), one in any_reading(), more in 0_u64..1 << 50) {
            let better = Reading { available: Bytes::new(one.available.get().saturating_add(more)), ..one };
            prop_assert!(Thresholds::default().step(level, &better) <= Thresholds::default().step(level, &one));
            prop_assert!(Thresholds::default().step(OK, &one) <= Thresholds::default().step(Full, &one));
        }

        #[test]
        fn filling_to_the_last_byte_is_one_alert_and_emptying_ends_it(size in 20_000_000_u64..1 << 40, steps in 1_u64..200) {
            let (mut level, mut alerts) = (OK, 0);
            let up = (0..=steps).map(|step| size / steps * step);
            for available in up.rev().chain([0]) {
                let after = Thresholds::default().step(level, &bytes(size, available));
                alerts += u32::from(after == Full && level != Full);
                prop_assert!(after >= level);
                level = after;
            }
            prop_assert_eq!((level, alerts), (Full, 1));
            // An empty ext4 of 20 MB has 70 % of its size.
            prop_assert_eq!(Thresholds::default().step(level, &bytes(size, size / 10 * 7)), OK);
        }

        #[test]
        fn a_warning_is_there_exactly_where_it_comes_before_full(size in 20_000_000_u64..1 << 40) {
            let warning = (0..=1000).any(|part| {
                let near = size / 5 - size / 5 * part / 1000;
                Thresholds::default().step(OK, &bytes(size, near)) == Warning
            });
            prop_assert_eq!(warning, size > 51 * MIB || warning && size > 50 * MIB);
        }

        #[test]
        fn within_its_room_the_level_stays(reading in any_reading(), part in 0_u64..=100) {
            let level = Thresholds::default().step(OK, &reading);
            if let Some(room) = Thresholds::default().room(level, &reading) {
                let taken = u64::try_from(u128::from(room.bytes) * u128::from(part) / 100).unwrap();
                let later = Reading { available: reading.available.saturating_sub(Bytes::new(taken)), ..reading };
                prop_assert_eq!(Thresholds::default().step(level, &later), level);
            }
        }
    }
}
