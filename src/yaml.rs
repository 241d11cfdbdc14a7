//! placeholder: replaced by the merge of the configuration rooms.
use serde::{Serialize, de::DeserializeOwned};

/// Not YAML, or not of the form that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(#[from] serde_yaml::Error);

/// Reads a document.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    Ok(serde_yaml::from_str(text)?)
}

/// Writes a document.
pub fn print<T: Serialize>(value: &T) -> Result<String, Error> {
    Ok(serde_yaml::to_string(value)?)
}
