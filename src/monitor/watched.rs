use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, broadcast, watch};
use tokio::time::{Instant, timeout};

use super::course::{Course, Look, Rules};
use super::crew::Crew;
use super::numbers::{Clocked, VolumeNumbers};
use super::{Event, Gauge, Status, Target};
use crate::model::VolumeId;

/// Held while a look at a volume is under way, by the thread that looks.
pub(super) type Busy = tokio::sync::Mutex<()>;

/// What all volumes of a monitor share.
pub(super) struct Common {
    pub(super) rules: Rules,
    pub(super) events: broadcast::Sender<Arc<Event>>,
    pub(super) clocked: Clocked,
    /// The looks that may be under way together.
    pub(super) looks: Arc<Semaphore>,
    /// Who does them.
    pub(super) crew: Crew,
    begun: Instant,
}

/// A volume as its task and everybody else share it. Nothing here waits while it holds a lock.
pub(super) struct Cell {
    id: VolumeId,
    gauge: Mutex<(u64, Arc<dyn Gauge>)>,
    state: Mutex<State>,
    wake: Notify,
    /// The number of the look that somebody wants, of the one that began last, and of the one that ended last.
    wanted: AtomicU64,
    begun: AtomicU64,
    ended: watch::Sender<u64>,
    busy: Arc<Busy>,
}

struct State {
    course: Course,
    samples: u64,
    took: Option<Duration>,
    is_gone: bool,
    /// The last look found it taken away by ourselves.
    is_aside: bool,
}

/// Events that wait for a subscriber. Whoever is further behind asks for the statuses.
const BACKLOG: usize = 2048;

/// Tokio has 512 threads for what blocks. Should every volume of a large machine hang, some must be left for everything else.
const LOOKS: usize = 384;

/// In the shortest time between two looks at a volume.
const TICKS: u32 = 5;

impl Common {
    pub(super) fn new(rules: Rules) -> Self {
        let (clocked, looks) = (Clocked::default(), Arc::new(Semaphore::new(LOOKS)));
        Self {
            rules,
            events: broadcast::Sender::new(BACKLOG),
            clocked,
            looks,
            crew: Crew::new(),
            begun: Instant::now(),
        }
    }

    /// The last tick of the common clock before that: of many volumes, those that are due at nearly the same time are
    /// looked at together, and nobody late.
    fn tick(&self, at: Instant) -> Instant {
        let between = (self.rules.timing.shortest / TICKS).as_nanos().max(1);
        let early = at.saturating_duration_since(self.begun).as_nanos() % between;
        at - Duration::from_nanos(u64::try_from(early).unwrap_or_default())
    }

    fn tell(&self, event: Event) {
        event.log();
        // Nobody may be listening.
        let _ = self.events.send(Arc::new(event));
    }
}

impl Cell {
    pub(super) fn new(target: Target, busy: Arc<Busy>) -> Self {
        let course = Course::new(target.id.clone(), target.warn_percent);
        Self {
            id: target.id,
            gauge: Mutex::new((target.generation, target.gauge)),
            state: Mutex::new(State { course, samples: 0, took: None, is_gone: false, is_aside: false }),
            wake: Notify::new(),
            wanted: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            ended: watch::Sender::new(0),
            busy,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    pub(super) fn status(&self) -> Arc<Status> {
        Arc::clone(&self.state().course.status)
    }

    pub(super) fn numbers(&self) -> VolumeNumbers {
        let State { course, samples, took, .. } = &*self.state();
        let status = &course.status;
        VolumeNumbers {
            id: status.id.clone(),
            level: status.level,
            warnings: course.warnings,
            fulls: status.entered_full,
            samples: *samples,
            age: took.map(|_| status.started.elapsed()),
            took: *took,
            is_lost: status.lost.is_some(),
            is_hung: status.hung,
        }
    }

    /// Asks for a look that begins after this call: its number. Those who ask before it begins share it.
    pub(super) fn wake(&self) -> u64 {
        let wanted = self.begun.load(Ordering::SeqCst) + 1;
        self.wanted.fetch_max(wanted, Ordering::SeqCst);
        self.wake.notify_one();
        wanted
    }

    /// Until somebody wants a look that has not begun. A call may be left over from one that has.
    pub(super) async fn woken(&self) {
        while self.wanted.load(Ordering::SeqCst) <= self.begun.load(Ordering::SeqCst) {
            self.wake.notified().await;
        }
    }

    /// The status by a look that begins after this call. `None`: it is gone meanwhile.
    pub(super) async fn fresh(&self, limit: Duration) -> Option<Arc<Status>> {
        let mut ended = self.ended.subscribe();
        let wanted = self.wake();
        let arrived = async {
            while *ended.borrow_and_update() < wanted && !self.status().hung && ended.changed().await.is_ok() {}
        };
        let in_time = timeout(limit, arrived).await.is_ok();
        let state = self.state();
        let mut status = (!state.is_gone).then(|| Arc::clone(&state.course.status))?;
        if !in_time {
            Arc::make_mut(&mut status).hung = true;
        }
        Some(status)
    }

    pub(super) fn gauge(&self) -> (u64, Arc<dyn Gauge>) {
        self.gauge.lock().expect("no holder panics").clone()
    }

    /// What is measured from now on, where it is another than before.
    pub(super) fn replace(&self, target: Target) {
        let warned = std::mem::replace(&mut self.state().course.warn_percent, target.warn_percent);
        if warned != target.warn_percent {
            self.wake();
        }
        let mut gauge = self.gauge.lock().expect("no holder panics");
        if gauge.0 != target.generation {
            *gauge = (target.generation, target.gauge);
            self.wake();
        }
    }

    pub(super) fn busy(&self) -> Weak<Busy> {
        Arc::downgrade(&self.busy)
    }

    pub(super) fn busy_lock(&self) -> Arc<Busy> {
        Arc::clone(&self.busy)
    }

    pub(super) fn is_looked_at(&self) -> bool {
        self.busy.try_lock().is_err()
    }

    /// A look begins: its number.
    pub(super) fn begin(&self) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// A look has ended. When the next one shall begin.
    pub(super) fn end(&self, common: &Common, number: u64, look: Look, took: Duration) -> Instant {
        common.clocked.add(took);
        let mut state = self.state();
        if state.course.status.hung {
            tracing::info!(volume = %self.id, "a volume answers again");
        }
        (state.samples, state.took, state.is_aside) = (state.samples + 1, Some(took), false);
        let started = look.started;
        if !state.is_gone {
            state.course.see(&common.rules, look, Instant::now(), &mut |event| common.tell(event));
        }
        self.ended.send_replace(number);
        common.tick(state.course.next(&common.rules, started))
    }

    /// A look has ended that saw nothing: we have taken the volume away ourselves. Everything stays as it was known.
    pub(super) fn skip(&self, common: &Common, number: u64) -> Instant {
        let mut state = self.state();
        state.is_aside = true;
        state.course.skip();
        self.ended.send_replace(number);
        Instant::now() + common.rules.timing.aside
    }

    /// Why it is not as it should be. A volume that was never measured is not known to be there.
    pub(super) fn amiss(&self) -> Option<String> {
        let state = self.state();
        let status = &state.course.status;
        match (&status.lost, status.reading) {
            (Some(reason), _) => Some(format!("{}: {reason}", status.id)),
            (None, None) if !state.is_aside => Some(format!("{}: not measured yet", status.id)),
            (None, _) => None,
        }
    }

    /// The look that is under way takes too long: nobody waits for it any more.
    pub(super) fn hang(&self, common: &Common) {
        if self.state().course.hang() {
            let limit = common.rules.timing.limit.as_secs_f64();
            tracing::warn!(volume = %self.id, limit, "a volume hangs: it does not say how full it is");
        }
        self.ended.send_modify(|_| ());
    }

    /// When there is something to tell, if no look comes before.
    pub(super) fn due(&self, common: &Common) -> Option<Instant> {
        self.state().course.due(&common.rules)
    }

    /// Tells what is due.
    pub(super) fn pass(&self, common: &Common) {
        let mut state = self.state();
        if !state.is_gone {
            state.course.pass(&common.rules, Instant::now(), &mut |event| common.tell(event));
        }
    }

    /// Nothing is told of it after this.
    pub(super) fn retire(&self, common: &Common) {
        let mut state = self.state();
        state.is_gone = true;
        common.tell(Event::Gone(self.id.clone()));
        self.ended.send_replace(u64::MAX);
    }
}
