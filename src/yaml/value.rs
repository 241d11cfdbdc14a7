/// What a text of others means. Two are equal when they mean the same: the order of keys and the quotes do not count.
#[derive(Clone, Debug)]
pub enum Value {
    /// A text.
    Text(String),
    /// What is no text when it is not quoted, as it is written: a number, true, nothing at all.
    Bare(String),
    /// A list.
    List(Vec<Value>),
    /// A mapping, in the order in which it is written.
    Map(Vec<(String, Value)>),
}

/// Unquoted, these are truths or nothing, to readers of YAML 1.1 or 1.2.
const WORDS: [&str; 17] =
    ["", "~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", ".inf", "-.inf", "+.inf", ".nan", "=", "<<"];

/// Whether a text would be something else without quotes: one of the words, a number, a time.
pub(super) fn is_bare(text: &str) -> bool {
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    let numeric = |c: char| c.is_ascii_hexdigit() || "xXoO_+-.:tTzZ ".contains(c);
    let word = text.to_ascii_lowercase();
    WORDS.contains(&word.as_str()) || begins && text.contains(|c: char| c.is_ascii_digit()) && text.chars().all(numeric)
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number or a truth.
    pub fn bare(value: impl ToString) -> Self {
        Self::Bare(value.to_string())
    }

    /// A mapping with these keys.
    pub fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// The text, of a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is `true`.
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bare(word) if word.eq_ignore_ascii_case("true"))
    }

    /// Whether nothing is said, in one of the ways to say that.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Bare(word) if word.is_empty() || word == "~" || word.eq_ignore_ascii_case("null"))
    }

    /// The items of a list; of anything else none.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }

    /// What a mapping has under a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Self> {
        match self {
            Self::Map(entries) => entries.iter_mut().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// What is there after these keys, one below the other.
    pub fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The text there.
    pub fn text_at(&self, keys: &[&str]) -> Option<&str> {
        self.at(keys).and_then(Self::as_text)
    }

    /// What a list's item, or anything else, is called under `name`.
    pub fn name(&self) -> Option<&str> {
        self.text_at(&["name"])
    }

    /// Whether both are of one kind: whether one can become the other without being written anew.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let kind = |value: &Self| match value {
            Self::Text(_) | Self::Bare(_) => 0,
            Self::List(_) => 1,
            Self::Map(_) => 2,
        };
        kind(self) == kind(other)
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) | (Self::Bare(one), Self::Bare(other)) => one == other,
            (Self::List(one), Self::List(other)) => one == other,
            (Self::Map(one), Self::Map(entries)) => {
                one.len() == entries.len() && one.iter().all(|(key, value)| other.get(key) == Some(value))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_quotes_to_be_a_text() {
        for text in
            ["", "~", "Null", "true", "No", "on", "8070", "-1", "0x1F", "1e3", "1_000", "2001-01-01", ".5", "1:20"]
        {
            assert!(is_bare(text), "{text}");
        }
        for text in ["5m", "16Mi", "1.36-alpine", "quota-api", "-", "--volume=data", "10.0.0.0/8", "nope", "v1"] {
            assert!(!is_bare(text), "{text}");
        }
    }

    #[test]
    fn order_of_keys_does_not_count_and_what_is_there_does() {
        let one = Value::map([("a", Value::bare(1)), ("b", Value::text("x"))]);
        assert_eq!(one, Value::map([("b", Value::text("x")), ("a", Value::bare(1))]));
        assert_ne!(one, Value::map([("a", Value::bare(1))]));
        assert_ne!(Value::text("1"), Value::bare(1));
        assert_ne!(
            Value::List(vec![Value::bare(1), Value::bare(2)]),
            Value::List(vec![Value::bare(2), Value::bare(1)])
        );
    }
}
