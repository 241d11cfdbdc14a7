use std::fmt;

use crate::model::ProjectId;

/// The ids that volumes may get, both ends among them. Written `100-110000`.
///
/// On a filesystem where Docker sets quotas too: one far above its ids, such as `1000000-1110000`. (The kubelet's begin at
/// 1048577.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProjectRange {
    first: ProjectId,
    last: ProjectId,
}

/// A text that is no range of ids: the value, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{value}' is not a range of project ids: {reason}")]
pub struct InvalidRange {
    value: String,
    reason: Reason,
}

type Reason = &'static str;

const NOT_A_RANGE: Reason = "write the first and the last, such as 100-110000";
const OUTSIDE: Reason =
    "ids go from 1 to 4294967294 (0 is every file that was given none, 4294967295 means no id at all)";
const REVERSED: Reason = "the first is larger than the last";
const LONGEST_SHOWN: usize = 64;

impl ProjectRange {
    /// The range of that text; space around its numbers is fine.
    pub fn parse(text: &str) -> Result<Self, InvalidRange> {
        parse(text).map_err(|reason| InvalidRange { value: text.chars().take(LONGEST_SHOWN).collect(), reason })
    }

    /// The lowest id.
    pub fn first(self) -> ProjectId {
        self.first
    }

    /// The highest id, below `u32::MAX`.
    pub fn last(self) -> ProjectId {
        self.last
    }

    /// Whether an id is in it.
    pub fn contains(self, id: ProjectId) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

fn parse(text: &str) -> Result<ProjectRange, Reason> {
    let (first, last) = text.split_once('-').ok_or(NOT_A_RANGE)?;
    let (first, last) = (end(first)?, end(last)?);
    if first > last { Err(REVERSED) } else { Ok(ProjectRange { first, last }) }
}

fn end(text: &str) -> Result<ProjectId, Reason> {
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NOT_A_RANGE);
    }
    let id = digits.parse().ok().filter(|id| *id < u32::MAX);
    id.and_then(ProjectId::new).ok_or(OUTSIDE)
}

impl Default for ProjectRange {
    fn default() -> Self {
        let [first, last] = [100, 110_000].map(|id| ProjectId::new(id).expect("not 0"));
        Self { first, last }
    }
}

impl fmt::Display for ProjectRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_two_ends() {
        let cases = [
            ("100-110000", Ok((100, 110_000))),
            (" 1 - 4294967294 ", Ok((1, u32::MAX - 1))),
            ("7-7", Ok((7, 7))),
            ("007-8", Ok((7, 8))),
            ("", Err(NOT_A_RANGE)),
            ("100", Err(NOT_A_RANGE)),
            ("100-", Err(NOT_A_RANGE)),
            ("-100", Err(NOT_A_RANGE)),
            ("-1-100", Err(NOT_A_RANGE)),
            ("1-2-3", Err(NOT_A_RANGE)),
            ("+1-2", Err(NOT_A_RANGE)),
            ("1 0-20", Err(NOT_A_RANGE)),
            ("0x10-0x20", Err(NOT_A_RANGE)),
            ("100..200", Err(NOT_A_RANGE)),
            ("0-100", Err(OUTSIDE)),
            ("1-4294967295", Err(OUTSIDE)),
            ("1-99999999999999999999", Err(OUTSIDE)),
            ("200-100", Err(REVERSED)),
        ];
        for (text, expected) in cases {
            let read = ProjectRange::parse(text);
            let read = read.map(|range| (range.first().get(), range.last().get())).map_err(|error| error.reason);
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_which_value() {
        let said = ProjectRange::parse("200-100").unwrap_err().to_string();
        assert_eq!(said, "'200-100' is not a range of project ids: the first is larger than the last");
    }

    #[test]
    fn the_default_reads_back() {
        let range = ProjectRange::default();
        assert_eq!(range.to_string(), "100-110000");
        assert_eq!(ProjectRange::parse(&range.to_string()), Ok(range));
        for (id, inside) in [(99, false), (100, true), (110_000, true), (110_001, false)] {
            assert_eq!(range.contains(ProjectId::new(id).unwrap()), inside, "{id}");
        }
    }
}
