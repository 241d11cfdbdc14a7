//! Work that many may want at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// Work that is done once for all who asked before it began, never twice at a time, and waited for by nobody longer than a
/// limit. What is done for one who asks has begun after that: what it says is not old.
pub(crate) struct Joint<T> {
    limit: Duration,
    /// How often it was begun.
    begun: AtomicU64,
    turn: Mutex<Turn<T>>,
}

struct Turn<T> {
    /// What is under way, since when. It goes on whatever becomes of who waits.
    work: Option<(Instant, JoinHandle<T>)>,
    /// What came of the last, and which that was.
    last: Option<(u64, T)>,
}

impl<T: Clone + Send + 'static> Joint<T> {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, begun: AtomicU64::new(0), turn: Mutex::new(Turn { work: None, last: None }) }
    }

    /// What comes of it. `None`: it takes longer than the limit, and so nobody waits for it any more until it is back.
    pub(crate) async fn ask<F>(&self, work: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let before = self.begun.load(Ordering::SeqCst);
        timeout(self.limit, self.wait(before, work)).await.ok().flatten()
    }

    async fn wait<F>(&self, before: u64, work: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut turn = self.turn.lock().await;
        loop {
            if let Some((number, last)) = &turn.last
                && *number > before
            {
                return Some(last.clone());
            }
            if turn.work.as_ref().is_some_and(|(since, work)| since.elapsed() >= self.limit && !work.is_finished()) {
                return None;
            }
            let (_, under_way) = turn.work.get_or_insert_with(|| {
                self.begun.fetch_add(1, Ordering::SeqCst);
                (Instant::now(), tokio::spawn(work()))
            });
            let done = under_way.await;
            turn.work = None;
            // It panicked, which is in the log, or the runtime ends.
            let done = done.ok()?;
            // One that was under way before is old, and is followed by another.
            turn.last = Some((self.begun.load(Ordering::SeqCst), done));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    /// Work that says how often it was begun, each time when it is let go.
    struct Desk {
        joint: Joint<usize>,
        begun: AtomicU64,
        gate: Arc<Semaphore>,
    }

    impl Desk {
        fn new(open: usize) -> Arc<Self> {
            let gate = Arc::new(Semaphore::new(open));
            Arc::new(Self { joint: Joint::new(LIMIT), begun: AtomicU64::new(0), gate })
        }

        async fn ask(&self) -> Option<usize> {
            let work = || {
                let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
                let gate = self.gate.clone();
                async move {
                    gate.acquire().await.expect("it is never closed").forget();
                    usize::try_from(number).unwrap()
                }
            };
            self.joint.ask(work).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_at_once_shares_it_and_nobody_gets_an_old_one() {
        let desk = Desk::new(0);
        let first = tokio::spawn({
            let desk = desk.clone();
            async move { desk.ask().await }
        });
        sleep(LIMIT / 10).await;
        let late = tokio::spawn({
            let desk = desk.clone();
            async move { join_all((0..100).map(|_| desk.ask())).await }
        });
        sleep(LIMIT / 10).await;
        desk.gate.add_permits(2);
        assert_eq!(first.await.unwrap(), Some(1));
        assert_eq!(late.await.unwrap(), [Some(2); 100], "what was under way when they came is old");
    }

    #[tokio::test(start_paused = true)]
    async fn what_hangs_is_waited_for_once_and_is_alone() {
        let desk = Desk::new(1);
        assert_eq!(desk.ask().await, Some(1));
        let begin = Instant::now();
        assert_eq!(join_all((0..100).map(|_| desk.ask())).await, [None; 100]);
        assert_eq!(begin.elapsed(), LIMIT, "together, and not in turn");
        assert_eq!(join_all((0..100).map(|_| desk.ask())).await, [None; 100]);
        assert_eq!((begin.elapsed(), desk.begun.load(Ordering::SeqCst)), (LIMIT, 2), "it is known to hang");
        desk.gate.add_permits(2);
        sleep(LIMIT).await;
        assert_eq!(desk.ask().await, Some(3), "what hung is old");
    }
}
