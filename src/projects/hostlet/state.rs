use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use crate::yaml;

/// The state file of hostlet, as it is written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// Its projects, in their order.
    pub items: Vec<Item>,
}

/// One project. Everything stays text until it is checked, so that a refusal can show what was written.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Item {
    /// The project id.
    pub id: Option<String>,
    /// Where its filesystem is mounted.
    pub mnt: Option<String>,
    /// The name of its directory.
    pub name: Option<String>,
    /// The soft limit.
    pub soft: Option<String>,
    /// The hard limit.
    pub hard: Option<String>,
    /// What was used when the file was written.
    pub used: Option<String>,
}

/// The file of hostlet itself. It leaves `items` away where there are none; `updated` is always there.
#[derive(Deserialize)]
struct Whole {
    items: Option<Vec<Item>>,
    updated: Option<de::IgnoredAny>,
}

struct Either;

impl State {
    /// Reads a state file.
    pub fn parse(text: &str) -> Result<Self, yaml::Error> {
        yaml::parse(text)
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

impl<'de> Visitor<'de> for Either {
    type Value = State;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the state file of hostlet: an object with a list 'items', or such a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<State, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items)).map(|items| State { items })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<State, A::Error> {
        let Whole { items, updated } = Whole::deserialize(MapAccessDeserializer::new(map))?;
        match (items, updated) {
            (Some(items), _) => Ok(State { items }),
            (None, Some(_)) => Ok(State { items: Vec::new() }),
            (None, None) => Err(de::Error::custom("neither 'items' nor 'updated': this is no state file of hostlet")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(id: &str, name: &str) -> Item {
        Item { id: Some(id.into()), name: Some(name.into()), ..Item::default() }
    }

    #[test]
    fn reads_what_hostlet_writes() {
        let text = r#"{
  "items": [
    {
      "id": 100,
      "mnt": "/opt",
      "name": "app-0123456789ab-0",
      "soft": 1073741824,
      "hard": 1073741824,
      "used": 4096
    },
    {"id": 101, "name": "0123456789ab.0001", "soft": 0, "hard": 0, "used": 0}
  ],
  "updated": 1700000000,
  "id_offset": 102,
  "mount_points": ["/opt"]
}"#;
        let gib = || Some("1073741824".to_owned());
        let zero = || Some("0".to_owned());
        let used = Some("4096".to_owned());
        let (mnt, first) = (Some("/opt".to_owned()), item("100", "app-0123456789ab-0"));
        let expected = [
            Item { mnt, soft: gib(), hard: gib(), used, ..first },
            Item { soft: zero(), hard: zero(), used: zero(), ..item("101", "0123456789ab.0001") },
        ];
        assert_eq!(State::parse(text).unwrap().items, expected);
    }

    #[test]
    fn reads_a_list_alone_and_other_spellings() {
        let cases = [
            ("[]", vec![]),
            (r#"{"updated": 0, "id_offset": 0, "mount_points": null}"#, vec![]),
            (r#"{"items": [], "updated": 0}"#, vec![]),
            (r#"{"items": null, "updated": 0}"#, vec![]),
            (r#"[{"id": "100", "name": "a", "more": {"b": [1]}}]"#, vec![item("100", "a")]),
            ("[\n\t\t{\"id\":-1,\t\"name\":\"1e3\"}\n\t]\n", vec![item("-1", "1e3")]),
            ("- {id: 99999999999999999999, name: 007}\n", vec![item("99999999999999999999", "007")]),
            ("items:\n- id: 1.5\n  name: a\n  hard: null\n", vec![item("1.5", "a")]),
            ("[{}]", vec![Item::default()]),
        ];
        for (text, items) in cases {
            assert_eq!(State::parse(text), Ok(State { items }), "{text}");
        }
    }

    #[test]
    fn says_why_it_is_no_state_file() {
        let cases = [
            ("", "expected the state file of hostlet"),
            ("7", "the state file of hostlet"),
            ("{}", "neither 'items' nor 'updated'"),
            (r#"{"pools": []}"#, "neither 'items' nor 'updated'"),
            (r#"{"items": 7}"#, "items: invalid type"),
            (r#"{"items": [{"id": [1]}]}"#, "id: invalid type"),
            (r#"[{"id": 1, "id": 2}]"#, "duplicate field `id`"),
            (r#"{"items": [{"id": 1}"#, "did not find expected"),
        ];
        for (text, said) in cases {
            let error = State::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
