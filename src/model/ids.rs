use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The id of a volume: safe as a file name, and a function of the name that the caller gave it.
///
/// At most 128 of `A-Z a-z 0-9 . _ -`, beginning with a letter or a digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeId(String);

/// The name of a pool in the configuration: the same alphabet as a volume's id, at most 63 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolName(String);

/// A text that cannot be an id: the value, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{value}' is not {what}: 1 to {longest} of A-Z a-z 0-9 . _ -, beginning with a letter or a digit")]
pub struct InvalidId {
    what: &'static str,
    value: String,
    longest: usize,
}

/// What a hashed id begins with. A name that looks like one is hashed too, so that no two names meet.
const HASHED: &str = "v-sha256-";

impl VolumeId {
    const LONGEST: usize = 128;

    /// The id of the volume that a caller calls `name`: the name itself where it is safe as a file name, else its hash.
    pub fn from_name(name: &str) -> Self {
        if is_safe(name, Self::LONGEST) && !name.starts_with(HASHED) {
            return Self(name.to_owned());
        }
        Self(format!("{HASHED}{}", sha256(name)))
    }

    /// The id's SHA-256 in hexadecimal, for a place that has no room for the id.
    pub fn digest(&self) -> String {
        sha256(&self.0)
    }

    /// The id as the caller had it from us.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        checked(text, "a volume id", Self::LONGEST).map(Self)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PoolName {
    const LONGEST: usize = 63;

    /// A pool's name, checked.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        checked(text, "a pool name", Self::LONGEST).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn checked(text: &str, what: &'static str, longest: usize) -> Result<String, InvalidId> {
    if is_safe(text, longest) {
        return Ok(text.to_owned());
    }
    let value = text.chars().take(longest + 1).collect();
    Err(InvalidId { what, value, longest })
}

fn is_safe(text: &str, longest: usize) -> bool {
    text.len() <= longest
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

macro_rules! text_of {
    ($id:ty) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl TryFrom<String> for $id {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.0
            }
        }
    };
}

text_of!(VolumeId);
text_of!(PoolName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_safe_name_is_its_own_id() {
        for name in ["pvc-1f0e", "db", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(VolumeId::from_name(name).as_str(), name);
        }
    }

    #[test]
    fn an_unsafe_name_becomes_a_hash_that_is_safe_and_its_own() {
        let forged = VolumeId::from_name("../etc").as_str().to_owned();
        let mut seen = std::collections::HashSet::new();
        for name in ["", ".", "..", "../etc", "a/b", "-a", "é", "a b", &forged, &"x".repeat(129)] {
            let id = VolumeId::from_name(name);
            assert!(VolumeId::parse(id.as_str()).is_ok(), "{id}");
            assert_ne!(id.as_str(), name);
            assert!(seen.insert(id), "two names met: {name}");
        }
    }

    #[test]
    fn a_bad_id_is_refused_with_its_value() {
        let text = PoolName::parse("a/b").unwrap_err().to_string();
        assert!(text.contains("'a/b' is not a pool name"), "{text}");
    }
}
