use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span};

use super::stream::place;
use super::tree::{Entry, Kind, Node};
use super::{Error, Place};

/// Makes a tree of what a parser says, one thing after the other.
pub(super) struct Reader<'a> {
    text: &'a str,
    /// The byte at which each character begins, as a parser counts characters.
    bytes: Vec<usize>,
    open: Vec<Open>,
    /// By the numbers of anchors.
    anchors: Vec<(usize, Rc<Node>)>,
    documents: Vec<Rc<Node>>,
}

/// A list or a mapping that has not ended.
struct Open {
    start: usize,
    anchor: usize,
    is_map: bool,
    is_flow: bool,
    nodes: Vec<Rc<Node>>,
}

/// Deeper than any manifest, and shallow enough for a stack.
const DEEPEST: usize = 100;
/// Nodes of a document with all that its aliases stand for.
const HEAVIEST: usize = 1_000_000;

const TOO_DEEP: &str = "more than 100 things stand within each other here";
const TOO_HEAVY: &str = "aliases make more than a million things of this";
const NO_KEY: &str =
    "a key has to be a text here; if '{{ … }}' is a template, render it first, as with 'helm template'";
const TEMPLATE: &str = "; if '{{ … }}' is a template, render it first, as with 'helm template'";

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let bytes = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        Self { text, bytes, open: Vec::new(), anchors: Vec::new(), documents: Vec::new() }
    }

    /// The root of each document.
    pub(super) fn read(mut self) -> Result<Vec<Rc<Node>>, Error> {
        for event in Parser::new_from_str(self.text) {
            let (event, span) = event.map_err(|error| self.broken(&error))?;
            self.take(event, span)?;
        }
        Ok(self.documents)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Error> {
        let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
        match event {
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::Alias(anchor) => {
                let target = self.anchors.iter().rev().find(|(number, _)| *number == anchor);
                let Some((_, target)) = target else {
                    return Err(self.fault(start, "an alias (*x) has to stand after its anchor (&x), and not in it"));
                };
                let weight = target.weight + 1;
                self.put(Node { start, end, kind: Kind::Alias(Rc::clone(target)), weight }, 0)?;
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_plain = style == ScalarStyle::Plain;
                let end = self.end_of_scalar(start, end, style, text.is_empty());
                self.put(
                    Node { start, end, kind: Kind::Scalar { text: text.into_owned(), is_plain }, weight: 1 },
                    anchor,
                )?;
            }
            Event::SequenceStart(anchor, _) => self.begin(start, end, anchor, false)?,
            Event::MappingStart(anchor, _) => self.begin(start, end, anchor, true)?,
            Event::SequenceEnd | Event::MappingEnd => self.end(end)?,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, start: usize, end: usize, anchor: usize, is_map: bool) -> Result<(), Error> {
        if self.open.len() == DEEPEST {
            return Err(self.fault(start, TOO_DEEP));
        }
        // An anchor before the bracket belongs to what the parser shows.
        let shown = self.text[start..end].trim_end();
        let is_flow = shown.ends_with(['[', '{']);
        let start = if is_flow { start + shown.len() - 1 } else { start };
        self.open.push(Open { start, anchor, is_map, is_flow, nodes: Vec::new() });
        Ok(())
    }

    fn end(&mut self, end: usize) -> Result<(), Error> {
        let Some(Open { start, anchor, is_map, is_flow, nodes }) = self.open.pop() else { return Ok(()) };
        // What shows the end of a block is the next thing after it: it ends with the last that is in it.
        let start = nodes.first().filter(|_| !is_flow).map_or(start, |node| node.start);
        let end = nodes.last().filter(|_| !is_flow).map_or(end, |node| node.end);
        let weight = 1 + nodes.iter().map(|node| node.weight).sum::<usize>();
        let kind = if is_map { self.map(nodes, is_flow)? } else { Kind::List { items: nodes, is_flow } };
        self.put(Node { start, end, kind, weight }, anchor)
    }

    fn map(&self, nodes: Vec<Rc<Node>>, is_flow: bool) -> Result<Kind, Error> {
        let mut entries = Vec::new();
        let mut nodes = nodes.into_iter();
        while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
            if key.text().is_none() {
                return Err(self.fault(key.start, NO_KEY));
            }
            entries.push(Entry { key, value });
        }
        Ok(Kind::Map { entries, is_flow })
    }

    fn put(&mut self, mut node: Node, anchor: usize) -> Result<(), Error> {
        if node.weight > HEAVIEST {
            return Err(self.fault(node.start, TOO_HEAVY));
        }
        let key = self.open.last().filter(|open| open.is_map && !open.is_flow && open.nodes.len() % 2 == 1);
        if let Some(key) = key.and_then(|open| open.nodes.last()).filter(|_| node.is_absent()) {
            // The parser shows where the next thing is.
            node.start = key.end + self.text[key.end..].find(':').map_or(0, |colon| colon + 1);
            node.end = node.start;
        }
        let node = Rc::new(node);
        if anchor > 0 {
            self.anchors.push((anchor, Rc::clone(&node)));
        }
        match self.open.last_mut() {
            Some(open) => open.nodes.push(node),
            None => self.documents.push(node),
        }
        Ok(())
    }

    /// The parser may show a comment or the next line's first blanks as a part of a scalar.
    fn end_of_scalar(&self, start: usize, end: usize, style: ScalarStyle, is_empty: bool) -> usize {
        let shown = &self.text[start..end];
        match style {
            ScalarStyle::Plain if is_empty => start,
            ScalarStyle::Plain => start + shown.trim_end().len(),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => start + end_of_quoted(shown),
            ScalarStyle::Literal | ScalarStyle::Folded => {
                let lines =
                    shown.rfind('\n').filter(|at| shown[*at..].trim().is_empty()).map_or(shown, |at| &shown[..at]);
                start + lines.strip_suffix('\r').unwrap_or(lines).len()
            }
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.bytes.get(character).copied().unwrap_or(self.text.len())
    }

    fn broken(&self, error: &ScanError) -> Error {
        let marker = error.marker();
        let hint = if self.text.contains("{{") { TEMPLATE } else { "" };
        let place = Place { line: marker.line(), column: marker.col() + 1 };
        Error { place: Some(place), message: format!("this is no YAML: {}{hint}", error.info()) }
    }

    fn fault(&self, at: usize, message: &str) -> Error {
        Error { place: Some(place(self.text, at)), message: message.to_owned() }
    }
}

/// Behind the second quote; one that is doubled or escaped is no end.
fn end_of_quoted(shown: &str) -> usize {
    let Some((open, quote)) = shown.char_indices().find(|(_, c)| matches!(c, '"' | '\'')) else { return shown.len() };
    let mut rest = shown[open + 1..].char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let is_skipped =
            quote == '"' && c == '\\' || quote == '\'' && c == '\'' && rest.peek().is_some_and(|n| n.1 == '\'');
        if is_skipped {
            rest.next();
        } else if c == quote {
            return open + 1 + at + 1;
        }
    }
    shown.len()
}
