use std::fmt;

use serde::{Deserialize, Serialize};

/// A size or an amount of space in bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bytes(u64);

/// The unit in which sizes are kept: a page, and the block size of every filesystem made here.
const BLOCK: u64 = 4096;

impl Bytes {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// So many bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many MiB.
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// So many GiB.
    pub const fn gib(gib: u64) -> Self {
        Self(gib << 30)
    }

    /// The plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// As the signed number that CSI and `off_t` carry; sizes past `i64::MAX` saturate.
    pub fn signed(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The sum, or `None` past 2^64.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The sum; past 2^64 the largest number.
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// The difference, never below nothing.
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// Rounded up to whole blocks of 4096 bytes, or `None` past 2^64.
    pub fn round_up(self) -> Option<Self> {
        self.0.checked_next_multiple_of(BLOCK).map(Self)
    }

    /// Rounded down to whole blocks of 4096 bytes.
    pub fn round_down(self) -> Self {
        Self(self.0 - self.0 % BLOCK)
    }
}

impl std::iter::Sum for Bytes {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Self::saturating_add)
    }
}

impl fmt::Display for Bytes {
    /// The largest binary unit, with one decimal where it does not come out even: `2Gi`, `1.5Gi`, `1000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u32, &str); 6] = [(60, "Ei"), (50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
        let Some((shift, unit)) = UNITS.into_iter().find(|(shift, _)| self.0 >> shift > 0) else {
            return f.pad(&self.0.to_string());
        };
        let (whole, rest) = (self.0 >> shift, self.0 & ((1 << shift) - 1));
        let tenths = (u128::from(rest) * 10) >> shift;
        let text = if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}.{tenths}{unit}") };
        f.pad(&text)
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_largest_unit() {
        let cases = [
            (0, "0"),
            (1023, "1023"),
            (4095, "3.9Ki"),
            (4096, "4Ki"),
            (1 << 30, "1Gi"),
            (3 << 29, "1.5Gi"),
            ((1 << 30) - 1, "1023.9Mi"),
            (u64::MAX, "15.9Ei"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Bytes::new(bytes).to_string(), text);
        }
    }

    #[test]
    fn rounds_to_blocks_and_says_when_it_cannot() {
        assert_eq!(Bytes::new(0).round_up(), Some(Bytes::ZERO));
        assert_eq!(Bytes::new(1).round_up(), Some(Bytes::new(4096)));
        assert_eq!(Bytes::new(4096).round_up(), Some(Bytes::new(4096)));
        assert_eq!(Bytes::new(u64::MAX).round_up(), None);
        assert_eq!(Bytes::new(8191).round_down(), Bytes::new(4096));
    }
}
