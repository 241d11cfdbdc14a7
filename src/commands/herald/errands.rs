use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::timeout;

/// What is asked of a machine that may not answer. A thread that sticks stays, so nobody is sent after the same again before
/// it has come back.
pub(super) struct Errands<K>(HashMap<K, AbortHandle>);

/// A pool that does not answer must not keep the news of others waiting.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("the machine does not answer")]
    Late,
    /// That was said when it became late.
    #[error("the machine still does not answer")]
    StillOut,
    #[error("a fault of the program: {0}")]
    Died(String),
}

impl<K: Clone + Eq + Hash> Errands<K> {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// The answer, where it comes in time.
    pub(super) async fn ask<T: Send + 'static>(
        &mut self,
        after: &K,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        self.0.retain(|_, errand| !errand.is_finished());
        if self.0.contains_key(after) {
            return Err(NoAnswer::StillOut);
        }
        let errand = spawn_blocking(work);
        let handle = errand.abort_handle();
        match timeout(PATIENCE, errand).await {
            Ok(answer) => answer.map_err(|error| NoAnswer::Died(error.to_string())),
            Err(_) => {
                self.0.insert(after.clone(), handle);
                Err(NoAnswer::Late)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::time::{Instant, sleep};

    use super::*;

    #[tokio::test]
    async fn nobody_is_sent_after_one_who_has_not_come_back() {
        tokio::time::pause();
        let (release, released) = mpsc::channel::<()>();
        let mut errands = Errands::new();
        // Paused time stands while a thread works: somebody has to push it.
        let pushing = tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
                tokio::time::advance(Duration::from_millis(100)).await;
            }
        });
        let late = errands.ask(&"a", move || released.recv()).await;
        assert_eq!(late, Err(NoAnswer::Late));
        pushing.abort();
        let asked = Instant::now();
        assert_eq!(errands.ask(&"a", || unreachable!("one is out")).await, Err::<(), _>(NoAnswer::StillOut));
        assert_eq!(asked.elapsed(), Duration::ZERO, "others wait meanwhile");
        assert_eq!(errands.ask(&"b", || 2).await, Ok(2), "another is another");
        release.send(()).unwrap();
        while !errands.0["a"].is_finished() {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(errands.ask(&"a", || 1).await, Ok(1));
        let died = errands.ask(&"a", || panic!("on purpose")).await;
        assert!(matches!(died, Err::<(), _>(NoAnswer::Died(_))), "{died:?}");
    }
}
