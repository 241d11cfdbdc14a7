use std::ops::Range;
use std::rc::Rc;

use super::tree::{Entry, Kind, Node};
use super::{Value, print};

/// Changes a text where it means something else than it should, and there only.
pub(super) struct Pen<'a> {
    pub(super) text: &'a str,
    pub(super) set_in: print::SetIn,
    edits: Vec<Edit>,
}

#[derive(PartialEq)]
struct Edit {
    at: Range<usize>,
    new: String,
}

/// A place among the entries of a mapping or the items of a list.
pub(super) enum Slot<'v> {
    Kept(Range<usize>),
    Gone(Range<usize>),
    New(Option<&'v str>, &'v Value),
}

/// The node that cannot be changed in its place.
type Change<'n, T = ()> = Result<T, &'n Node>;

impl<'a> Pen<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, set_in: 2, edits: Vec::new() }
    }

    /// Makes a document mean `want`.
    pub(super) fn rewrite<'n>(&mut self, root: &'n Node, want: &Value) -> Change<'n> {
        let column = |node: &Node| match &node.kind {
            Kind::List { items, .. } => Some(self.column(self.dash(items.first()?.start)?)),
            _ => Some(self.column(node.start)),
        };
        self.set_in = root.set_in(column).unwrap_or(2);
        self.node(root, want, None)
    }

    /// The text with all changes.
    pub(super) fn text(mut self) -> String {
        // What was asked for inner things first stays first where outer ones add at the same byte.
        self.edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let mut text = String::with_capacity(self.text.len());
        let mut from = 0;
        for Edit { at, new } in &self.edits {
            text.push_str(self.text.get(from..at.start).unwrap_or_default());
            text.push_str(new);
            from = from.max(at.end);
        }
        text + &self.text[from..]
    }

    pub(super) fn edit(&mut self, at: Range<usize>, new: String) {
        let edit = Edit { at, new };
        // An alias leads here once more.
        if !self.edits.contains(&edit) {
            self.edits.push(edit);
        }
    }

    /// `head` is where the key before a block ends.
    fn node<'n>(&mut self, old: &'n Node, want: &Value, head: Option<usize>) -> Change<'n> {
        let head = head.filter(|_| !matches!(old.kind, Kind::Alias(_)));
        let old = old.target();
        if old.value() == *want {
            return Ok(());
        }
        let slots = match (&old.kind, want) {
            (Kind::Scalar { is_plain, .. }, Value::Text(_) | Value::Bare(_)) => {
                // What was in quotes may have to be: JSON knows no texts without.
                let new = print::word(want).filter(|_| *is_plain).unwrap_or_else(|| print::flow(want));
                self.edit(old.start..old.end, new);
                return Ok(());
            }
            (Kind::List { items, is_flow }, Value::List(wanted)) => {
                let start = |at: usize| if *is_flow { Some(at) } else { self.dash(at) };
                let places = items.iter().map(|item| Some(start(item.start)?..item.end)).collect::<Option<Vec<_>>>();
                self.list(items, &places.ok_or(old)?, wanted)?
            }
            (Kind::Map { entries, .. }, Value::Map(wanted)) => self.map(old, entries, wanted)?,
            _ => return Err(old),
        };
        if old.is_flow() {
            self.weave_flow(old.start, &slots)
        } else {
            self.weave_block(&slots, head).ok_or(old)?
        }
        Ok(())
    }

    fn list<'n, 'v>(
        &mut self,
        items: &'n [Rc<Node>],
        places: &[Range<usize>],
        wanted: &'v [Value],
    ) -> Change<'n, Vec<Slot<'v>>> {
        let values: Vec<_> = items.iter().map(|item| item.value()).collect();
        // As many, by the same names or without: each is in its place.
        let in_place = |(old, want): (&Value, &Value)| old.is_like(want) && old.name() == want.name();
        let is_fixed = values.len() == wanted.len() && values.iter().zip(wanted).all(in_place);
        let is_same =
            |old: &Value, want: &Value| is_fixed || old == want || want.name().is_some() && old.name() == want.name();
        let (mut slots, mut next) = (Vec::new(), 0);
        for want in wanted {
            let Some(skipped) = values[next..].iter().position(|old| is_same(old, want)) else {
                slots.push(Slot::New(None, want));
                continue;
            };
            slots.extend(places[next..next + skipped].iter().cloned().map(Slot::Gone));
            next += skipped;
            self.node(&items[next], want, None)?;
            slots.push(Slot::Kept(places[next].clone()));
            next += 1;
        }
        slots.extend(places[next..].iter().cloned().map(Slot::Gone));
        Ok(slots)
    }

    fn map<'n, 'v>(
        &mut self,
        old: &'n Node,
        entries: &'n [Entry],
        wanted: &'v [(String, Value)],
    ) -> Change<'n, Vec<Slot<'v>>> {
        let (before, want_of) =
            (old.value(), |key: &str| wanted.iter().find(|(name, _)| name == key).map(|(_, value)| value));
        // Behind how many of the old entries each new one comes: behind the one that is wanted before it.
        let (mut new, mut behind) = (Vec::new(), 0);
        for (key, value) in wanted {
            match entries.iter().position(|entry| entry.key.text() == Some(key)) {
                Some(at) if entries[at].value.value().is_like(value) => behind = at + 1,
                Some(at) => new.push((at + 1, key, value)),
                None if before.get(key) == Some(value) => {}
                None => new.push((behind, key, value)),
            }
        }
        let added = |at: usize| {
            let here = new.iter().filter(move |(behind, ..)| *behind == at);
            here.map(|(_, key, value)| Slot::New(Some(key.as_str()), value))
        };
        let mut slots: Vec<_> = added(0).collect();
        for (at, entry) in entries.iter().enumerate() {
            let place = entry.key.start..entry.value.end.max(entry.key.end);
            let want = want_of(entry.key.text().unwrap_or_default());
            if let Some(want) = want.filter(|want| entry.value.value().is_like(want)) {
                self.node(&entry.value, want, Some(entry.key.end))?;
            }
            let stays = entry.is_merge() || want.is_some_and(|want| entry.value.value().is_like(want));
            slots.push(if stays { Slot::Kept(place) } else { Slot::Gone(place) });
            slots.extend(added(at + 1));
        }
        Ok(slots)
    }
}
