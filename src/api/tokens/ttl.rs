use std::time::Duration;

/// A time to live that cannot be read, is 0, or is longer than 30 days.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("Invalid TTL format")]
pub struct InvalidTtl;

/// The longest time that an issued token may live: 30 days.
pub const LONGEST_TTL: Duration = Duration::from_secs(30 * 24 * 3600);

/// Reads `15m`, `1h`, `30s`, `7d` or `900`, which is seconds.
///
/// # Errors
/// Anything else, 0, and more than [`LONGEST_TTL`].
pub fn parse_ttl(text: &str) -> Result<Duration, InvalidTtl> {
    let unit = |letter| text.strip_suffix(letter);
    let (digits, seconds) = [(unit('s'), 1), (unit('m'), 60), (unit('h'), 3600), (unit('d'), 24 * 3600)]
        .into_iter()
        .find_map(|(digits, seconds)| Some((digits?, seconds)))
        .unwrap_or((text, 1));
    // `parse` alone would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidTtl);
    }
    let number: u64 = digits.parse().map_err(|_| InvalidTtl)?;
    checked(Duration::from_secs(number.checked_mul(seconds).ok_or(InvalidTtl)?))
}

pub(super) fn checked(ttl: Duration) -> Result<Duration, InvalidTtl> {
    if ttl.is_zero() || ttl > LONGEST_TTL { Err(InvalidTtl) } else { Ok(ttl) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_is_a_number_with_a_unit_or_without() {
        for (text, seconds) in [
            ("15m", 900),
            ("1h", 3600),
            ("30s", 30),
            ("7d", 604_800),
            ("900", 900),
            ("1", 1),
            ("30d", 2_592_000),
            ("2592000", 2_592_000),
            ("007s", 7),
        ] {
            assert_eq!(parse_ttl(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "",
            "0",
            "0d",
            "31d",
            "2592001",
            "721h",
            "m",
            "-1",
            "+1",
            "1.5h",
            "1 h",
            " 1h",
            "1h ",
            "1H",
            "1w",
            "1hm",
            "１h",
            "99999999999999999999",
            "9999999999999999999d",
            "1e3",
            "lightd_",
        ] {
            assert_eq!(parse_ttl(text), Err(InvalidTtl), "{text}");
        }
    }
}
