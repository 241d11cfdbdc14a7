use super::Bytes;

/// A text that is no size: the value and the reason.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{value}' is not a size: {reason}")]
pub struct InvalidQuantity {
    value: String,
    reason: &'static str,
}

/// A size as people write it: a Kubernetes quantity or the looser grammar (`2Gi`, `100M`, `0.5G`, `1 GiB`).
///
/// Units are of any case, an `i` means 1024, a part of a byte counts as a whole one. No float is involved.
pub fn parse_quantity(text: &str) -> Result<Bytes, InvalidQuantity> {
    let bytes = parse(text.trim());
    bytes
        .map(Bytes::new)
        .map_err(|reason| InvalidQuantity { value: text.chars().take(LONGEST_SHOWN).collect(), reason })
}

/// A decimal number: `digits` / 10^`decimals`.
struct Decimal {
    digits: u128,
    decimals: i32,
}

/// What follows the number.
enum Suffix {
    /// A unit of so many bytes.
    Unit(u128),
    /// A power of ten.
    Exponent(i32),
}

type Reason = &'static str;

const LONGEST_SHOWN: usize = 64;
const NOT_A_NUMBER: Reason = "write a number and a unit, such as 100M, 1.5Gi or 2 GiB";
const UNKNOWN_UNIT: Reason = "the units are k M G T P E (1000) and Ki Mi Gi Ti Pi Ei (1024), each with or without B";
const LONE_M: Reason = "a lone 'm' may be milli or mega: write M (1000) or Mi (1024)";
const LONE_E: Reason = "after 'e' goes an exponent (1e9); exa is E";
const SIGN: Reason = "a size has no sign";
const TOO_LARGE: Reason = "it does not fit in 64 bits";
const TOO_LONG: Reason = "it has more digits than a size can have";

fn parse(text: &str) -> Result<u64, Reason> {
    if text.starts_with(['+', '-']) {
        return Err(SIGN);
    }
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let number = Decimal::parse(number)?;
    match Suffix::parse(suffix)? {
        Suffix::Unit(unit) => number.scaled(unit, 0),
        Suffix::Exponent(exponent) => number.scaled(1, exponent),
    }
}

impl Decimal {
    /// Both bounds together are 38 digits, which always fit in 128 bits.
    const WHOLE_DIGITS: usize = 20;
    const DECIMALS: usize = 18;

    fn parse(text: &str) -> Result<Self, Reason> {
        let (whole, part) = text.split_once('.').unwrap_or((text, ""));
        if whole.is_empty() && part.is_empty() || part.contains('.') {
            return Err(NOT_A_NUMBER);
        }
        let (whole, part) = (whole.trim_start_matches('0'), part.trim_end_matches('0'));
        if whole.len() > Self::WHOLE_DIGITS || part.len() > Self::DECIMALS {
            return Err(TOO_LONG);
        }
        let digits = format!("0{whole}{part}").parse().map_err(|_| NOT_A_NUMBER)?;
        let decimals = i32::try_from(part.len()).map_err(|_| TOO_LONG)?;
        Ok(Self { digits, decimals })
    }

    /// This many units times 10^`exponent`, rounded up.
    fn scaled(&self, unit: u128, exponent: i32) -> Result<u64, Reason> {
        if self.digits == 0 {
            return Ok(0);
        }
        let units = self.digits.checked_mul(unit).ok_or(TOO_LARGE)?;
        let shift = exponent.saturating_sub(self.decimals);
        let power = 10u128.checked_pow(shift.unsigned_abs());
        let bytes = match (shift < 0, power) {
            (false, Some(power)) => units.checked_mul(power).ok_or(TOO_LARGE)?,
            (false, None) => return Err(TOO_LARGE),
            (true, Some(power)) => units.div_ceil(power),
            (true, None) => 1, // less than one byte
        };
        u64::try_from(bytes).map_err(|_| TOO_LARGE)
    }
}

impl Suffix {
    fn parse(text: &str) -> Result<Self, Reason> {
        if let Some(exponent) = text.strip_prefix(['e', 'E'])
            && exponent.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'))
        {
            return exponent.parse().map(Self::Exponent).map_err(|_| NOT_A_NUMBER);
        }
        match text.trim_start() {
            "m" => Err(LONE_M),
            "e" => Err(LONE_E),
            unit => unit_of(&unit.to_ascii_lowercase()).map(Self::Unit).ok_or(UNKNOWN_UNIT),
        }
    }
}

fn unit_of(text: &str) -> Option<u128> {
    let text = text.strip_suffix('b').unwrap_or(text);
    let (letter, base) = match text.strip_suffix('i') {
        Some(letter) => (letter, 1024),
        None => (text, 1000_u128),
    };
    let power = match letter {
        "" if base == 1000 => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        "e" => 6,
        _ => return None,
    };
    Some(base.pow(power))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_kubernetes_and_people_write() {
        let cases = [
            ("0", 0),
            ("4096", 4096),
            ("1k", 1000),
            ("1K", 1000),
            ("1Ki", 1024),
            ("100M", 100_000_000),
            ("100Mi", 100 << 20),
            ("100MB", 100_000_000),
            ("100mb", 100_000_000),
            ("100MiB", 100 << 20),
            ("100mib", 100 << 20),
            ("0.5G", 500_000_000),
            (".5Gi", 1 << 29),
            ("5.Gi", 5 << 30),
            ("1 GiB", 1 << 30),
            ("  2Gi\n", 2 << 30),
            ("10B", 10),
            ("1T", 1_000_000_000_000),
            ("1Ti", 1 << 40),
            ("1P", 1_000_000_000_000_000),
            ("1Pi", 1 << 50),
            ("1E", 1_000_000_000_000_000_000),
            ("1Ei", 1 << 60),
            ("1EB", 1_000_000_000_000_000_000),
            ("1e9", 1_000_000_000),
            ("1E9", 1_000_000_000),
            ("1E+9", 1_000_000_000),
            ("1.25e2", 125),
            ("1500e-3", 2),
            ("1e-400", 1),
            ("0e400", 0),
            ("0.000000000000000001e18", 1),
            ("0.1", 1),
            ("1.0001Ki", 1025),
            ("000000000000000000000000001.50000000000000000000000Ki", 1536),
            ("18446744073709551615", u64::MAX),
            ("15.999999999999999999Ei", u64::MAX),
        ];
        for (text, bytes) in cases {
            assert_eq!(parse_quantity(text), Ok(Bytes::new(bytes)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_with_the_reason() {
        let cases = [
            ("", NOT_A_NUMBER),
            ("Gi", NOT_A_NUMBER),
            (".", NOT_A_NUMBER),
            ("1.2.3", NOT_A_NUMBER),
            ("1e", LONE_E),
            ("1e+", NOT_A_NUMBER),
            ("1e99999999999", NOT_A_NUMBER),
            ("0x10", UNKNOWN_UNIT),
            ("1_000", UNKNOWN_UNIT),
            ("1,5G", UNKNOWN_UNIT),
            ("1i", UNKNOWN_UNIT),
            ("1iB", UNKNOWN_UNIT),
            ("1GiBB", UNKNOWN_UNIT),
            ("1 G iB", UNKNOWN_UNIT),
            ("1 e9", UNKNOWN_UNIT),
            ("1e9Gi", NOT_A_NUMBER),
            ("1n", UNKNOWN_UNIT),
            ("1u", UNKNOWN_UNIT),
            ("100m", LONE_M),
            ("100 m", LONE_M),
            ("-1", SIGN),
            ("+1", SIGN),
            ("1é", UNKNOWN_UNIT),
            ("18446744073709551616", TOO_LARGE),
            ("16Ei", TOO_LARGE),
            ("19E", TOO_LARGE),
            ("1e20", TOO_LARGE),
            ("1e400", TOO_LARGE),
            ("99999999999999999999Ei", TOO_LARGE),
            ("999999999999999999999", TOO_LONG),
            ("0.1234567890123456789", TOO_LONG),
        ];
        for (text, reason) in cases {
            assert_eq!(parse_quantity(text).map_err(|error| error.reason), Err(reason), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_which_value() {
        let said = parse_quantity("100m").unwrap_err().to_string();
        assert_eq!(said, "'100m' is not a size: a lone 'm' may be milli or mega: write M (1000) or Mi (1024)");
    }

    proptest! {
        #[test]
        fn whole_units_come_back(count in 1u64..1024, power in 0u32..6) {
            let bytes = Bytes::new(count << (10 * power));
            prop_assert_eq!(parse_quantity(&bytes.to_string()), Ok(bytes));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = parse_quantity(&text);
        }

        #[test]
        fn no_near_miss_panics(text in "[0-9.]{0,42}[ eEkKmMgGiB+-]{0,3}[0-9]{0,4}") {
            let _ = parse_quantity(&text);
        }
    }
}
