use std::fmt;
use std::str::FromStr;

use super::Bytes;

/// A share in hundredths of a percent. Written `95`, `95%` or `92.5%`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Share(u16);

/// Where each level begins and ends, as somebody wishes it; [`super::Thresholds::new`] checks it.
///
/// What ends lies below what begins, so that a volume whose use wobbles about a limit does not cry at every turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Full with less than this available.
    pub full_below: Bytes,
    /// Full with more than this used.
    pub full_above: Share,
    /// Full is left only with at most this used,
    pub full_left_at: Share,
    /// and with so much available beyond `full_below`: this,
    pub full_left_beyond: Bytes,
    /// or this share of the size where it is less.
    pub full_left_share: Share,
    /// A warning with more than this used.
    pub warning_above: Share,
    /// It ends with at most this used.
    pub warning_left_at: Share,
    /// Full with fewer inodes free than this,
    pub inodes_below: u64,
    /// or than this share of them.
    pub inodes_below_share: Share,
    /// Full is left only with at least so many inodes free,
    pub inodes_left_at: u64,
    /// and with at least this share of them.
    pub inodes_left_share: Share,
}

/// Limits that contradict each other, or a text that is no share.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidLimits {
    /// No share.
    #[error("'{0}' is not a share: write 0% to 100%, with at most two decimals")]
    Share(String),
    /// Something ends where it begins, or beyond: it would flap.
    #[error("{lower} ({lower_value}) must be less than {upper} ({upper_value})")]
    NotBelow {
        /// What must be less.
        lower: &'static str,
        /// What it is.
        lower_value: String,
        /// Than what.
        upper: &'static str,
        /// What that is.
        upper_value: String,
    },
    /// Full would be left at the very byte at which it begins: it would flap.
    #[error("to leave full, something must be available beyond {0}: more than 0 bytes, and more than 0% of the size")]
    NothingBeyond(Bytes),
}

/// How far below its beginning a level ends, unless somebody says otherwise.
const BAND: Share = Share::percent(2);

impl Share {
    const ALL: u16 = 10_000;

    /// So many percent, at most 100.
    pub const fn percent(percent: u8) -> Self {
        let percent = if percent > 100 { 100 } else { percent };
        Self(percent as u16 * 100)
    }

    /// The share of an amount, rounded down.
    pub fn of(self, amount: u64) -> u64 {
        let part = u128::from(amount) * u128::from(self.0) / u128::from(Self::ALL);
        u64::try_from(part).expect("a share is at most the whole")
    }

    /// The share of an amount, rounded up.
    pub fn of_rounded_up(self, amount: u64) -> u64 {
        let part = (u128::from(amount) * u128::from(self.0)).div_ceil(u128::from(Self::ALL));
        u64::try_from(part).expect("a share is at most the whole")
    }

    fn less(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Limits {
    /// The limits that begin so, and end a little below: what somebody means who names only three.
    pub fn beginning(full_below: Bytes, full_above: Share, warning_above: Share) -> Self {
        Self {
            full_below,
            full_above,
            full_left_at: full_above.less(BAND),
            warning_above,
            warning_left_at: warning_above.less(BAND),
            ..Self::default()
        }
    }

    /// The same with the warning of one volume, which begins at that percentage, or below full where that is not below it;
    /// it ends as far below as before.
    pub(super) fn warning_at(self, percent: u8) -> Self {
        let band = Share(self.warning_above.0 - self.warning_left_at.0);
        let warning_above = Share::percent(percent).min(self.full_above.less(Share::percent(1))).max(Share(1));
        Self { warning_above, warning_left_at: warning_above.less(band), ..self }
    }

    /// The limits themselves where they make sense.
    pub(super) fn checked(self) -> Result<Self, InvalidLimits> {
        below("warning", self.warning_above, "full", self.full_above)?;
        below("the end of full", self.full_left_at, "full", self.full_above)?;
        below("the end of the warning", self.warning_left_at, "warning", self.warning_above)?;
        let is_one_point = self.full_left_beyond == Bytes::ZERO || self.full_left_share == Share(0);
        if is_one_point && self.full_below > Bytes::ZERO {
            return Err(InvalidLimits::NothingBeyond(self.full_below));
        }
        if self.inodes_below > 0 {
            below("full by inodes", self.inodes_below, "its end", self.inodes_left_at)?;
        }
        if self.inodes_below_share > Share(0) {
            below("full by the share of inodes", self.inodes_below_share, "its end", self.inodes_left_share)?;
        }
        Ok(self)
    }
}

impl Default for Limits {
    /// The contract of the quota API.
    fn default() -> Self {
        Self {
            full_below: Bytes::mib(10),
            full_above: Share::percent(95),
            full_left_at: Share::percent(93),
            full_left_beyond: Bytes::mib(10),
            full_left_share: Share::percent(2),
            warning_above: Share::percent(80),
            warning_left_at: Share::percent(78),
            inodes_below: 16,
            inodes_below_share: Share::percent(1),
            inodes_left_at: 32,
            inodes_left_share: Share::percent(2),
        }
    }
}

fn below<T: PartialOrd + fmt::Display>(
    lower: &'static str,
    lower_value: T,
    upper: &'static str,
    upper_value: T,
) -> Result<(), InvalidLimits> {
    if lower_value < upper_value {
        return Ok(());
    }
    let (lower_value, upper_value) = (lower_value.to_string(), upper_value.to_string());
    Err(InvalidLimits::NotBelow { lower, lower_value, upper, upper_value })
}

impl FromStr for Share {
    type Err = InvalidLimits;

    fn from_str(text: &str) -> Result<Self, InvalidLimits> {
        let number = text.trim();
        let number = number.strip_suffix('%').map_or(number, str::trim_end);
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let right = digits(whole) && digits(part) && part.len() <= 2;
        let share = Some(format!("{whole}{part:0<2}")).filter(|_| right).and_then(|digits| digits.parse().ok());
        let share = share.filter(|share| *share <= Self::ALL).map(Self);
        share.ok_or_else(|| InvalidLimits::Share(text.to_owned()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 100, self.0 % 100);
        match part {
            0 => write!(f, "{whole}%"),
            _ if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            _ => write!(f, "{whole}.{part:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(text: &str) -> Share {
        text.parse().unwrap()
    }

    #[test]
    fn a_share_is_written_in_percent() {
        for (text, shown) in [("95", "95%"), ("92.5%", "92.5%"), ("0.05 %", "0.05%"), ("0", "0%"), ("100%", "100%")] {
            assert_eq!(share(text).to_string(), shown);
        }
        for text in ["", "%", "101", "100.01%", "-1", "1.234", ".5", "5.", "x", "99999999"] {
            assert_eq!(text.parse::<Share>(), Err(InvalidLimits::Share(text.to_owned())));
        }
        assert_eq!(Share::percent(95).of(u64::MAX), 17_524_406_870_024_074_034);
        assert_eq!((Share::percent(1).of(150), Share::percent(1).of_rounded_up(150)), (1, 2));
    }

    #[test]
    fn limits_that_would_flap_are_refused_with_both_values() {
        let good = Limits::default();
        let bad = [
            (Limits { full_left_at: share("95"), ..good }, "the end of full (95%) must be less than full (95%)"),
            (Limits { warning_above: share("96"), ..good }, "warning (96%) must be less than full (95%)"),
            (
                Limits { warning_left_at: share("80.5"), ..good },
                "the end of the warning (80.5%) must be less than warning (80%)",
            ),
            (Limits { inodes_left_at: 16, ..good }, "full by inodes (16) must be less than its end (16)"),
            (
                Limits { inodes_left_share: share("0.5"), ..good },
                "full by the share of inodes (1%) must be less than its end (0.5%)",
            ),
            (
                Limits { full_left_share: share("0"), ..good },
                "to leave full, something must be available beyond 10Mi: more than 0 bytes, and more than 0% of the size",
            ),
        ];
        for (limits, words) in bad {
            assert_eq!(limits.checked().unwrap_err().to_string(), words);
        }
        assert_eq!(good.checked(), Ok(good));
        let off = Limits {
            full_below: Bytes::ZERO,
            full_left_beyond: Bytes::ZERO,
            inodes_below: 0,
            inodes_below_share: share("0"),
            inodes_left_at: 0,
            inodes_left_share: share("0"),
            ..good
        };
        assert_eq!(off.checked(), Ok(off));
    }

    #[test]
    fn a_volume_has_a_warning_of_its_own_which_stays_below_full() {
        let with_full = |full: &str, warning: &str| Limits::beginning(Bytes::mib(10), share(full), share(warning));
        let cases = [
            (Limits::default(), 70, "70%", "68%"),
            (Limits::default(), 1, "1%", "0%"),
            (Limits::default(), 94, "94%", "92%"),
            (Limits::default(), 95, "94%", "92%"),
            (Limits::default(), 99, "94%", "92%"),
            (with_full("2.5", "1"), 80, "1.5%", "0.5%"),
            (with_full("0.5", "0.25"), 80, "0.01%", "0%"),
        ];
        for (limits, percent, begins, ends) in cases {
            let own = limits.warning_at(percent);
            assert_eq!((own.warning_above.to_string(), own.warning_left_at.to_string()), (begins.into(), ends.into()));
            assert_eq!(own.checked(), Ok(own), "{percent}");
            let rest = Limits { warning_above: limits.warning_above, warning_left_at: limits.warning_left_at, ..own };
            assert_eq!(rest, limits, "{percent}");
        }
    }

    #[test]
    fn whoever_names_three_has_the_rest_two_percent_below() {
        assert_eq!(Limits::beginning(Bytes::mib(10), share("95"), share("80")), Limits::default());
        let own = Limits::beginning(Bytes::gib(1), share("90"), share("1"));
        assert_eq!((own.full_left_at, own.warning_left_at), (share("88"), share("0")));
        assert!(own.checked().is_ok());
    }
}
