//! A frame as a line for people: `12:30:01 db  warning  83.0 % used, 348 MiB left`.

use serde_json::Value;

/// The line; what is no frame of ours is shown as it came.
pub(super) fn line(frame: &str, colour: bool) -> String {
    let value = serde_json::from_str(frame).unwrap_or(Value::Null);
    Line::of(&value).map_or_else(|| clean(frame), |line| line.print(colour))
}

struct Line<'a> {
    time: &'a str,
    volume: &'a str,
    word: &'a str,
    text: String,
    paint: &'static str,
}

const RED: &str = "1;31";
const YELLOW: &str = "33";
const GREEN: &str = "32";
const DIM: &str = "2";

impl<'a> Line<'a> {
    fn print(&self, colour: bool) -> String {
        let Self { time, volume, word, text, paint } = self;
        let word = format!("{:<8}", clean(word));
        let word = if colour && !paint.is_empty() { format!("\x1b[{paint}m{word}\x1b[0m") } else { word };
        let one =
            |text: &str| format!("{} {}  {word} {}", clean(time), clean(volume), clean(text)).trim_end().to_owned();
        text.lines().map(one).collect::<Vec<_>>().join("\n")
    }

    fn of(frame: &'a Value) -> Option<Self> {
        let time = frame["ts"].as_str()?.get(11..19)?;
        let volume = frame["volume_id"].as_str().unwrap_or("-");
        let data = &frame["data"];
        let (word, text, paint) = match frame["event"].as_str()? {
            "stats" => ("used", used(frame)?, DIM),
            "storage" => storage(data)?,
            "daemon_message" if volume != "-" => ("ALERT", data.as_str()?.to_owned(), RED),
            "daemon_message" => ("message", data.as_str()?.to_owned(), ""),
            "event" => ("server", data.as_str()?.to_owned(), DIM),
            "logs" => ("log", data.as_str()?.to_owned(), DIM),
            _ => return None,
        };
        Some(Self { time, volume, word, text, paint })
    }
}

fn storage(data: &Value) -> Option<(&str, String, &'static str)> {
    let state = data["state"].as_str()?;
    let mib = |key: &str| data[key].as_u64();
    let room = || {
        let still = if data["reminder"] == true { "still, " } else { "" };
        let inodes = mib("inodes_free").map_or(String::new(), |free| format!(", {free} inodes left"));
        Some(format!(
            "{still}{:.1} % used, {} MiB left{inodes}",
            data["percentage_used"].as_f64()?,
            mib("available_mb")?
        ))
    };
    Some(match state {
        "warning" => (state, room()?, YELLOW),
        "full" => (state, room()?, RED),
        "ok" => (state, room()?, GREEN),
        "resized" => (state, format!("from {} MiB to {} MiB", mib("previous_mb")?, mib("size_mb")?), GREEN),
        "lost" => (state, data["reason"].as_str().unwrap_or("it is not there").to_owned(), RED),
        _ => (state, " ".to_owned(), YELLOW),
    })
}

fn used(frame: &Value) -> Option<String> {
    let (used, limit) = (frame["disk_bytes"].as_u64()?, frame["disk_limit_bytes"].as_u64()?);
    let tenths = (u128::from(used) * 1000).checked_div(u128::from(limit)).unwrap_or_default();
    Some(format!("{}.{} %, {} of {} MiB", tenths / 10, tenths % 10, used >> 20, limit >> 20))
}

/// What somebody else wrote does not move the cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_short_lines() {
        let ts = r#""ts":"2026-01-28T12:30:01.500Z","volume_id":"db""#;
        for (frame, expected) in [
            (
                r#"{"event":"event","ts":"2026-01-28T12:30:01.500Z","data":"running"}"#.to_owned(),
                "12:30:01 -  server   running",
            ),
            (
                format!(
                    r#"{{"event":"storage",{ts},"data":{{"state":"warning","percentage_used":83.01,"available_mb":348}}}}"#
                ),
                "12:30:01 db  warning  83.0 % used, 348 MiB left",
            ),
            (
                format!(
                    r#"{{"event":"storage",{ts},"data":{{"state":"full","reminder":true,"percentage_used":25,"available_mb":1536,"inodes_free":9}}}}"#
                ),
                "12:30:01 db  full     still, 25.0 % used, 1536 MiB left, 9 inodes left",
            ),
            (
                format!(r#"{{"event":"storage",{ts},"data":{{"state":"resized","previous_mb":2048,"size_mb":4096}}}}"#),
                "12:30:01 db  resized  from 2048 MiB to 4096 MiB",
            ),
            (
                format!(r#"{{"event":"storage",{ts},"data":{{"state":"lost","reason":"a\u001b[2Jb"}}}}"#),
                "12:30:01 db  lost     a\u{fffd}[2Jb",
            ),
            (format!(r#"{{"event":"storage",{ts},"data":{{"state":"gone"}}}}"#), "12:30:01 db  gone"),
            (
                format!(r#"{{"event":"stats",{ts},"disk_bytes":536870912,"disk_limit_bytes":2147483648}}"#),
                "12:30:01 db  used     25.0 %, 512 of 2048 MiB",
            ),
            (
                format!(r#"{{"event":"daemon_message",{ts},"data":"System out of storage"}}"#),
                "12:30:01 db  ALERT    System out of storage",
            ),
            ("what\tis this".to_owned(), "what\u{fffd}is this"),
            (r#"{"event":"new"}"#.to_owned(), r#"{"event":"new"}"#),
        ] {
            assert_eq!(line(&frame, false), expected);
        }
        let frame = format!(r#"{{"event":"daemon_message",{ts},"data":"full"}}"#);
        assert_eq!(line(&frame, true), "12:30:01 db  \x1b[1;31mALERT   \x1b[0m full");
    }
}
