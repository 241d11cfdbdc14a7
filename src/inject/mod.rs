//! The quota API beside the volumes of every pod in a stream of manifests: what `ullage inject` writes.
//!
//! Pure: a text and what is wanted in, a text and what was done out. What a workload shall be is worked out on its
//! meaning; [`crate::yaml::stream`] then changes the text where it means something else.

mod claims;
mod error;
mod pod;
mod sidecar;
#[cfg(test)]
mod tests;
mod workload;

pub use error::Error;
use error::{Fault, Result};
use pod::Pod;
use workload::Workload;

use crate::yaml::Value;
use crate::yaml::stream::Stream;

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    /// The image of the quota API.
    pub image: String,
    /// Take it away instead.
    pub remove: bool,
}

/// A stream as it is wanted, and what was done in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The whole text.
    pub text: String,
    /// A line for each workload, in their order, and the warnings.
    pub notes: Vec<Note>,
}

/// What is to be said of a workload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Note {
    /// As `kubectl` names it: `deployment/shop`.
    pub workload: String,
    /// What was done, or is wrong.
    pub text: String,
    /// What it is worth.
    pub weight: Weight,
}

/// What a note is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// Nothing was to do there.
    Idle,
    /// Something was changed, or is already as it should be.
    Done,
    /// It will not work as it is.
    Warning,
}

/// Adds the quota API to every workload of a stream that mounts a claim, or takes it away.
pub fn inject(text: &str, task: &Task) -> Result<Outcome, Error> {
    let stream = Stream::read(text).map_err(|error| Error::unreadable(text, error))?;
    let (mut wanted, mut notes) = (Vec::new(), Vec::new());
    for (number, before) in stream.values().enumerate() {
        if !matches!(before, Value::Map(_)) && !before.is_null() {
            let reason = "an object of Kubernetes has to be here: apiVersion, kind, metadata".to_owned();
            return Err(Error::Unfit { document: number + 1, place: stream.place(number, &[]), reason });
        }
        let mut after = before.clone();
        object(&mut after, &mut Vec::new(), task, &mut notes).map_err(|fault| {
            let keys: Vec<_> = fault.keys.iter().map(String::as_str).collect();
            Error::Unfit { document: number + 1, place: stream.place(number, &keys), reason: fault.to_string() }
        })?;
        if after != before {
            wanted.push((number, after));
        }
    }
    // One at a time, so that a fault has its document.
    for one in &wanted {
        stream.with(std::slice::from_ref(one)).map_err(|error| Error::stuck(one.0 + 1, &error))?;
    }
    let text = stream.with(&wanted).map_err(|error| Error::stuck(1, &error))?;
    Ok(Outcome { text, notes })
}

/// One object, or each of a list of them.
fn object(value: &mut Value, keys: &mut Vec<String>, task: &Task, notes: &mut Vec<Note>) -> Result<()> {
    if workload::is_list(value) {
        let Some(Value::List(items)) = value.get_mut("items") else { return Ok(()) };
        for (number, item) in items.iter_mut().enumerate() {
            keys.extend(["items".to_owned(), number.to_string()]);
            object(item, keys, task, notes)?;
            keys.truncate(keys.len() - 2);
        }
        return Ok(());
    }
    let Some(workload) = Workload::of(value) else { return Ok(()) };
    let name = workload.name();
    let below =
        |fault: Fault| fault.below(keys.iter().map(String::as_str).chain(workload.pod().iter().copied()), &name);
    let templates = workload.templates(value);
    let pod = workload.pod().iter().try_fold(&mut *value, |value, key| value.get_mut(key));
    let pod = pod.ok_or_else(|| below(Fault::new([], "there is no pod's template")))?;
    let said =
        Pod::new(pod, &templates).and_then(|mut pod| if task.remove { pod.remove() } else { pod.add(&task.image) });
    let note = |(weight, text)| Note { workload: name.clone(), text, weight };
    notes.extend(said.map_err(below)?.into_iter().map(note));
    Ok(())
}
