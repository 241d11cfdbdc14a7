//! One line of the log, in three dresses.

use std::fmt::Write;

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use tracing::Level;

use super::trace::Fields;

/// What a line says.
pub(super) struct Line {
    pub(super) time: OffsetDateTime,
    pub(super) level: Level,
    pub(super) target: &'static str,
    pub(super) message: String,
    pub(super) fields: Fields,
    pub(super) trace: Option<String>,
}

const STAMP: StaticFormatDescription =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const CLOCK: StaticFormatDescription = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");

impl Line {
    /// One JSON object.
    pub(super) fn json(self) -> String {
        let mut object = Map::new();
        // Fields go first, so that none of them can pass for ours.
        object.extend(self.fields.0.into_iter().map(|(name, value)| (name.to_owned(), value)));
        let level = self.level.as_str().to_ascii_lowercase();
        let ours = [("time", stamp(self.time, STAMP)), ("level", level), ("target", self.target.to_owned())];
        let rest = [("message", self.message)].into_iter().chain(self.trace.map(|trace| ("trace", trace)));
        object.extend(ours.into_iter().chain(rest).map(|(name, text)| (name.to_owned(), Value::from(text))));
        format!("{}\n", Value::Object(object))
    }

    /// Words and `key=value`.
    pub(super) fn text(self) -> String {
        let mut text = format!("{} {:5} {}", stamp(self.time, STAMP), self.level, one_line(&self.message));
        for (name, value) in &self.fields.0 {
            let _ = write!(text, " {name}={}", shown(value));
        }
        if let Some(trace) = self.trace {
            let _ = write!(text, " trace={trace}");
        }
        text + "\n"
    }

    /// The same for a person, with colours where the terminal has them.
    pub(super) fn nice(self, colour: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let level = match self.level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        let clock = paint("2", &stamp(self.time, CLOCK));
        let level = paint(level, &format!("{:5}", self.level.as_str()));
        let mut text = format!("{clock} {level} {}", one_line(&self.message));
        for (name, value) in &self.fields.0 {
            let _ = write!(text, " {}{}", paint("2", &format!("{name}=")), shown(value));
        }
        if let Some(trace) = self.trace {
            let _ = write!(text, " {}", paint("2", &format!("trace={trace}")));
        }
        text + "\n"
    }
}

fn stamp(time: OffsetDateTime, format: StaticFormatDescription) -> String {
    time.format(format).unwrap_or_default()
}

/// A value, quoted where it would not be read as one word.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let plain = |c: char| c != ' ' && !is_treacherous(c) && !matches!(c, '"' | '=' | '\\');
            if !text.is_empty() && text.chars().all(plain) { text.clone() } else { format!("{text:?}") }
        }
        other => other.to_string(),
    }
}

/// A message that cannot break the line or the terminal.
fn one_line(text: &str) -> String {
    let escaped = |c: char| if is_treacherous(c) { c.escape_default().to_string() } else { c.to_string() };
    if text.contains(is_treacherous) { text.chars().map(escaped).collect() } else { text.to_owned() }
}

/// Whether a character ends a line somewhere, moves the cursor, or is not seen and turns what is.
fn is_treacherous(c: char) -> bool {
    let unseen = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    c.is_control() || (c.is_whitespace() && c != ' ') || unseen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        let mut fields = Fields::default();
        fields.set("size", 4096.into());
        fields.set("said", "no \"room\"\nleft".into());
        fields.set("level", "forged".into());
        Line {
            time: OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap(),
            level: Level::WARN,
            target: "ullage::engine",
            message: "grown\nnot".to_owned(),
            fields,
            trace: Some("01J.1".to_owned()),
        }
    }

    #[test]
    fn text_is_one_line_of_words() {
        let expected = "2026-09-21T14:13:20.000Z WARN  grown\\nnot size=4096 said=\"no \\\"room\\\"\\nleft\" level=forged \
                        trace=01J.1\n";
        assert_eq!(line().text(), expected);
    }

    #[test]
    fn json_is_one_object_with_our_keys_our_own() {
        let text = line().json();
        assert_eq!(text.matches('\n').count(), 1);
        let object: Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!({
            "time": "2026-09-21T14:13:20.000Z", "level": "warn", "target": "ullage::engine", "message": "grown\nnot",
            "size": 4096, "said": "no \"room\"\nleft", "trace": "01J.1",
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn nice_is_coloured_only_where_asked() {
        assert!(line().nice(true).contains("\x1b[33mWARN \x1b[0m grown"));
        let expected =
            "14:13:20.000 WARN  grown\\nnot size=4096 said=\"no \\\"room\\\"\\nleft\" level=forged trace=01J.1\n";
        assert_eq!(line().nice(false), expected);
    }
}
