//! One value each.

use super::ParameterError;
use crate::model::InodeLimit;

/// The volume's own directory is one.
const LEAST_INODES: u64 = 2;

const TRUE: [&str; 6] = ["1", "t", "T", "TRUE", "true", "True"];

/// Every word for yes and no.
pub(super) const BOOLEANS: [&str; 12] =
    ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];

pub(super) fn boolean(key: &'static str, value: &str) -> Result<bool, ParameterError> {
    if !BOOLEANS.contains(&value) {
        return Err(ParameterError::Boolean { key, value: value.to_owned() });
    }
    Ok(TRUE.contains(&value))
}

/// A number as its parser shall see it: with a plus before it, which Rust takes, it is none.
fn unsigned(value: &str) -> &str {
    if value.starts_with('+') { "+" } else { value }
}

/// A user's or a group's id.
pub(super) fn id(key: &'static str, value: &str) -> Result<u32, ParameterError> {
    let owned = value.to_owned();
    match unsigned(value).parse::<i64>() {
        Err(source) => Err(ParameterError::Integer { key, value: owned, source }),
        Ok(..0) => Err(ParameterError::Negative { key, value: owned }),
        Ok(id) => match u32::try_from(id) {
            Ok(id) if id < u32::MAX => Ok(id),
            _ => Err(ParameterError::TooLarge { key, value: owned }),
        },
    }
}

/// How many inodes: a number, or `auto`.
pub(super) fn inodes(value: &str) -> Result<InodeLimit, ParameterError> {
    match unsigned(value).parse() {
        _ if value.eq_ignore_ascii_case("auto") => Ok(InodeLimit::Auto),
        Ok(count) if count >= LEAST_INODES => Ok(InodeLimit::Count(count)),
        _ => Err(ParameterError::Inodes(value.to_owned())),
    }
}

pub(super) fn percent(value: &str) -> Result<u8, ParameterError> {
    let percent = unsigned(value).trim_end_matches('%').parse().ok().filter(|percent| (1..100).contains(percent));
    percent.ok_or_else(|| ParameterError::Percent(value.to_owned()))
}

pub(super) fn mode(value: &str) -> Result<u32, ParameterError> {
    match u32::from_str_radix(unsigned(value), 8) {
        Ok(mode @ 1..=0o7777) => Ok(mode),
        Ok(_) => Err(ParameterError::ModeRange(value.to_owned())),
        Err(source) => Err(ParameterError::Mode { value: value.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_those_of_go() {
        for word in BOOLEANS {
            let expected = matches!(word.chars().next(), Some('1' | 't' | 'T'));
            assert_eq!(boolean("sparse", word), Ok(expected), "{word}");
        }
        let expected = "'sparse' option should be one of 1, t, T, TRUE, true, True, 0, f, F, FALSE, false, False but \
                        received 'yes'";
        assert_eq!(boolean("sparse", "yes").unwrap_err().to_string(), expected);
        for word in ["", " true", "tRUE", "2"] {
            assert!(boolean("sparse", word).is_err(), "{word}");
        }
    }

    #[test]
    fn ids_stop_before_the_one_that_means_leave_it() {
        for (value, expected) in [("0", 0), ("1000", 1000), ("4294967294", u32::MAX - 1)] {
            assert_eq!(id("uid", value), Ok(expected));
        }
        let cases = [
            ("-1", "'uid' option should be >= 0 but received '-1'"),
            ("4294967295", "'uid' option should be <= 4294967294 but received '4294967295'"),
            ("x", "cannot parse 'uid' option value 'x' as an integer: invalid digit found in string"),
            ("1.5", "cannot parse 'uid' option value '1.5' as an integer: invalid digit found in string"),
            ("+1", "cannot parse 'uid' option value '+1' as an integer: invalid digit found in string"),
            (
                "99999999999999999999",
                "cannot parse 'uid' option value '99999999999999999999' as an integer: number too large to fit in \
                 target type",
            ),
        ];
        for (value, text) in cases {
            assert_eq!(id("uid", value).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn modes_are_octal() {
        for (value, expected) in [("1", 1), ("755", 0o755), ("0755", 0o755), ("2770", 0o2770), ("7777", 0o7777)] {
            assert_eq!(mode(value), Ok(expected));
        }
        let cases = [
            ("0", "mode value '0' does not fall between 0 and 7777 in octal encoding"),
            ("0000", "mode value '0000' does not fall between 0 and 7777 in octal encoding"),
            ("10000", "mode value '10000' does not fall between 0 and 7777 in octal encoding"),
            ("x", "cannot parse mode 'x' as positive 4-position octal: invalid digit found in string"),
            ("789", "cannot parse mode '789' as positive 4-position octal: invalid digit found in string"),
            ("-1", "cannot parse mode '-1' as positive 4-position octal: invalid digit found in string"),
            ("+755", "cannot parse mode '+755' as positive 4-position octal: invalid digit found in string"),
        ];
        for (value, text) in cases {
            assert_eq!(mode(value).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn a_plus_is_no_part_of_a_number() {
        assert!(inodes("5").is_ok() && inodes("+5").is_err());
        assert!(percent("70%").is_ok() && percent("+70%").is_err());
    }
}
