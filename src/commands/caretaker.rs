use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Error, Result};
use crate::engine::Engine;

/// The thread behind the calls: it recovers the engine, then tends it, again and again.
pub(super) struct Caretaker {
    thread: JoinHandle<()>,
    wake: SyncSender<()>,
    recovered: watch::Receiver<bool>,
}

/// The first audit, if not sooner: a driver that was exchanged soon knows again what its predecessor did.
const FIRST: Duration = Duration::from_secs(60);

/// How often pools that are not served are tried again.
const ROUND: Duration = Duration::from_secs(10);

impl Caretaker {
    /// Starts it, with an audit in every such time; none where it is zero. The engine says itself when it is ready.
    pub(super) fn start(engine: Arc<Engine>, audits: Duration) -> Self {
        // One wish that waits is enough: a round does everything there is to do.
        let (wake, woken) = mpsc::sync_channel(1);
        let (tell, recovered) = watch::channel(false);
        if !audits.is_zero() {
            tokio::spawn(audit(engine.clone(), recovered.clone(), audits));
        }
        let thread = spawn_blocking(move || {
            engine.recover();
            let _ = tell.send(true);
            tend(&engine, &woken);
        });
        Self { thread, wake, recovered }
    }

    /// Asks for a round now: something lies in the trash.
    pub(super) fn waker(&self) -> Arc<dyn Fn() + Send + Sync> {
        let wake = self.wake.clone();
        Arc::new(move || {
            let _ = wake.try_send(());
        })
    }

    /// Becomes true when what an earlier process left is in order.
    pub(super) fn recovered(&self) -> watch::Receiver<bool> {
        self.recovered.clone()
    }

    /// Ends only where there is no point in going on: the thread has died, or no pool is served and one is needed.
    pub(super) async fn watch(mut self, engine: &Engine, needs_a_pool: bool) -> Result<()> {
        let died = Error::Died("the thread that recovers volumes and empties the trash");
        if self.recovered.wait_for(|recovered| *recovered).await.is_err() {
            return Err(died);
        }
        match engine.ready() {
            Ok(()) => tracing::info!("ready"),
            Err(reason) if needs_a_pool => return Err(Error::NotReady(reason)),
            Err(reason) => tracing::error!(reason, "not ready"),
        }
        let _ = self.thread.await;
        Err(died)
    }
}

/// On a thread of its own: it may take long, and nobody waits for it.
async fn audit(engine: Arc<Engine>, mut recovered: watch::Receiver<bool>, audits: Duration) {
    if recovered.wait_for(|recovered| *recovered).await.is_err() {
        return;
    }
    tokio::time::sleep(audits.min(FIRST)).await;
    loop {
        let engine = engine.clone();
        if let Err(error) = spawn_blocking(move || engine.audit()).await {
            tracing::error!(%error, "the audit did not end");
        }
        tokio::time::sleep(audits).await;
    }
}

fn tend(engine: &Engine, woken: &Receiver<()>) {
    while !matches!(woken.recv_timeout(ROUND), Err(RecvTimeoutError::Disconnected)) {
        engine.tend();
    }
}
