//! YAML in and out: the configuration, the records of volumes, what the command line prints.
//!
//! The only file that knows `serde_yaml`. Enums are written as maps with one key (`content: {filesystem: xfs}`), not
//! as YAML tags, so that any other program can read them too.
//!
//! Texts of others are read by [`stream`], which knows where everything stands, and changed where they differ from
//! what is wanted, and nowhere else: comments, order and quotes stay.

mod edit;
mod print;
mod read;
mod schema;
pub mod stream;
mod tree;
mod value;
mod weave;

use std::fmt;

pub use schema::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_yaml::with::singleton_map_recursive;
pub use value::Value;

/// A text that has not the form it should have.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{message}", place.map(|place| format!("{place}: ")).unwrap_or_default())]
pub struct Error {
    place: Option<Place>,
    message: String,
}

/// A place in a text, counted from 1; for a fault of a whole mapping, where that begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Reads one document. A key given twice in one struct, and a second document, are refused.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    singleton_map_recursive::deserialize(serde_yaml::Deserializer::from_str(text)).map_err(Error::from)
}

/// Writes one document, ending in a newline; keys in the order of the struct's fields.
pub fn print<T: Serialize>(value: &T) -> Result<String, Error> {
    let mut text = Vec::new();
    singleton_map_recursive::serialize(value, &mut serde_yaml::Serializer::new(&mut text))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

impl Error {
    /// Where in the text, if anywhere: a missing document has no place.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// What is wrong there, beginning with the key's path where it is known.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl From<serde_yaml::Error> for Error {
    fn from(error: serde_yaml::Error) -> Self {
        let place = error.location().map(|at| Place { line: at.line(), column: at.column() });
        let mut message = error.to_string();
        if let Some(place) = place {
            // The place stands in its own field; a second mark (where a broken mapping began) is worth keeping.
            let mark = format!(" at line {} column {}", place.line, place.column);
            message = message.replacen(&mark, "", 1);
        }
        Self { place, message }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::model::{Backend, Bytes, Claim, Content, FsKind, PoolName, VolumeSpec};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shelf {
        name: String,
        #[serde(default)]
        casks: Vec<Cask>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Cask {
        size: u64,
    }

    #[test]
    fn says_line_column_key_and_fault() {
        let cases = [
            ("name: a\ncasks:\n- size: 1\n  taste: 2\n", "line 4, column 3: casks[0]: unknown field `taste`"),
            ("name: a\ncasks:\n- size: many\n", "line 3, column 9: casks[0].size: invalid type"),
            ("# a\nname: a\nname: b\n", "line 2, column 1: duplicate field `name`"),
            ("casks: []\n", "line 1, column 1: missing field `name`"),
            ("name: a\ncasks: [\n", "line 3, column 1: did not find expected node"),
            ("name: a\n---\nname: b\n", "deserializing from YAML containing more than one document"),
            ("", "line 1, column 1: missing field `name`"),
        ];
        for (text, said) in cases {
            let error = parse::<Shelf>(text).unwrap_err();
            assert!(error.to_string().starts_with(said), "{text:?}: {error}");
            assert!(!error.message().starts_with("line"), "{error}");
        }
    }

    #[test]
    fn a_plain_scalar_is_text_where_text_is_wanted() {
        let shelf: Shelf = parse("name: 2.10\n").unwrap();
        assert_eq!(shelf.name, "2.10");
    }

    #[test]
    fn a_record_comes_back_and_needs_no_tags() {
        for content in [Content::Filesystem(FsKind::Xfs), Content::Block] {
            let spec = VolumeSpec {
                name: "yes: no # \n".to_owned(),
                pool: PoolName::parse("default").unwrap(),
                size: Bytes::gib(1),
                content,
                sparse: true,
                direct_io: false,
                inodes: None,
                warn_percent: None,
                owner: None,
                claim: Claim { name: Some("0123".to_owned()), ..Claim::default() },
            };
            let text = print(&spec).unwrap();
            assert!(!text.contains('!'), "{text}");
            assert!(text.ends_with('\n'), "{text}");
            assert_eq!(parse::<VolumeSpec>(&text).unwrap(), spec, "{text}");
        }
        assert_eq!(print(&[Backend::Loop]).unwrap(), "- loop\n");
    }
}
