use std::ops::Range;

use super::edit::{Pen, Slot};
use super::print;

/// The lines around a place, and what is put between them.
impl Pen<'_> {
    /// Puts new entries or items on lines of their own, and takes lines away.
    pub(super) fn weave_block(&mut self, slots: &[Slot<'_>], head: Option<usize>) -> Option<()> {
        let old: Vec<_> = slots.iter().filter_map(Slot::old).cloned().collect();
        let (first, last) = (old.first()?, old.last()?);
        let depth = self.column(first.start);
        // Under its key, where that has a line of its own; or else at the end.
        let head = head.map(|head| self.line_end(head)).filter(|end| *end < first.start);
        let (mut at, mut number) = (head.unwrap_or(self.line_end(last.end)), 0);
        for slot in slots {
            match slot {
                Slot::New(key, value) => {
                    let lines = match key {
                        Some(key) => print::entry(key, value, self.set_in),
                        None => print::item(value, self.set_in),
                    };
                    let eol = self.eol(at);
                    self.edit(at..at, lines.iter().map(|line| format!("{eol}{:depth$}{line}", "")).collect());
                    continue;
                }
                Slot::Gone(place) => self.edit(self.lines_of(place, old.get(number + 1))?, String::new()),
                Slot::Kept(_) => {}
            }
            at = self.line_end(old[number].end);
            number += 1;
        }
        Some(())
    }

    /// Puts new entries or items between those in brackets, and takes some away; the bracket is at that byte.
    pub(super) fn weave_flow(&mut self, bracket: usize, slots: &[Slot<'_>]) {
        let mut behind: Option<&Range<usize>> = None;
        let mut rest = slots;
        while let Some(first) = rest.first() {
            if let Slot::Kept(place) = first {
                (behind, rest) = (Some(place), &rest[1..]);
                continue;
            }
            let length = rest.iter().take_while(|slot| !matches!(slot, Slot::Kept(_))).count();
            let (run, others) = rest.split_at(length);
            let added = run.iter().filter_map(flow).collect::<Vec<_>>().join(", ");
            let gone: Vec<_> = run.iter().filter_map(Slot::old).collect();
            let gone = gone.first().zip(gone.last()).map(|(first, last)| first.start..last.end);
            let comma = if added.is_empty() { "" } else { ", " };
            match (behind, others.first().and_then(Slot::old)) {
                (_, Some(ahead)) => {
                    let start = gone.map_or(ahead.start, |gone| gone.start);
                    self.edit(start..ahead.start, added + comma);
                }
                (Some(behind), None) => {
                    let end = gone.map_or(behind.end, |gone| gone.end);
                    self.edit(behind.end..end, comma.to_owned() + &added);
                }
                (None, None) => self.edit(gone.unwrap_or(bracket + 1..bracket + 1), added),
            }
            rest = others;
        }
    }

    /// Whole lines where nothing else stands on the first; else up to the next sibling.
    fn lines_of(&self, place: &Range<usize>, next: Option<&Range<usize>>) -> Option<Range<usize>> {
        let line = self.line_start(place.start);
        if !self.text[line..place.start].trim().is_empty() {
            return next.map(|next| place.start..next.start);
        }
        let end = self.line_end(place.end);
        match self.text[..line].strip_suffix('\n') {
            // With the break before it: the text may end without one.
            Some(before) => Some(before.strip_suffix('\r').unwrap_or(before).len()..end),
            None => Some(line..end + self.eol(end).len()),
        }
    }

    /// The dash of a block's item, before its anchor and its tag.
    pub(super) fn dash(&self, item: usize) -> Option<usize> {
        let mut before = self.text[..item].trim_end();
        loop {
            let word = before.rfind(char::is_whitespace).map_or(0, |blank| blank + 1);
            match before.as_bytes().get(word)? {
                b'-' if before.len() == word + 1 => return Some(word),
                b'&' | b'!' => before = before[..word].trim_end(),
                _ => return None,
            }
        }
    }

    /// How many bytes stand before it on its line.
    pub(super) fn column(&self, at: usize) -> usize {
        at - self.line_start(at)
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// Before the break of the line.
    fn line_end(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let line = rest.find('\n').map_or(rest, |end| &rest[..end]);
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }

    /// How the line breaks that ends there.
    fn eol(&self, at: usize) -> &'static str {
        let is_windows = match &self.text[at..] {
            "" => self.text.contains("\r\n"),
            rest => rest.starts_with("\r\n"),
        };
        if is_windows { "\r\n" } else { "\n" }
    }
}

impl Slot<'_> {
    /// Where it stands, if it is not new.
    fn old(&self) -> Option<&Range<usize>> {
        match self {
            Self::Kept(place) | Self::Gone(place) => Some(place),
            Self::New(..) => None,
        }
    }
}

fn flow(slot: &Slot<'_>) -> Option<String> {
    match slot {
        Slot::New(Some(key), value) => Some(print::flow_entry(key, value)),
        Slot::New(None, value) => Some(print::flow(value)),
        Slot::Kept(_) | Slot::Gone(_) => None,
    }
}
