//! What clients know: the last status of every volume, and the frames that said so. [`super::Press`] asks it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::frames::{self, Storage};
use super::requests::LOGS;
use crate::model::{Level, VolumeId};
use crate::monitor::{Event, Status};

/// Something that happened, printed once for every socket.
#[derive(Debug)]
pub struct Printed {
    /// Rises with everything that must not be missed; 0 of numbers, of which only the newest matter.
    pub number: u64,
    /// The volume it is about.
    pub volume: VolumeId,
    /// What happened.
    pub kind: Kind,
    /// The same in words; empty for numbers.
    pub words: String,
}

/// What happened, as frames.
#[derive(Debug)]
pub enum Kind {
    /// New numbers.
    Stats(Utf8Bytes),
    /// A `storage` frame.
    Storage {
        /// The frame.
        frame: Utf8Bytes,
        /// The number of the alert that is over with this.
        ended: Option<u64>,
    },
    /// The volume is full.
    Alert {
        /// The `daemon_message`.
        message: Utf8Bytes,
        /// The `storage` frame that goes with it.
        storage: Utf8Bytes,
        /// When the look began that saw it cross the threshold.
        crossed: Instant,
    },
}

/// How a volume stands, for a socket that comes to see it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) volume: VolumeId,
    pub(super) stats: Option<Arc<Printed>>,
    /// While full: the alert's number, and it as frames.
    pub(super) alert: Option<(u64, [Utf8Bytes; 2])>,
    pub(super) lost: Option<Utf8Bytes>,
}

/// Every volume, and what was last said.
#[derive(Default)]
pub(super) struct Board {
    cards: BTreeMap<VolumeId, Card>,
    last: u64,
    recent: VecDeque<Arc<Printed>>,
}

struct Card {
    /// A copy: while nobody holds the monitor's own, it measures in place.
    status: Status,
    alert: Option<u64>,
    /// Printed when the first socket asks, for all that do until the status is another.
    shown: Option<Arc<Shown>>,
}

impl Board {
    /// What is to be said of an event. One that says what is known already says nothing.
    pub(super) fn take(&mut self, event: &Event) -> Vec<Arc<Printed>> {
        match event {
            Event::Measured(status) => {
                let mut said = self.compare(status, None);
                said.extend(stats(status));
                said
            }
            Event::Level { status, previous } => self.compare(status, Some(*previous)),
            Event::Reminder(status) => {
                let mut said = self.compare(status, None);
                if said.is_empty() && status.level == Level::Full {
                    said.push(self.storage(Storage::Reminder, status, None));
                }
                said
            }
            Event::Resized { status, previous } => {
                let size = status.reading.map(|reading| frames::mib(reading.size));
                // In MB, as a client counts, it may be the same: a block more or less.
                let is_other = size != Some(frames::mib(*previous));
                let resized = is_other.then(|| self.storage(Storage::Resized { previous: *previous }, status, None));
                resized.into_iter().chain(self.compare(status, None)).collect()
            }
            Event::Lost(status) | Event::Found(status) => self.compare(status, None),
            Event::Gone(volume) => self.gone(volume).into_iter().collect(),
        }
    }

    /// What is to be said where events may have been missed: at the start, and after falling behind.
    pub(super) fn catch_up(&mut self, statuses: &[Arc<Status>]) -> Vec<Arc<Printed>> {
        let there = |volume: &VolumeId| statuses.iter().any(|status| status.id == *volume);
        let gone: Vec<_> = self.cards.keys().filter(|volume| !there(volume)).cloned().collect();
        let mut said: Vec<_> = gone.iter().filter_map(|volume| self.gone(volume)).collect();
        for status in statuses {
            said.extend(self.compare(status, None));
            said.extend(stats(status));
        }
        said
    }

    /// How the volumes stand that are wanted.
    pub(super) fn shown(&mut self, wanted: impl Fn(&VolumeId) -> bool) -> Vec<Arc<Shown>> {
        self.cards.iter_mut().filter(|(volume, _)| wanted(volume)).map(|(_, card)| card.shown()).collect()
    }

    /// How many there are of these.
    pub(super) fn count(&self, wanted: impl Fn(&VolumeId) -> bool) -> usize {
        self.cards.keys().filter(|volume| wanted(volume)).count()
    }

    /// What was said after that number, as far back as is kept.
    pub(super) fn since(&self, number: u64) -> Vec<Arc<Printed>> {
        self.recent.iter().filter(|printed| printed.number > number).cloned().collect()
    }

    /// The number of what was said last.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Says what differs from what is known, and knows it.
    fn compare(&mut self, status: &Arc<Status>, previous: Option<Level>) -> Vec<Arc<Printed>> {
        let known = self.cards.get(&status.id);
        if known.is_some_and(|card| card.status.started > status.started) {
            // From before the statuses that were caught up with.
            return Vec::new();
        }
        // Fewer enterings than before: it went and came again.
        let known = known.filter(|card| card.status.entered_full <= status.entered_full);
        let (level, entered, was_lost, mut alert) = known.map_or((Level::Ok, 0, false, None), |card| {
            (card.status.level, card.status.entered_full, card.status.lost.is_some(), card.alert)
        });
        let mut said = Vec::new();
        if was_lost != status.lost.is_some() {
            let what = if was_lost { Storage::Found } else { Storage::Lost };
            said.push(self.storage(what, status, None));
        }
        let is_full = status.level == Level::Full;
        if status.entered_full > entered {
            let printed = self.alert(status, previous.unwrap_or(level));
            alert = is_full.then_some(printed.number);
            said.push(printed);
        } else if status.level != level {
            let what = Storage::Level { previous: Some(previous.unwrap_or(level)) };
            said.push(self.storage(what, status, alert.take()));
        }
        self.cards.insert(status.id.clone(), Card { status: Status::clone(status), alert, shown: None });
        said
    }

    fn gone(&mut self, volume: &VolumeId) -> Option<Arc<Printed>> {
        let card = self.cards.remove(volume)?;
        let frame = frames::gone(volume, OffsetDateTime::now_utc());
        let kind = Kind::Storage { frame: frame.into(), ended: card.alert };
        Some(self.keep(volume, kind, OffsetDateTime::now_utc(), "gone"))
    }

    fn storage(&mut self, what: Storage, status: &Status, ended: Option<u64>) -> Arc<Printed> {
        let kind = Kind::Storage { frame: what.frame(status).into(), ended };
        self.keep(&status.id, kind, status.at, &what.words(status))
    }

    fn alert(&mut self, status: &Status, previous: Level) -> Arc<Printed> {
        let what = Storage::Level { previous: Some(previous) };
        let message = frames::out_of_storage(&status.id, status.at).into();
        let kind = Kind::Alert { message, storage: what.frame(status).into(), crossed: status.started };
        self.keep(&status.id, kind, status.at, &format!("{}: {}", frames::OUT_OF_STORAGE, what.words(status)))
    }

    fn keep(&mut self, volume: &VolumeId, kind: Kind, at: OffsetDateTime, words: &str) -> Arc<Printed> {
        self.last += 1;
        let words = format!("{} {volume}: {words}", frames::stamp(at));
        let printed = Arc::new(Printed { number: self.last, volume: volume.clone(), kind, words });
        if self.recent.len() == LOGS {
            self.recent.pop_front();
        }
        self.recent.push_back(printed.clone());
        printed
    }
}

impl Card {
    fn shown(&mut self) -> Arc<Shown> {
        let Self { status, alert, shown } = self;
        let print = || {
            let frames = || {
                let storage = Storage::Level { previous: None }.frame(status);
                [frames::out_of_storage(&status.id, status.at).into(), storage.into()]
            };
            Arc::new(Shown {
                volume: status.id.clone(),
                stats: stats(status),
                alert: alert.map(|number| (number, frames())),
                lost: status.lost.is_some().then(|| Storage::Lost.frame(status).into()),
            })
        };
        shown.get_or_insert_with(print).clone()
    }
}

/// The numbers of a status, where there are any.
pub(super) fn stats(status: &Status) -> Option<Arc<Printed>> {
    let kind = Kind::Stats(frames::stats(status)?.into());
    Some(Arc::new(Printed { number: 0, volume: status.id.clone(), kind, words: String::new() }))
}

#[cfg(test)]
mod tests;
