use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::body::Bytes;

use super::alerts::Resolve;
use super::volumes::{Error, Volume, Volumes};
use crate::model::VolumeId;
use crate::monitor::Status;

/// The volumes by whatever they are called. A list is read again after a second, after every change that passes here,
/// and before somebody is told that a volume does not exist.
pub(super) struct Catalog {
    volumes: Arc<dyn Volumes>,
    seen: RwLock<Seen>,
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
    list: Option<(Instant, List)>,
    /// How many changes there were.
    changes: u64,
}

/// Longer, and a volume that another program made would be missing from a list.
const FRESH: Duration = Duration::from_secs(1);

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
    pub(super) fn new(volumes: Arc<dyn Volumes>) -> Self {
        Self { volumes, seen: RwLock::default() }
    }

    /// Every volume, as it is now.
    pub(super) async fn read(&self) -> Result<List, Error> {
        let (at, before) = (Instant::now(), self.seen().changes);
        let list = List::new(self.volumes.list().await?.into_iter().map(Listed::new).collect());
        let mut seen = self.seen.write().expect("nothing panics while it is held");
        // What was read while something changed is old.
        if seen.changes == before {
            seen.list = Some((at, list.clone()));
        }
        Ok(list)
    }

    /// The volume that is called so.
    pub(super) async fn find(&self, word: &str) -> Result<Arc<Listed>, Error> {
        if let Some(list) = self.recent()
            && let Some(volume) = lookup(&list, word)
        {
            return Ok(volume.clone());
        }
        lookup(&self.read().await?, word).cloned().ok_or(Error::NotFound)
    }

    /// What was read a moment ago.
    fn recent(&self) -> Option<List> {
        self.seen().list.filter(|(at, _)| at.elapsed() < FRESH).map(|(_, list)| list)
    }

    /// Something has changed.
    pub(super) fn forget(&self) {
        let mut seen = self.seen.write().expect("nothing panics while it is held");
        (seen.list, seen.changes) = (None, seen.changes + 1);
    }

    fn seen(&self) -> Seen {
        self.seen.read().expect("nothing panics while it is held").clone()
    }
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
}

/// By id, name, claim, `default` where there is only one, or the unambiguous beginning of an id.
fn lookup<'a>(volumes: &'a [Arc<Listed>], word: &str) -> Option<&'a Arc<Listed>> {
    let only = |found: &dyn Fn(&Volume) -> bool| {
        let mut all = volumes.iter().filter(|volume| found(volume));
        all.next().filter(|_| all.next().is_none())
    };
    volumes
        .iter()
        .find(|volume| volume.id.as_str() == word)
        .or_else(|| only(&|volume| volume.name == word))
        .or_else(|| only(&|volume| volume.claim.as_deref() == Some(word)))
        .or_else(|| only(&|_| word == "default"))
        .or_else(|| only(&|volume| word.len() >= SHORTEST_PREFIX && volume.id.as_str().starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Backend, Bytes};

    fn volume(id: &str, name: &str, claim: Option<&str>) -> Arc<Listed> {
        Listed::new(Volume {
            id: VolumeId::from_name(id),
            name: name.into(),
            claim: claim.map(Into::into),
            namespace: None,
            path: None,
            created: time::OffsetDateTime::UNIX_EPOCH,
            size: Bytes::gib(1),
            backend: Backend::Loop,
            fs: None,
        })
    }

    fn found<'a>(volumes: &'a [Arc<Listed>], word: &str) -> Option<&'a str> {
        lookup(volumes, word).map(|volume| volume.id.as_str())
    }

    #[test]
    fn a_volume_has_many_names_and_none_is_a_path() {
        let volumes = [
            volume("550e8400-e29b-41d4-a716-446655440000", "db", Some("data")),
            volume("550e8400-ffff-41d4-a716-446655440000", "logs", Some("same")),
            volume("default-pod", "cache", Some("same")),
        ];
        let cases = [
            ("550e8400-e29b-41d4-a716-446655440000", Some(0)),
            ("550e8400-e", Some(0)),
            ("550e8400", None),
            ("550e8400-f", Some(1)),
            ("550e840", None),
            ("db", Some(0)),
            ("data", Some(0)),
            ("same", None),
            ("cache", Some(2)),
            ("default", None),
            ("default-", Some(2)),
            ("", None),
            ("..%2f..%2fetc", None),
            ("../../etc/passwd", None),
            ("DB", None),
        ];
        for (word, expected) in cases {
            assert_eq!(found(&volumes, word), expected.map(|at: usize| volumes[at].id.as_str()), "{word}");
        }
        assert_eq!(found(&volumes[..1], "default"), Some(volumes[0].id.as_str()));
        assert_eq!(found(&[], "default"), None);
    }

    #[test]
    fn an_id_goes_before_another_volumes_name() {
        let volumes = [volume("db", "x", None), volume("y", "db", None)];
        assert_eq!(found(&volumes, "db"), Some("db"));
    }
}
