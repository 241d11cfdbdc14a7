//! An event as the API server wants it. Pure. What it accepts: `ValidateEventCreate` and `ValidateEventUpdate`.

use std::fmt::Write;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::series::WINDOW;
use super::{Posting, Reporter};

/// What is one series: the same reason and topic, from the same reporter, on the same object.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key([u8; 32]);

const LONGEST_NOTE: usize = 1024;
const LONGEST_INSTANCE: usize = 128;
/// With the key behind it, a name has at most 253 bytes.
const LONGEST_NAME: usize = 230;

impl Key {
    pub(super) fn of(reporter: &Reporter, posting: &Posting) -> Self {
        let Posting { subject, notice, .. } = posting;
        let parts = [
            reporter.controller.as_str(),
            reporter.instance.as_str(),
            subject.kind.as_str(),
            subject.namespace.as_str(),
            subject.name.as_str(),
            subject.uid.as_str(),
            notice.severity.as_str(),
            notice.reason,
            notice.action,
            notice.topic.as_str(),
        ];
        Self(hash(&parts.map(str::as_bytes)))
    }

    /// The name of an event of that time. A process that has lost its memory finds the event of the one before by it,
    /// without the right to look for events.
    pub(super) fn name(&self, posting: &Posting) -> String {
        let window = i64::try_from(WINDOW.as_secs()).unwrap_or(i64::MAX);
        let slot = posting.at.unix_timestamp() / window;
        let begins = clip(&posting.subject.name, LONGEST_NAME).trim_end_matches(['.', '-']);
        let mut name = format!("{begins}.");
        for byte in &hash(&[&self.0, &slot.to_be_bytes()])[..8] {
            // A text takes everything.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }
}

pub(super) fn event(name: String, reporter: &Reporter, posting: &Posting) -> Event {
    let Posting { subject, notice, at, .. } = posting;
    let text = |text: &str| Some(text.to_owned());
    let regarding = ObjectReference {
        api_version: text("v1"),
        kind: text(subject.kind.as_str()),
        namespace: Some(subject.namespace.clone()),
        name: Some(subject.name.clone()),
        uid: Some(subject.uid.clone()),
        ..ObjectReference::default()
    };
    let namespace = Some(subject.namespace.clone());
    Event {
        metadata: ObjectMeta { name: Some(name), namespace, ..ObjectMeta::default() },
        event_time: Some(micro_time(*at)),
        type_: text(notice.severity.as_str()),
        reason: text(notice.reason),
        action: text(notice.action),
        note: text(clip(&notice.note, LONGEST_NOTE)),
        regarding: Some(regarding),
        reporting_controller: Some(reporter.controller.clone()),
        reporting_instance: text(clip(&reporter.instance, LONGEST_INSTANCE)),
        ..Event::default()
    }
}

/// All that may be changed of an event.
pub(super) fn counted(count: i32, at: OffsetDateTime) -> Value {
    json!({"series": EventSeries { count, last_observed_time: micro_time(at) }})
}

/// How often an event on the API server has happened.
pub(super) fn count(event: &Event) -> i32 {
    event.series.as_ref().map_or(1, |series| series.count)
}

fn micro_time(at: OffsetDateTime) -> MicroTime {
    let now = Timestamp::from_microsecond((at.unix_timestamp_nanos() / 1000).try_into().unwrap_or_default());
    MicroTime(now.unwrap_or_default())
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// At most that many bytes, whole characters.
fn clip(text: &str, longest: usize) -> &str {
    let mut end = longest.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
