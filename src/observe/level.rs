use std::str::FromStr;

/// How much is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Level(pub(super) tracing::Level);

/// How it is said.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Format {
    /// A JSON object on each line.
    Json,
    /// Words and `key=value`.
    #[default]
    Text,
    /// For a person: shorter, coloured on a terminal.
    Nice,
}

/// A flag of the log that means nothing, or a log that is there already.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// No level.
    #[error("'{0}' is not a log level: write error, warn, info, debug, trace, or 0 to 4")]
    Level(String),
    /// No format.
    #[error("'{0}' is not a log format: write json, text or nice")]
    Format(String),
    /// Something in the process has set up a log before.
    #[error("the log is set up already")]
    Twice,
}

impl Default for Level {
    fn default() -> Self {
        Self(tracing::Level::INFO)
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let level = match text.to_ascii_lowercase().as_str() {
            "0" | "error" => tracing::Level::ERROR,
            "1" | "warn" | "warning" => tracing::Level::WARN,
            "2" | "info" => tracing::Level::INFO,
            "3" | "debug" => tracing::Level::DEBUG,
            "4" | "trace" => tracing::Level::TRACE,
            _ => return Err(Error::Level(text.to_owned())),
        };
        Ok(Self(level))
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            "nice" => Ok(Self::Nice),
            _ => Err(Error::Format(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_names_and_numbers() {
        for (name, number) in [("error", "0"), ("WARN", "1"), ("info", "2"), ("debug", "3"), ("trace", "4")] {
            assert_eq!(name.parse::<Level>(), number.parse::<Level>());
        }
        let said = "'5' is not a log level: write error, warn, info, debug, trace, or 0 to 4";
        assert_eq!("5".parse::<Level>().unwrap_err().to_string(), said);
        assert_eq!("nice".parse(), Ok(Format::Nice));
        assert!("xml".parse::<Format>().is_err());
    }
}
