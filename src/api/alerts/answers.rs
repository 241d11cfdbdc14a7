//! What a request does.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use time::OffsetDateTime;

use super::board;
use super::frames::{self, Storage};
use super::outbox::Outbox;
use super::requests::Request;
use super::seat::{Filter, Seat};
use super::state::Alerts;
use crate::model::VolumeId;
use crate::monitor::Status;

/// What takes a while; meanwhile the socket hears, and reads nothing more.
pub(super) type Work = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What came of it.
pub(super) enum Answer {
    Measured(Vec<Arc<Status>>),
    Subscribed { filter: Filter, unknown: Option<String> },
}

/// Volumes measured at a time.
const TOGETHER: usize = 8;

/// Names that a client may give at once, and how much of one that nobody knows is said back.
const NAMES: usize = 1000;
const SHOWN: usize = 40;

/// Answers at once what can be, and begins the rest.
pub(super) fn answer(request: Request, alerts: &Alerts, seat: &Seat, outbox: &mut Outbox) -> Option<Work> {
    let now = OffsetDateTime::now_utc();
    match request {
        Request::Logs(most) => {
            let kept = alerts.press.words(most, |volume| seat.filter().wants(volume));
            let lines: Vec<_> = kept.iter().map(|printed| printed.words.as_str()).collect();
            outbox.put_answer(frames::logs(&lines, now));
        }
        Request::Command => outbox.put_answer(frames::notice(COMMAND, now)),
        Request::Power => outbox.put_answer(frames::notice(POWER, now)),
        Request::Subscribe(names) => return Some(Box::pin(subscribe(alerts.clone(), names))),
        Request::Quota => return Some(Box::pin(measure(alerts.clone(), seat.filter().clone()))),
        Request::Unknown => {}
    }
    None
}

const COMMAND: &str = "Commands are not run here: use kubectl exec, or a shell on the host";
const POWER: &str = "Starting and stopping is not done here: use kubectl, or the host's service manager";

/// Puts what was measured, in the place of older numbers that still wait.
pub(super) fn measured(statuses: &[Arc<Status>], outbox: &mut Outbox) {
    for status in statuses {
        match board::stats(status) {
            Some(stats) => outbox.put(&stats),
            None if status.lost.is_some() => outbox.put_answer(Storage::Lost.frame(status)),
            None => {}
        }
    }
}

async fn measure(alerts: Alerts, filter: Filter) -> Answer {
    let watched = alerts.monitor.statuses().into_iter().map(|status| status.id.clone());
    let wanted: Vec<_> = watched.filter(|volume| filter.wants(volume)).collect();
    let one = |volume: VolumeId| {
        let monitor = alerts.monitor.clone();
        async move { monitor.measure(&volume).await }
    };
    let measured = stream::iter(wanted).map(one).buffered(TOGETHER);
    Answer::Measured(measured.filter_map(ready).collect().await)
}

async fn subscribe(alerts: Alerts, names: Vec<String>) -> Answer {
    if names.is_empty() {
        return Answer::Subscribed { filter: Filter::All, unknown: None };
    }
    let names = &names[..names.len().min(NAMES)];
    let (mut volumes, mut unknown): (Vec<VolumeId>, Vec<String>) = (Vec::new(), Vec::new());
    for (name, found) in names.iter().zip(alerts.resolve.volumes(names).await) {
        match found {
            Some(volume) if volumes.contains(&volume) => {}
            Some(volume) => volumes.push(volume),
            None => unknown.push(name.chars().take(SHOWN).collect()),
        }
    }
    let notice = (!unknown.is_empty()).then(|| format!("No such volume: {}", unknown.join(", ")));
    Answer::Subscribed { filter: Filter::Only(volumes), unknown: notice }
}
