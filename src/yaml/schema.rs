use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of what is written in a file, its first key: a file of another version is refused there, before anything that
/// this program does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Schema<const VERSION: u32>;

impl<const VERSION: u32> Serialize for Schema<VERSION> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(VERSION)
    }
}

impl<'de, const VERSION: u32> Deserialize<'de> for Schema<VERSION> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u32::deserialize(deserializer)? {
            found if found == VERSION => Ok(Self),
            found => {
                let why = format!("schema {found}, and this program knows schema {VERSION}: use the newer program");
                Err(D::Error::custom(why))
            }
        }
    }
}
