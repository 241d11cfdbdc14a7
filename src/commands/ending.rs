use std::future::pending;

use tokio::task::JoinHandle;

use super::{Error, Result};

/// Ends only where that has ended: whoever trusts in it shall not wait in vain.
pub(super) async fn died(task: Option<&mut JoinHandle<()>>, what: &'static str) -> Result<()> {
    match task {
        Some(task) => {
            let _ = task.await;
            Err(Error::Died(what))
        }
        None => pending().await,
    }
}

/// To its end, whatever that is; it may have come.
pub(super) async fn over(task: Option<JoinHandle<()>>) {
    if let Some(task) = task.filter(|task| !task.is_finished()) {
        let _ = task.await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_must_not_end_is_seen_when_it_does() {
        async fn limit(task: Option<&mut JoinHandle<()>>) -> Option<String> {
            let died = died(task, "the quota API");
            tokio::time::timeout(Duration::from_secs(1), died).await.ok().map(|ended| ended.unwrap_err().to_string())
        }
        for mut ended in [tokio::spawn(async {}), tokio::spawn(async { panic!("on purpose") })] {
            assert_eq!(limit(Some(&mut ended)).await.unwrap(), "the quota API ended: see the log above");
        }
        let mut ended = tokio::spawn(async {});
        limit(Some(&mut ended)).await.unwrap();
        over(Some(ended)).await; // and is not waited for again
        assert_eq!(limit(Some(&mut tokio::spawn(pending()))).await, None);
        assert_eq!(limit(None).await, None);
    }
}
