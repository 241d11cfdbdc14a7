use std::fs::File;
use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Changes of the mount table of this process: the kernel wakes who polls `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`).
#[derive(Debug)]
pub struct MountChanges(AsyncFd<File>);

/// The kernel tells of a change as an error and as something urgent.
const CHANGE: Interest = Interest::PRIORITY.add(Interest::ERROR);

impl MountChanges {
    /// Every change from now on is told, also one that comes before somebody waits. Inside a runtime.
    pub fn new() -> io::Result<Self> {
        let table = File::open("/proc/self/mountinfo")?;
        // What replaces it is unsafe, for types that give their descriptor away; a `File` keeps its own to the end.
        #[allow(deprecated, reason = "a `File` cannot be used wrongly")]
        AsyncFd::with_interest(table, CHANGE).map(Self)
    }

    /// Waits for the next change; several at once are one.
    pub async fn changed(&mut self) -> io::Result<()> {
        self.0.ready(CHANGE).await?.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Mounting needs root: `tests/privileged` sees that changes are told.
    #[tokio::test]
    async fn the_table_can_be_watched_without_privilege() {
        let mut changes = MountChanges::new().unwrap();
        let change = tokio::time::timeout(Duration::from_millis(10), changes.changed()).await;
        assert!(change.is_err() || change.is_ok_and(|change| change.is_ok()));
    }
}
