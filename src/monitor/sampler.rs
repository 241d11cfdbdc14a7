use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, sleep_until};

use super::course::Look;
use super::crew::Panicked;
use super::watched::{Cell, Common};
use crate::model::{Bytes, Reading};

/// What a thread brings back.
struct Sample {
    generation: u64,
    outcome: Result<Reading, String>,
    behind: Option<Bytes>,
    /// There is nothing to see, and nothing to tell.
    is_aside: bool,
    took: Duration,
}

/// The task of one volume: looks at it, again and again, never twice at once. It ends when it is aborted, at any await.
pub(super) async fn run(cell: Arc<Cell>, common: Arc<Common>) {
    loop {
        let (started, number) = (Instant::now(), cell.begin());
        // Ends only with the runtime.
        let Some(sample) = wait_for(&cell, &common, started).await else { return };
        let Sample { generation, outcome, behind, is_aside, took } = sample;
        if generation != cell.gauge().0 {
            // The gauge was replaced meanwhile: what the old one says is of no interest.
            continue;
        }
        let look = Look { started, at: OffsetDateTime::now_utc(), outcome, behind };
        let next = if is_aside { cell.skip(&common, number) } else { cell.end(&common, number, look, took) };
        rest(&cell, &common, next).await;
    }
}

/// Waits for a sample as long as it takes, says so when it takes too long, and tells what becomes due meanwhile.
async fn wait_for(cell: &Arc<Cell>, common: &Common, started: Instant) -> Option<Sample> {
    let mut sample = std::pin::pin!(sample(cell, common));
    let mut limit = Some(started + common.rules.timing.limit);
    loop {
        let until = limit.into_iter().chain(cell.due(common)).min();
        tokio::select! {
            biased;
            sample = &mut sample => return sample,
            () = at(until) => cell.pass(common),
        }
        if limit.take_if(|limit| *limit <= Instant::now()).is_some() {
            cell.hang(common);
        }
    }
}

/// Waits until then, or for ever.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// The volume's lock is held until the look comes back, whatever became of the task: one look for one volume.
async fn sample(cell: &Arc<Cell>, common: &Common) -> Option<Sample> {
    let busy = cell.busy_lock().lock_owned().await;
    let turn = Arc::clone(&common.looks).acquire_owned().await.expect("it is never closed");
    let (generation, gauge) = cell.gauge();
    let looked = common.crew.run(move || {
        let _held = (busy, turn);
        let started = std::time::Instant::now();
        let outcome = gauge.read();
        let took = started.elapsed();
        let behind = if outcome.is_ok() { gauge.behind() } else { None };
        let is_aside = outcome.is_err() && gauge.is_aside();
        Sample { generation, outcome, behind, is_aside, took }
    });
    Some(looked.await?.unwrap_or_else(|Panicked| {
        let outcome = Err("it cannot be measured: the measurement panicked".to_owned());
        Sample { generation, outcome, behind: None, is_aside: false, took: Duration::ZERO }
    }))
}

/// Waits for the next look, and tells what becomes due before.
async fn rest(cell: &Cell, common: &Common, next: Instant) {
    loop {
        let until = cell.due(common).map_or(next, |due| due.min(next));
        tokio::select! {
            () = cell.woken() => return,
            () = sleep_until(until) => cell.pass(common),
        }
        if Instant::now() >= next {
            return;
        }
    }
}
