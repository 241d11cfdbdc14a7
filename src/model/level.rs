use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Bytes, Inodes};

/// How near a volume is to having no room left. Written `ok`, `warning` or `full`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// There is room.
    #[default]
    Ok,
    /// It is getting full.
    Warning,
    /// It is as good as full: the application hears of it before its writes fail.
    Full,
}

/// What was measured of a volume at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reading {
    /// What was provisioned: the exact quota, not what the filesystem makes of it.
    pub size: Bytes,
    /// What can still be written.
    pub available: Bytes,
    /// Its inodes; a total of 0 where the filesystem makes them as needed.
    pub inodes: Inodes,
}

impl Level {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Full => "full",
        }
    }
}

impl Reading {
    /// What cannot be written any more; the filesystem's own overhead counts as used.
    pub fn used(&self) -> Bytes {
        self.size.saturating_sub(self.available)
    }

    /// Its inodes, where there are so few that they may be why a volume with room is full.
    pub fn scarce_inodes(&self) -> Option<Inodes> {
        let Inodes { total, free, .. } = self.inodes;
        (total > 0 && free < total.div_ceil(20).max(64)).then_some(self.inodes)
    }

    /// The used share in percent, with two decimals; 0 of a volume that has no size.
    pub fn percentage(&self) -> f64 {
        let (used, size) = (u128::from(self.used().get()), u128::from(self.size.get()));
        let hundredths = (used * 10_000 + size / 2).checked_div(size).unwrap_or_default();
        u32::try_from(hundredths).map_or(f64::INFINITY, f64::from) / 100.0
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % of {} used, {} left", self.percentage(), self.size, self.available)?;
        match self.scarce_inodes() {
            Some(inodes) => write!(f, ", {} of {} inodes left", inodes.free, inodes.total),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_word_everywhere_and_they_rise() {
        for level in [Level::Ok, Level::Warning, Level::Full] {
            assert_eq!(serde_json::to_string(&level).unwrap(), format!("\"{level}\""));
        }
        assert!(Level::Ok < Level::Warning && Level::Warning < Level::Full);
    }

    #[test]
    fn the_percentage_has_two_decimals() {
        let cases = [
            (2048, 348, 83.01),
            (2048, 1536, 25.0),
            (3, 2, 33.33),
            (3, 1, 66.67),
            (100, 0, 100.0),
            (100, 200, 0.0),
            (0, 0, 0.0),
        ];
        for (size, available, expected) in cases {
            let reading =
                Reading { size: Bytes::mib(size), available: Bytes::mib(available), inodes: Inodes::default() };
            assert!((reading.percentage() - expected).abs() < 1e-9, "{available} of {size}: {}", reading.percentage());
        }
        let huge = Reading { size: Bytes::new(u64::MAX), ..Reading::default() };
        assert!((huge.percentage() - 100.0).abs() < 1e-9);
    }
}
