use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};
use tokio::task::AbortHandle;

use super::board::{Board, Printed, Shown};
use super::counters::Counters;
use crate::model::VolumeId;
use crate::monitor::{Event, Monitor};

/// Prints what the monitor says: each frame once, however many sockets send it.
///
/// What is said and who hears it are decided under one lock, so a socket that joins hears everything from then on and
/// is shown everything before, and nothing twice.
#[derive(Clone)]
pub struct Press(Arc<House>);

struct House {
    desk: Arc<Desk>,
    task: AbortHandle,
}

struct Desk {
    board: Mutex<Board>,
    channel: Sender<Arc<Printed>>,
    counters: Counters,
}

/// What a socket gets that joins.
pub(super) struct Joined {
    /// Everything from now on.
    pub(super) news: Receiver<Arc<Printed>>,
    /// The number of the last before.
    pub(super) last: u64,
    /// What it missed since the number it knew.
    pub(super) missed: Vec<Arc<Printed>>,
    /// How the volumes stand that it wants.
    pub(super) shown: Vec<Arc<Shown>>,
}

/// How far a socket may be behind before it has to join again. Its own queue is elsewhere: only a lack of processor
/// time leaves anything here.
const BEHIND: usize = 256;

impl Press {
    /// Starts printing; it ends with the last of its handles. Within a runtime.
    pub fn start(monitor: Monitor) -> Self {
        let board = Mutex::new(Board::default());
        let desk = Arc::new(Desk { board, channel: broadcast::channel(BEHIND).0, counters: Counters::default() });
        let task = tokio::spawn(desk.clone().print(monitor)).abort_handle();
        Self(Arc::new(House { desk, task }))
    }

    /// Everything that is printed from now on.
    pub fn subscribe(&self) -> Receiver<Arc<Printed>> {
        self.0.desk.channel.subscribe()
    }

    /// How many sockets are open.
    pub fn clients(&self) -> u64 {
        self.counters().clients()
    }

    /// What happened on the sockets.
    pub fn counters(&self) -> &Counters {
        &self.0.desk.counters
    }

    /// Whether it still prints. It always does: where not, that is a fault of the program.
    pub fn is_alive(&self) -> bool {
        !self.0.task.is_finished()
    }

    /// From now on everything, what was missed since `number`, and how things stand with the volumes that are wanted.
    pub(super) fn join(&self, number: u64, wanted: impl Fn(&VolumeId) -> bool) -> Joined {
        let mut board = self.0.desk.board();
        let (missed, last) = (board.since(number), board.last());
        Joined { news: self.subscribe(), last, missed, shown: board.shown(wanted) }
    }

    /// How things stand with the volumes that are wanted, and the number of what was said last.
    pub(super) fn look(&self, wanted: impl Fn(&VolumeId) -> bool) -> (u64, Vec<Arc<Shown>>) {
        let mut board = self.0.desk.board();
        (board.last(), board.shown(wanted))
    }

    /// How many volumes there are that are wanted.
    pub(super) fn count(&self, wanted: impl Fn(&VolumeId) -> bool) -> usize {
        self.0.desk.board().count(wanted)
    }

    /// The last storage messages about the volumes that are wanted, the oldest first.
    pub(super) fn words(&self, most: usize, wanted: impl Fn(&VolumeId) -> bool) -> Vec<Arc<Printed>> {
        let mut kept = self.0.desk.board().since(0);
        kept.retain(|printed| wanted(&printed.volume));
        kept.split_off(kept.len().saturating_sub(most))
    }
}

impl Desk {
    async fn print(self: Arc<Self>, monitor: Monitor) {
        let mut events = monitor.subscribe();
        self.say(|board| board.catch_up(&monitor.statuses()));
        loop {
            match events.recv().await {
                Ok(event) => self.take(&event),
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "the alerts fell behind the monitor: every volume is looked at again");
                    events = monitor.subscribe();
                    self.say(|board| board.catch_up(&monitor.statuses()));
                }
                Err(RecvError::Closed) => return,
            }
        }
    }

    fn take(&self, event: &Event) {
        self.say(|board| board.take(event));
    }

    fn say(&self, what: impl FnOnce(&mut Board) -> Vec<Arc<Printed>>) {
        // Sent under the lock: see `Press`.
        let mut board = self.board();
        for printed in what(&mut board) {
            // An error: nobody listens.
            let _ = self.channel.send(printed);
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.task.abort();
    }
}
