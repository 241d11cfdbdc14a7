use std::rc::Rc;

use super::Value;
use super::value::is_bare;

/// A piece of a text, and where it stands: from byte `start` up to `end`.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) kind: Kind,
    /// How many nodes it is with all that it refers to, once for each time.
    pub(super) weight: usize,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A text; plain is one without quotes.
    Scalar { text: String, is_plain: bool },
    /// A list; a flow is one in brackets.
    List { items: Vec<Rc<Node>>, is_flow: bool },
    /// A mapping.
    Map { entries: Vec<Entry>, is_flow: bool },
    /// What stands somewhere else, at its anchor.
    Alias(Rc<Node>),
}

/// A key, and what is under it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Rc<Node>,
    pub(super) value: Rc<Node>,
}

/// The key under which a mapping takes over others.
const MERGE: &str = "<<";

impl Node {
    /// The node itself, or the one that it refers to.
    pub(super) fn target(&self) -> &Self {
        match &self.kind {
            Kind::Alias(target) => target.target(),
            _ => self,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.target().kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether nothing is written there.
    pub(super) fn is_absent(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, is_plain: true } if text.is_empty())
    }

    pub(super) fn is_flow(&self) -> bool {
        matches!(&self.kind, Kind::List { is_flow: true, .. } | Kind::Map { is_flow: true, .. })
    }

    /// What a mapping has of its own under a key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.target().kind {
            Kind::Map { entries, .. } => entries.iter().find(|entry| entry.key.text() == Some(key)),
            _ => None,
        }
    }

    /// What is there under a key, or at a number.
    pub(super) fn child(&self, step: &str) -> Option<&Self> {
        match &self.kind {
            Kind::List { items, .. } => items.get(step.parse::<usize>().ok()?).map(AsRef::as_ref),
            _ => self.entry(step).map(|entry| &*entry.value),
        }
    }

    /// What it means, with all that it refers to.
    pub(super) fn value(&self) -> Value {
        match &self.kind {
            Kind::Alias(target) => target.value(),
            Kind::Scalar { text, is_plain } if *is_plain && is_bare(text) => Value::Bare(text.clone()),
            Kind::Scalar { text, .. } => Value::Text(text.clone()),
            Kind::List { items, .. } => Value::List(items.iter().map(|item| item.value()).collect()),
            Kind::Map { entries, .. } => map(entries),
        }
    }

    /// A key that a mapping has twice: readers differ in which they take.
    pub(super) fn twice(&self) -> Option<&Self> {
        match &self.kind {
            Kind::Map { entries, .. } => {
                let again =
                    |(at, entry): (usize, &Entry)| entries[..at].iter().any(|e| e.key.text() == entry.key.text());
                let twice = entries.iter().enumerate().find(|entry| again(*entry)).map(|(_, entry)| &*entry.key);
                twice.or_else(|| entries.iter().find_map(|entry| entry.value.twice()))
            }
            Kind::List { items, .. } => items.iter().find_map(|item| item.twice()),
            _ => None,
        }
    }

    /// How far a block's list is set in below its key, where one is seen.
    pub(super) fn set_in(&self, column: impl Fn(&Self) -> Option<usize> + Copy) -> Option<usize> {
        let Kind::Map { entries, is_flow: false } = &self.kind else {
            return self.items().iter().find_map(|item| item.set_in(column));
        };
        entries.iter().find_map(|entry| match &entry.value.kind {
            Kind::List { is_flow: false, .. } => column(&entry.value)?.checked_sub(column(&entry.key)?),
            _ => entry.value.set_in(column),
        })
    }

    fn items(&self) -> &[Rc<Self>] {
        match &self.kind {
            Kind::List { items, .. } => items,
            _ => &[],
        }
    }
}

/// Its own keys, then those that it takes over and has not itself.
fn map(entries: &[Entry]) -> Value {
    let (taken, own): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| entry.is_merge());
    let key = |entry: &&Entry| entry.key.text().unwrap_or_default().to_owned();
    let mut all: Vec<_> = own.iter().map(|entry| (key(entry), entry.value.value())).collect();
    let sources = taken.into_iter().flat_map(|entry| match entry.value.value() {
        Value::List(items) => items,
        one => vec![one],
    });
    for source in sources {
        if let Value::Map(entries) = source {
            let fresh: Vec<_> = entries.into_iter().filter(|(key, _)| all.iter().all(|(own, _)| own != key)).collect();
            all.extend(fresh);
        }
    }
    Value::Map(all)
}

impl Entry {
    /// Whether it takes over other mappings.
    pub(super) fn is_merge(&self) -> bool {
        matches!(&self.key.kind, Kind::Scalar { text, is_plain: true } if text == MERGE)
    }
}
