//! Values as the lines of a block, and as one line of a flow that is JSON too.

use super::Value;
use super::value::is_bare;

/// How far a list is set in below its key, as the text around it does it.
pub(super) type SetIn = usize;

/// The lines of a list's item, with its dash.
pub(super) fn item(value: &Value, set_in: SetIn) -> Vec<String> {
    let mut lines = block(value, set_in);
    for (number, line) in lines.iter_mut().enumerate() {
        line.insert_str(0, if number == 0 { "- " } else { "  " });
    }
    lines
}

/// The lines of a key and what is under it.
pub(super) fn entry(key: &str, value: &Value, set_in: SetIn) -> Vec<String> {
    let head = scalar(key);
    let depth = match value {
        Value::List(items) if !items.is_empty() => set_in,
        Value::Map(entries) if !entries.is_empty() => 2,
        _ => return vec![format!("{head}: {}", line_of(value))],
    };
    let below = block(value, set_in).into_iter().map(|line| format!("{:depth$}{line}", ""));
    std::iter::once(format!("{head}:")).chain(below).collect()
}

/// A text or a number, in as few quotes as it needs.
pub(super) fn word(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(scalar(text)),
        Value::Bare(word) => Some(word.clone()),
        _ => None,
    }
}

/// One line, in the words of JSON.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Bare(word) if value.is_null() || word.is_empty() => "null".to_owned(),
        Value::Bare(word) => word.clone(),
        Value::List(items) => format!("[{}]", joined(items.iter().map(flow))),
        Value::Map(entries) => format!("{{{}}}", joined(entries.iter().map(|(key, value)| flow_entry(key, value)))),
    }
}

/// A key and what is under it, the same way.
pub(super) fn flow_entry(key: &str, value: &Value) -> String {
    format!("{}: {}", quoted(key), flow(value))
}

fn block(value: &Value, set_in: SetIn) -> Vec<String> {
    match value {
        Value::List(items) if !items.is_empty() => items.iter().flat_map(|value| item(value, set_in)).collect(),
        Value::Map(entries) if !entries.is_empty() => {
            entries.iter().flat_map(|(key, value)| entry(key, value, set_in)).collect()
        }
        _ => vec![line_of(value)],
    }
}

fn line_of(value: &Value) -> String {
    word(value).unwrap_or_else(|| flow(value))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn scalar(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=,$()+@:".contains(c);
    let flag = text.strip_prefix("--").unwrap_or(text);
    let begins = flag.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '$' | '_'));
    match begins && text.chars().all(is_plain) && !text.ends_with(':') && !is_bare(text) {
        true => text.to_owned(),
        false => quoted(text),
    }
}

/// As JSON quotes, which is YAML too.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_set_in_as_it_is_around_it_and_a_flow_is_json() {
        let value = Value::map([
            ("name", Value::text("a")),
            ("args", Value::List(vec![Value::text("--volume=a=/a,pvc=$(POD_NAME)"), Value::text("8070")])),
            ("on", Value::map([("port", Value::bare(9870)), ("none", Value::Map(Vec::new()))])),
        ]);
        let flat = "- name: a\n  args:\n  - --volume=a=/a,pvc=$(POD_NAME)\n  - \"8070\"\n  \"on\":\n    port: 9870\n    none: {}";
        assert_eq!(item(&value, 0).join("\n"), flat);
        assert_eq!(
            entry("args", &value.items_of("args"), 2),
            ["args:", "  - --volume=a=/a,pvc=$(POD_NAME)", "  - \"8070\""]
        );
        let json: serde_json::Value = serde_json::from_str(&flow(&value)).unwrap();
        assert_eq!(json["on"]["port"], 9870);
        assert_eq!(quoted("a\"\\\n"), r#""a\"\\\u000a""#);
    }

    impl Value {
        fn items_of(&self, key: &str) -> Value {
            self.get(key).unwrap().clone()
        }
    }
}
