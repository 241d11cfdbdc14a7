//! What a client may ask, in both spellings: as Lightd is documented (`event`, with `data`), and as its program does it
//! (`args`, or the word itself as the key: `{"logs":["50"]}`).

use serde_json::{Map, Value};

/// What a frame in asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// The last storage messages, at most so many.
    Logs(usize),
    /// Run something: nothing that is done here.
    Command,
    /// Start or stop something: nor is that.
    Power,
    /// Only these volumes from now on; none named: all.
    Subscribe(Vec<String>),
    /// Numbers, measured now.
    Quota,
    /// JSON with an event that we do not know.
    Unknown,
}

/// A frame that is no JSON object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a JSON object")]
pub struct Malformed;

/// How many storage messages are kept, and so how many there can be in one answer.
pub const LOGS: usize = 100;

impl Request {
    /// Reads a frame, text or binary.
    ///
    /// # Errors
    /// It is no JSON object, and so to be ignored.
    pub fn parse(frame: &[u8]) -> Result<Self, Malformed> {
        let Ok(Value::Object(object)) = serde_json::from_slice(frame) else { return Err(Malformed) };
        let Some(event) = object.get("event").and_then(Value::as_str) else { return Ok(Self::by_key(&object)) };
        let given = ["args", "data"].into_iter().filter_map(|key| object.get(key)).find(|value| !value.is_null());
        let given = match word(event) {
            Some(Word::Subscribe) => object.get("volumes").or(given),
            _ => given,
        };
        Ok(word(event).map_or(Self::Unknown, |word| word.with(given)))
    }

    fn by_key(object: &Map<String, Value>) -> Self {
        let known = object.iter().find_map(|(key, value)| Some((word(key)?, value)));
        known.map_or(Self::Unknown, |(word, value)| word.with(Some(value)))
    }
}

#[derive(Clone, Copy)]
enum Word {
    Logs,
    Command,
    Power,
    Subscribe,
    Quota,
}

fn word(event: &str) -> Option<Word> {
    Some(match event {
        "request_logs" | "logs" | "send logs" => Word::Logs,
        "send_command" | "command" | "send command" => Word::Command,
        "power" | "set_state" | "set state" => Word::Power,
        "subscribe" => Word::Subscribe,
        "request_quota" | "quota" | "request_stats" | "send stats" => Word::Quota,
        _ => return None,
    })
}

impl Word {
    fn with(self, given: Option<&Value>) -> Request {
        match self {
            Self::Logs => Request::Logs(count(given)),
            Self::Command => Request::Command,
            Self::Power => Request::Power,
            Self::Subscribe => Request::Subscribe(names(given)),
            Self::Quota => Request::Quota,
        }
    }
}

/// `50`, `"50"`, `["50"]`; all there are where nothing of that is said.
fn count(given: Option<&Value>) -> usize {
    let first = match given {
        Some(Value::Array(several)) => several.first(),
        other => other,
    };
    let number = match first {
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    number.and_then(|number| usize::try_from(number).ok()).map_or(LOGS, |number| number.min(LOGS))
}

/// `["a","b"]` or `"a"`; what is no text is no name.
fn names(given: Option<&Value>) -> Vec<String> {
    match given {
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_say_the_same() {
        let named = |names: &[&str]| Request::Subscribe(names.iter().map(|name| (*name).to_owned()).collect());
        for (frame, expected) in [
            (r#"{"event":"request_logs"}"#, Request::Logs(100)),
            (r#"{"event":"request_logs","data":20}"#, Request::Logs(20)),
            (r#"{"event":"request_logs","args":[null]}"#, Request::Logs(100)),
            (r#"{"event":"logs","args":["7"]}"#, Request::Logs(7)),
            (r#"{"logs":["50"]}"#, Request::Logs(50)),
            (r#"{"logs":["5000"]}"#, Request::Logs(100)),
            (r#"{"logs":["-1"]}"#, Request::Logs(100)),
            (r#"{"logs":[]}"#, Request::Logs(100)),
            (r#"{"event":"send_command","args":["say hi"]}"#, Request::Command),
            (r#"{"event":"send_command","data":"say hi"}"#, Request::Command),
            (r#"{"send_command":["say hi"]}"#, Request::Command),
            (r#"{"event":"power","args":["restart"]}"#, Request::Power),
            (r#"{"event":"power","data":"restart"}"#, Request::Power),
            (r#"{"power":["restart"]}"#, Request::Power),
            (r#"{"event":"subscribe","volumes":["db","cache"]}"#, named(&["db", "cache"])),
            (r#"{"event":"subscribe","args":["db"]}"#, named(&["db"])),
            (r#"{"event":"subscribe","data":"db"}"#, named(&["db"])),
            (r#"{"subscribe":["db",7]}"#, named(&["db"])),
            (r#"{"event":"subscribe","volumes":[]}"#, named(&[])),
            (r#"{"event":"request_quota"}"#, Request::Quota),
            (r#"{"request_quota":[]}"#, Request::Quota),
            (r#"{"event":"auth","args":["x"]}"#, Request::Unknown),
            (r#"{"event":7}"#, Request::Unknown),
            ("{}", Request::Unknown),
        ] {
            assert_eq!(Request::parse(frame.as_bytes()), Ok(expected), "{frame}");
        }
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        let deep = "[".repeat(60_000);
        for frame in ["", "{", "null", "[]", "\"power\"", "{\"event\":}", "{\"event\":\"power\"} x", &deep] {
            assert_eq!(Request::parse(frame.as_bytes()), Err(Malformed), "{frame:.20}");
        }
        assert_eq!(Request::parse(b"\xff\xfe"), Err(Malformed));
    }

    proptest::proptest! {
        #[test]
        fn no_frame_makes_it_panic(frame: Vec<u8>, text: String) {
            let _ = Request::parse(&frame);
            let _ = Request::parse(format!("{{\"event\":{text:?},\"args\":[{text:?}]}}").as_bytes());
        }
    }
}
