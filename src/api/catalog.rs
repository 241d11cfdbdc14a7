use std::borrow::Borrow;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::alerts::Resolve;
use super::volumes::{Error, Volume, Volumes};
use crate::model::VolumeId;

/// The volumes by whatever they are called. A list is read again after a second, after every change that passes here,
/// and before somebody is told that a volume does not exist.
pub(super) struct Catalog {
    volumes: Arc<dyn Volumes>,
    seen: RwLock<Seen>,
}

/// Shared, as every request asks for one of them.
type List = Arc<Vec<Arc<Volume>>>;

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

impl Catalog {
    pub(super) fn new(volumes: Arc<dyn Volumes>) -> Self {
        Self { volumes, seen: RwLock::default() }
    }

    /// Every volume, as it is now.
    pub(super) async fn read(&self) -> Result<List, Error> {
        let (at, before) = (Instant::now(), self.seen().changes);
        let list = List::new(self.volumes.list().await?.into_iter().map(Arc::new).collect());
        let mut seen = self.seen.write().expect("nothing panics while it is held");
        // What was read while something changed is old.
        if seen.changes == before {
            seen.list = Some((at, list.clone()));
        }
        Ok(list)
    }

    /// The volume that is called so.
    pub(super) async fn find(&self, word: &str) -> Result<Arc<Volume>, Error> {
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
        let all = |list: &[Arc<Volume>]| -> Vec<_> {
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
fn lookup<'a, V: Borrow<Volume>>(volumes: &'a [V], word: &str) -> Option<&'a V> {
    let only = |found: &dyn Fn(&Volume) -> bool| {
        let mut all = volumes.iter().filter(|volume| found((*volume).borrow()));
        all.next().filter(|_| all.next().is_none())
    };
    volumes
        .iter()
        .find(|volume| (*volume).borrow().id.as_str() == word)
        .or_else(|| only(&|volume| volume.name == word))
        .or_else(|| only(&|volume| volume.claim.as_deref() == Some(word)))
        .or_else(|| only(&|_| word == "default"))
        .or_else(|| only(&|volume| word.len() >= SHORTEST_PREFIX && volume.id.as_str().starts_with(word)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Backend, Bytes};

    fn volume(id: &str, name: &str, claim: Option<&str>) -> Volume {
        Volume {
            id: VolumeId::from_name(id),
            name: name.into(),
            claim: claim.map(Into::into),
            namespace: None,
            path: None,
            created: time::OffsetDateTime::UNIX_EPOCH,
            size: Bytes::gib(1),
            backend: Backend::Loop,
            fs: None,
        }
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
            assert_eq!(lookup(&volumes, word), expected.map(|at: usize| &volumes[at]), "{word}");
        }
        assert_eq!(lookup(&volumes[..1], "default"), Some(&volumes[0]));
        assert_eq!(lookup::<Volume>(&[], "default"), None);
    }

    #[test]
    fn an_id_goes_before_another_volumes_name() {
        let volumes = [volume("db", "x", None), volume("y", "db", None)];
        assert_eq!(lookup(&volumes, "db"), Some(&volumes[0]));
    }
}
