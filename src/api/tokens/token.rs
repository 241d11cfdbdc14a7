use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::{Error, Result};

/// A secret that opens the quota API. Neither `Debug` nor anything else but [`Token::as_str`] shows it.
#[derive(Clone)]
pub struct Token(String);

/// A text that is no token. It says nothing of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InvalidToken {
    /// Another prefix, or none.
    #[error("Token must start with 'lightd_'")]
    Prefix,
    /// Too easily guessed.
    #[error("Token too short (minimum 20 characters)")]
    Short,
    /// Longer than any header should be.
    #[error("Token too long (maximum 512 characters)")]
    Long,
    /// Something that cannot stand in a header.
    #[error("Token must be printable ASCII without spaces")]
    Character,
}

/// The SHA-256 of a token: all that is kept and compared.
#[derive(Clone, Copy, Eq)]
pub(super) struct Digest([u8; 32]);

/// Which token it was, for limits and logs: a part of its digest, from which nobody gets the token.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key(u64);

const PREFIX: &str = "lightd_";
const SHORTEST: usize = 20;
const LONGEST: usize = 512;

impl Token {
    /// A token from outside, checked.
    ///
    /// # Errors
    /// What is wrong with it, in Lightd's words where it has them.
    pub fn parse(text: &str) -> Result<Self, InvalidToken> {
        let fault = match text.chars().count() {
            _ if !text.starts_with(PREFIX) => InvalidToken::Prefix,
            length if length < SHORTEST => InvalidToken::Short,
            length if length > LONGEST => InvalidToken::Long,
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => InvalidToken::Character,
            _ => return Ok(Self(text.to_owned())),
        };
        Err(fault)
    }

    /// A new one: `lightd_` and 128 bits of the kernel's random numbers in hexadecimal.
    ///
    /// # Errors
    /// The kernel has no random numbers (a system call filter).
    pub fn generate() -> Result<Self> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Error::Random(error.to_string()))?;
        Ok(Self(format!("{PREFIX}{}", hex(&random))))
    }

    /// The secret itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

impl Digest {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// The digest of what somebody shows as a token; none where it cannot be one, whatever tokens there are.
    pub(super) fn of_shown(text: &str) -> Option<Self> {
        (text.starts_with(PREFIX) && text.len() <= LONGEST).then(|| Self::of(text))
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(super) fn to_hex(self) -> String {
        hex(&self.0)
    }

    pub(super) fn key(self) -> Key {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        Key(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }
}

/// In constant time; that of a digest says nothing about the token's length.
impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Key {
    /// The master token's, whichever it is at the moment.
    pub const MASTER: Self = Self(0);

    #[cfg(test)]
    pub(crate) const fn of_test(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({}…)", self.key())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_from_outside_is_checked_in_lightds_words() {
        let long = format!("lightd_{}", "x".repeat(506));
        for (text, said) in [
            ("", "Token must start with 'lightd_'"),
            ("bearer_0123456789abcdef", "Token must start with 'lightd_'"),
            ("Lightd_0123456789abcdef", "Token must start with 'lightd_'"),
            (" lightd_0123456789abcdef", "Token must start with 'lightd_'"),
            ("lightd_", "Token too short (minimum 20 characters)"),
            ("lightd_0123456789ab", "Token too short (minimum 20 characters)"),
            ("lightd_012345 6789abc", "Token must be printable ASCII without spaces"),
            ("lightd_0123456789abc\n", "Token must be printable ASCII without spaces"),
            ("lightd_0123456789abcö", "Token must be printable ASCII without spaces"),
            (&long, "Token too long (maximum 512 characters)"),
        ] {
            assert_eq!(Token::parse(text).unwrap_err().to_string(), said, "{text:?}");
        }
        for text in ["lightd_0123456789abc", "lightd_A-Z!~$%&/()=?{}[]", &long[..512]] {
            assert_eq!(Token::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_new_token_is_hexadecimal_another_each_time_and_not_shown() {
        let (one, two) = (Token::generate().unwrap(), Token::generate().unwrap());
        let rest = one.as_str().strip_prefix("lightd_").unwrap();
        assert!(rest.len() == 32 && rest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        assert_ne!(one.as_str(), two.as_str());
        assert_eq!(format!("{one:?}"), "Token(…)");
        assert!(Token::parse(one.as_str()).is_ok());
    }

    #[test]
    fn a_digest_comes_back_from_its_file() {
        let digest = Token::parse("lightd_0123456789abcdef").unwrap().digest();
        assert!(Digest::from_hex(&digest.to_hex()) == Some(digest));
        assert!(digest.to_hex().starts_with(&digest.key().to_string()));
        let long = "é".repeat(32);
        for text in ["", "00", &"g".repeat(64), &"0".repeat(65), &long] {
            assert!(Digest::from_hex(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_token_is_not_even_hashed() {
        assert!(Digest::of_shown("lightd_x").is_some());
        assert!(Digest::of_shown("x").is_none());
        assert!(Digest::of_shown(&format!("lightd_{}", "x".repeat(1 << 20))).is_none());
    }
}
