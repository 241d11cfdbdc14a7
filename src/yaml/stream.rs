//! A stream of documents as it was written: read with the place of everything in it, and changed in those places only.

use std::rc::Rc;

use super::edit::Pen;
use super::read::Reader;
use super::tree::Node;
use super::{Error, Place, Value};

/// A text with the documents in it.
#[derive(Debug)]
pub struct Stream<'a> {
    text: &'a str,
    documents: Vec<Rc<Node>>,
}

const ELSEWHERE: &str = "this cannot be changed in its place, as where anchors (&x, *x, <<) are used for something else \
    too: write it out";

impl<'a> Stream<'a> {
    /// Reads a text. Whatever is no YAML is refused, with its line.
    pub fn read(text: &'a str) -> Result<Self, Error> {
        Ok(Self { text, documents: Reader::new(text).read()? })
    }

    /// What each document means; an empty one is there too, as nothing.
    pub fn values(&self) -> impl Iterator<Item = Value> {
        self.documents.iter().map(|root| root.value())
    }

    /// Where a document begins, or what is in it after these keys and numbers, or the deepest of it that there is.
    pub fn place(&self, document: usize, keys: &[&str]) -> Option<Place> {
        let mut node = self.documents.get(document)?.target();
        for key in keys {
            let Some(child) = node.child(key) else { break };
            node = child.target();
        }
        Some(place(self.text, node.start))
    }

    /// The text with these documents, by their numbers from 0, meaning that instead; all else stays byte for byte.
    pub fn with(&self, wanted: &[(usize, Value)]) -> Result<String, Error> {
        let mut pen = Pen::new(self.text);
        for (number, value) in wanted {
            let root = &self.documents[*number];
            if let Some(key) = root.twice() {
                return Err(self.fault(key, format!("the key '{}' is there twice", key.text().unwrap_or_default())));
            }
            pen.rewrite(root, value).map_err(|node| self.fault(node, ELSEWHERE))?;
        }
        let text = pen.text();
        // The pen is believed only where the new text reads as it should.
        let new = Stream::read(&text).map(|new| new.values().collect::<Vec<_>>());
        let new = new.ok().filter(|new| new.len() == self.documents.len());
        let wrong = |(number, value): &&(usize, Value)| new.as_ref().is_none_or(|new| new[*number] != *value);
        match wanted.iter().find(wrong) {
            Some((number, _)) => Err(self.fault(&self.documents[*number], ELSEWHERE)),
            None => Ok(text),
        }
    }

    fn fault(&self, node: &Node, message: impl Into<String>) -> Error {
        Error { place: Some(place(self.text, node.start)), message: message.into() }
    }
}

pub(super) fn place(text: &str, at: usize) -> Place {
    let before = &text[..at];
    let line = before.rfind('\n').map_or(0, |end| end + 1);
    Place { line: before.matches('\n').count() + 1, column: before[line..].chars().count() + 1 }
}
