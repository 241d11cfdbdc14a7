use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Resolves when it is time to stop.
pub(super) type Stopped = watch::Receiver<bool>;

pub(super) async fn until(mut stopped: Stopped) {
    // An error: whoever could say it is gone, which says it too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// What tells a process to stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
