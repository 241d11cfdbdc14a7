use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use tokio::time::Instant;

use super::alerts::Resolve;
use super::volumes::{Error, Volume, Volumes};
use crate::model::VolumeId;
use crate::monitor::{Joint, Status};

/// The volumes by whatever they are called. A list is read again after a second, after every change that passes here,
/// and before somebody is told that a volume does not exist.
pub(super) struct Catalog {
    volumes: Arc<dyn Volumes>,
    /// What the place is called itself.
    own_names: Vec<String>,
    /// One for all who ask: each is a look at the whole machine.
    reads: Joint<Result<List, Error>>,
    seen: Arc<RwLock<Seen>>,
}

/// Shared, as every request asks for one of them.
type List = Arc<Vec<Arc<Listed>>>;

/// A volume, and the text that was last written of its numbers.
pub(super) struct Listed {
    volume: Volume,
    printed: Mutex<Option<Printed>>,
}

/// A text, and the numbers that it is of.
struct Printed {
    status: Arc<Status>,
    is_pending: bool,
    text: Bytes,
}

#[derive(Clone, Default)]
struct Seen {
    /// The last, and when it was there.
    list: Option<(Instant, List)>,
    /// Something has changed since.
    is_old: bool,
    /// How many changes there were.
    changes: u64,
}

/// Longer, and a volume that another program made would be missing from a list.
const FRESH: Duration = Duration::from_secs(1);

/// A disk that does not answer keeps a list, and nobody who waits for it longer than that.
const LIMIT: Duration = Duration::from_secs(2);

/// Shorter, and a beginning would fit too many.
const SHORTEST_PREFIX: usize = 8;

impl Listed {
    fn new(volume: Volume) -> Arc<Self> {
        Arc::new(Self { volume, printed: Mutex::default() })
    }

    /// What `print` writes of these numbers, written once for all who ask for them: many do between two looks.
    pub(super) fn text<E>(
        &self,
        status: &Arc<Status>,
        is_pending: bool,
        print: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<Bytes, E> {
        let mut printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*printed
            && Arc::ptr_eq(&known.status, status)
            && known.is_pending == is_pending
        {
            return Ok(known.text.clone());
        }
        let text = print()?;
        *printed = Some(Printed { status: status.clone(), is_pending, text: text.clone() });
        Ok(text)
    }
}

impl Deref for Listed {
    type Target = Volume;

    fn deref(&self) -> &Volume {
        &self.volume
    }
}

impl Catalog {
    pub(super) fn new(volumes: Arc<dyn Volumes>, own_names: Vec<String>) -> Self {
        Self { volumes, own_names, reads: Joint::new(LIMIT), seen: Arc::default() }
    }

    /// Every volume, as it is now; where that cannot be read in time, as it was.
    pub(super) async fn read(&self) -> Result<List, Error> {
        self.newest().await.unwrap_or_else(|| self.last().ok_or_else(unanswered))
    }

    /// The volume that is called so.
    pub(super) async fn find(&self, word: &str) -> Result<Arc<Listed>, Error> {
        if let Some(list) = self.recent()
            && let Some(volume) = lookup(&list, word)
        {
            return Ok(volume.clone());
        }
        match self.newest().await {
            Some(list) => lookup(&list?, word).cloned().ok_or(Error::NotFound),
            // It may have been made since: only a list of now can say that there is none.
            None => self.last().and_then(|list| lookup(&list, word).cloned()).ok_or_else(unanswered),
        }
    }

    /// Every volume, as it is now; none where that cannot be read in time.
    async fn newest(&self) -> Option<Result<List, Error>> {
        self.reads.ask(|| list(self.volumes.clone(), self.seen.clone())).await
    }

    /// What was read last, however long ago.
    fn last(&self) -> Option<List> {
        self.seen().list.map(|(_, list)| list)
    }

    /// What was read a moment ago.
    fn recent(&self) -> Option<List> {
        let Seen { list, is_old, .. } = self.seen();
        list.filter(|(at, _)| !is_old && at.elapsed() < FRESH).map(|(_, list)| list)
    }

    /// Something has changed.
    pub(super) fn forget(&self) {
        let mut seen = self.seen.write().expect("nothing panics while it is held");
        (seen.is_old, seen.changes) = (true, seen.changes + 1);
    }

    fn seen(&self) -> Seen {
        self.seen.read().expect("nothing panics while it is held").clone()
    }
}

fn unanswered() -> Error {
    Error::Failed("the volumes cannot be listed: a disk does not answer".to_owned())
}

async fn list(volumes: Arc<dyn Volumes>, seen: Arc<RwLock<Seen>>) -> Result<List, Error> {
    let before = seen.read().expect("nothing panics while it is held").changes;
    let list = List::new(volumes.list().await?.into_iter().map(Listed::new).collect());
    let mut seen = seen.write().expect("nothing panics while it is held");
    // What was read while something changed is old.
    (seen.list, seen.is_old) = (Some((Instant::now(), list.clone())), seen.changes != before);
    Ok(list)
}

#[async_trait]
impl Resolve for Catalog {
    async fn volumes(&self, names: &[String]) -> Vec<Option<VolumeId>> {
        let all = |list: &[Arc<Listed>]| -> Vec<_> {
            names.iter().map(|name| lookup(list, name).map(|volume| volume.id.clone())).collect()
        };
        let known = self.recent().map(|list| all(&list)).filter(|found| found.iter().all(Option::is_some));
        match known {
            Some(found) => found,
            // An error: then no name is known.
            None => all(&self.read().await.unwrap_or_default()),
        }
    }

    async fn only(&self, internal_id: &str) -> Option<VolumeId> {
        if self.own_names.iter().any(|name| name == internal_id) {
            return None;
        }
        let found = |list: &[Arc<Listed>]| called(list, internal_id).map(|volume| volume.id.clone());
        match self.recent().and_then(|list| found(&list)) {
            Some(volume) => Some(volume),
            None => found(&self.read().await.unwrap_or_default()),
        }
    }
}

/// By exactly its id, or its name where no other has it.
fn called<'a>(volumes: &'a [Arc<Listed>], word: &str) -> Option<&'a Arc<Listed>> {
    volumes.iter().find(|volume| volume.id.as_str() == word).or_else(|| single(volumes, |volume| volume.name == word))
}

fn single(volumes: &[Arc<Listed>], is_it: impl Fn(&Volume) -> bool) -> Option<&Arc<Listed>> {
    let mut all = volumes.iter().filter(|volume| is_it(volume));
    all.next().filter(|_| all.next().is_none())
}

/// By id, name, claim, `default` where there is only one, or the unambiguous beginning of an id.
fn lookup<'a>(volumes: &'a [Arc<Listed>], word: &str) -> Option<&'a Arc<Listed>> {
    called(volumes, word)
        .or_else(|| single(volumes, |volume| volume.claim.as_deref() == Some(word)))
        .or_else(|| single(volumes, |_| word == "default"))
        .or_else(|| single(volumes, |volume| word.len() >= SHORTEST_PREFIX && volume.id.as_str().starts_with(word)))
}

#[cfg(test)]
mod tests;
