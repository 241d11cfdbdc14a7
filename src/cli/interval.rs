use std::time::Duration;

/// A time such as `1h`, `30m` or `90s`; a bare number is seconds.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.trim() {
        hours if hours.ends_with('h') => (&hours[..hours.len() - 1], 3600),
        minutes if minutes.ends_with('m') => (&minutes[..minutes.len() - 1], 60),
        seconds => (seconds.strip_suffix('s').unwrap_or(seconds), 1),
    };
    let count = Some(number).filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    let time = count.and_then(|count| count.parse::<u64>().ok()?.checked_mul(seconds));
    time.map(Duration::from_secs).ok_or_else(|| "write a time such as 1h, 30m or 90s, or 0".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_is_seconds() {
        for (text, seconds) in [("1h", 3600), ("30m", 1800), ("90s", 90), ("90", 90), ("0", 0), (" 2h ", 7200)] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "1d", "-1", "+1", "1.5h", "1 h", "1h30m", "99999999999999999999", "9999999999999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
