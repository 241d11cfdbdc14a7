//! What becomes of a volume, look by look: pure.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Instant;

use super::growth::{Belief, believed};
use super::pace::{Rates, Timing};
use super::status::{Event, Status};
use crate::model::{Bytes, Level, Reading, Thresholds, VolumeId};

/// The rules of a monitor.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Rules {
    pub(super) thresholds: Thresholds,
    pub(super) timing: Timing,
}

/// One look at a volume, and what came of it.
pub(super) struct Look {
    pub(super) started: Instant,
    pub(super) at: OffsetDateTime,
    pub(super) outcome: Result<Reading, String>,
    /// The size that its filesystem still has, where that is known to have yet to follow a growth.
    pub(super) behind: Option<Bytes>,
}

/// A volume's life so far.
pub(super) struct Course {
    pub(super) status: Arc<Status>,
    pub(super) warnings: u64,
    /// Where the volume's own warning begins.
    pub(super) warn_percent: Option<u8>,
    belief: Belief,
    rates: Rates,
    /// The numbers that were last told, and when.
    told: Option<(Instant, Reading)>,
    reminder: Option<Instant>,
}

impl Course {
    pub(super) fn new(id: VolumeId, warn_percent: Option<u8>) -> Self {
        Self {
            status: Arc::new(Status::new(id)),
            warnings: 0,
            warn_percent,
            belief: Belief::default(),
            rates: Rates::default(),
            told: None,
            reminder: None,
        }
    }

    /// Takes a look into account.
    pub(super) fn see(&mut self, rules: &Rules, look: Look, now: Instant, tell: &mut impl FnMut(Event)) {
        // In place, unless somebody holds the last one: a volume at rest costs no memory.
        let status = Arc::make_mut(&mut self.status);
        (status.at, status.started, status.hung) = (look.at, look.started, false);
        match look.outcome {
            Ok(reading) => self.measured(rules, reading, look.behind, now, tell),
            Err(reason) => self.lost(reason, tell),
        }
    }

    fn measured(
        &mut self,
        rules: &Rules,
        reading: Reading,
        behind: Option<Bytes>,
        now: Instant,
        tell: &mut impl FnMut(Event),
    ) {
        let Rules { thresholds, timing } = rules;
        let thresholds = thresholds.of_volume(self.warn_percent);
        let status = Arc::make_mut(&mut self.status);
        let reading = believed(&mut self.belief, status.reading.as_ref(), reading, behind, now, timing.growth);
        // A look begins up to a tick early.
        self.rates.see(status.started, &reading, timing.shortest / 2);
        let (before, previous) = (status.reading.replace(reading), status.level);
        let was_lost = status.lost.take().is_some();
        status.level = thresholds.step(previous, &reading);
        if status.level > previous {
            match status.level {
                Level::Full => status.entered_full += 1,
                Level::Warning | Level::Ok => self.warnings += 1,
            }
        }
        let (level, resized) = (status.level, before.filter(|before| before.size != reading.size));
        let resized = resized.map(|before| Event::Resized { status: Arc::clone(&self.status), previous: before.size });
        let mut changed = None;
        if level != previous {
            self.reminder = (level == Level::Full).then(|| now + timing.reminder);
            changed = Some(Event::Level { status: Arc::clone(&self.status), previous });
        }
        // The alert before all else; that there is room again after what has made it.
        let (first, last) = if level > previous { (changed, resized) } else { (resized, changed) };
        first.into_iter().for_each(&mut *tell);
        if was_lost {
            tell(Event::Found(Arc::clone(&self.status)));
        }
        last.into_iter().for_each(&mut *tell);
        self.pass(rules, now, tell);
    }

    fn lost(&mut self, reason: String, tell: &mut impl FnMut(Event)) {
        self.rates.forget_last();
        let was_there = Arc::make_mut(&mut self.status).lost.replace(reason).is_none();
        if was_there {
            tell(Event::Lost(Arc::clone(&self.status)));
        }
    }

    /// A look that saw nothing, and means nothing.
    pub(super) fn skip(&mut self) {
        self.rates.forget_last();
        if self.status.hung {
            Arc::make_mut(&mut self.status).hung = false;
        }
    }

    /// The sample that is under way takes too long. Whether that is news.
    pub(super) fn hang(&mut self) -> bool {
        !std::mem::replace(&mut Arc::make_mut(&mut self.status).hung, true)
    }

    /// Tells what only had to wait for its time.
    pub(super) fn pass(&mut self, rules: &Rules, now: Instant, tell: &mut impl FnMut(Event)) {
        if let Some(reading) = self.status.reading
            && self.measured_due(rules).is_some_and(|due| due <= now)
        {
            self.told = Some((now, reading));
            tell(Event::Measured(Arc::clone(&self.status)));
        }
        if self.reminder.is_some_and(|due| due <= now) {
            self.reminder = Some(now + rules.timing.reminder);
            // Old numbers are worth no reminder.
            if self.status.lost.is_none() {
                tell(Event::Reminder(Arc::clone(&self.status)));
            }
        }
    }

    /// When [`Course::pass`] has something to tell, if nobody looks before.
    pub(super) fn due(&self, rules: &Rules) -> Option<Instant> {
        self.measured_due(rules).into_iter().chain(self.reminder).min()
    }

    fn measured_due(&self, rules: &Rules) -> Option<Instant> {
        let reading = self.status.reading?;
        match self.told {
            None => Some(self.status.started),
            Some((_, told)) if told == reading => None,
            Some((at, _)) => Some(at + rules.timing.measured),
        }
    }

    /// When to look again after a look that began at `started`.
    pub(super) fn next(&self, rules: &Rules, started: Instant) -> Instant {
        let Rules { thresholds, timing } = rules;
        let status = &self.status;
        let reading = status.reading.as_ref().filter(|_| status.lost.is_none());
        let wait = reading.map_or(timing.way_back, |reading| {
            timing.wait(&thresholds.of_volume(self.warn_percent), status.level, reading, &self.rates)
        });
        // A device that grew: its filesystem follows within the blink of an eye, or waits for somebody.
        let is_growing = self.belief.is_growing(started, timing.growth);
        started + if is_growing { wait.min(timing.shortest * 2) } else { wait }
    }
}
