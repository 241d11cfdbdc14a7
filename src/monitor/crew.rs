//! Who looks: one thread for all volumes, and another as soon as it sticks.
//!
//! A thread that is woken for one look costs several looks, so those that are due together are done by one, in turn. A
//! filesystem that does not answer keeps its thread: whoever waits behind it calls another, and what is stuck takes
//! nothing more when it comes back.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// Clones are the same crew.
#[derive(Clone)]
pub(super) struct Crew(Arc<Mutex<Desk>>);

/// The work panicked.
#[derive(Debug)]
pub(super) struct Panicked;

type Work = Box<dyn FnOnce() + Send>;

/// What is to be done, and who does it.
struct Desk {
    waiting: VecDeque<Work>,
    put: u64,
    taken: u64,
    /// When the last was taken.
    last: Instant,
    /// Whether somebody is on duty, and who: a thread with another number was relieved.
    on_duty: bool,
    shift: u64,
}

/// One look takes some microseconds. This is what a stuck one costs those who wait behind it.
const STICKS: Duration = Duration::from_millis(5);

impl Crew {
    pub(super) fn new() -> Self {
        let desk = Desk { waiting: VecDeque::new(), put: 0, taken: 0, last: Instant::now(), on_duty: false, shift: 0 };
        Self(Arc::new(Mutex::new(desk)))
    }

    /// Has the work done on a thread that may block, to its end, whatever becomes of who waits. `None`: the runtime ends.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Result<T, Panicked>> {
        let (sender, receiver) = oneshot::channel();
        let number = self.put(Box::new(move || {
            let done = catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked);
            // An error: nobody waits any more.
            let _ = sender.send(done);
        }));
        let mut done = pin!(receiver);
        let mut has_begun = false;
        loop {
            tokio::select! {
                biased;
                done = &mut done => return done.ok(),
                () = sleep(STICKS), if !has_begun => has_begun = self.relieve(number),
            }
        }
    }

    /// The number of that work.
    fn put(&self, work: Work) -> u64 {
        let mut desk = self.desk();
        desk.waiting.push_back(work);
        desk.put += 1;
        if !desk.on_duty {
            self.call(&mut desk);
        }
        desk.put
    }

    /// Whether that work has begun; while it has not, nobody sticks at another unnoticed.
    fn relieve(&self, number: u64) -> bool {
        let mut desk = self.desk();
        let has_begun = desk.taken >= number;
        if !has_begun && desk.last.elapsed() >= STICKS {
            self.call(&mut desk);
        }
        has_begun
    }

    fn call(&self, desk: &mut Desk) {
        (desk.on_duty, desk.last) = (true, Instant::now());
        desk.shift += 1;
        let (crew, shift) = (self.clone(), desk.shift);
        spawn_blocking(move || {
            while let Some(work) = crew.take(shift) {
                work();
            }
        });
    }

    /// The next for who is on duty.
    fn take(&self, shift: u64) -> Option<Work> {
        let mut desk = self.desk();
        if desk.shift != shift {
            return None;
        }
        let work = desk.waiting.pop_front();
        match work {
            Some(_) => (desk.taken, desk.last) = (desk.taken + 1, Instant::now()),
            None => desk.on_duty = false,
        }
        work
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread::ThreadId;

    use super::*;

    fn me() -> ThreadId {
        std::thread::current().id()
    }

    #[tokio::test]
    async fn what_is_due_together_is_done_by_one_thread() {
        let crew = Crew::new();
        let together: Vec<_> = (0..100).map(|_| crew.run(me)).collect();
        let threads = futures_util::future::join_all(together).await;
        let threads: Vec<_> = threads.into_iter().map(|thread| thread.unwrap().unwrap()).collect();
        // On a busy machine one may be taken for stuck.
        assert!(threads.iter().filter(|thread| **thread == threads[0]).count() > 50);
    }

    #[tokio::test]
    async fn who_sticks_keeps_its_thread_and_nobody_waiting() {
        let crew = Crew::new();
        let (release, stuck) = mpsc::channel();
        let stuck = tokio::spawn({
            let crew = crew.clone();
            async move { crew.run(move || (stuck.recv().unwrap(), me())).await.unwrap().unwrap().1 }
        });
        tokio::task::yield_now().await;
        let begun = std::time::Instant::now();
        let mut threads = Vec::new();
        for _ in 0..50 {
            threads.push(crew.run(me).await.unwrap().unwrap());
        }
        // The first waited until another was called, and no other did.
        assert!(begun.elapsed() < 50 * STICKS, "{:?}", begun.elapsed());
        release.send(()).unwrap();
        let stuck = stuck.await.unwrap();
        assert!(threads.iter().all(|thread| *thread != stuck));
        crew.run(me).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_one_works_own() {
        let crew = Crew::new();
        let (one, other) = tokio::join!(crew.run(|| panic!("on purpose")), crew.run(|| 7));
        assert!(matches!((one, other), (Some(Err(Panicked)), Some(Ok(7)))));
    }
}
