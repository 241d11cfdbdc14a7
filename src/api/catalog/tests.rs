use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::time::sleep;

use super::*;
use crate::api::volumes::{Create, Created, Resized};
use crate::model::{Backend, Bytes};
use crate::monitor::Target;

/// A place that takes a while to say what it has: one volume, named after the number of the look.
#[derive(Default)]
struct Slow {
    takes: Mutex<Duration>,
    looks: AtomicUsize,
}

#[async_trait]
impl Volumes for Slow {
    async fn list(&self) -> Result<Vec<Volume>, Error> {
        let number = self.looks.fetch_add(1, Ordering::SeqCst) + 1;
        let takes = *self.takes.lock().unwrap();
        sleep(takes).await;
        Ok(vec![Volume::clone(&volume(&format!("v{number}"), "same", None))])
    }

    async fn create(&self, _: Create) -> Result<Created, Error> {
        unreachable!("nobody asks")
    }

    async fn resize(&self, _: &Volume, _: Bytes) -> Result<Resized, Error> {
        unreachable!("nobody asks")
    }

    async fn delete(&self, _: &Volume) -> Result<(), Error> {
        unreachable!("nobody asks")
    }

    fn pending(&self, _: &Volume, _: Bytes) -> bool {
        false
    }

    fn targets(&self) -> Result<Vec<Target>, Error> {
        Ok(Vec::new())
    }
}

fn slow(takes: Duration) -> (Arc<Slow>, Catalog) {
    let slow = Arc::new(Slow { takes: Mutex::new(takes), ..Slow::default() });
    (slow.clone(), Catalog::new(slow, Vec::new()))
}

#[tokio::test(start_paused = true)]
async fn a_list_is_read_once_for_all_who_ask() {
    let (slow, catalog) = slow(LIMIT / 10);
    let unknown = (0..100).map(|_| catalog.find("none"));
    assert!(join_all(unknown).await.into_iter().all(|found| found.is_err()));
    assert_eq!(
        slow.looks.load(Ordering::SeqCst),
        2,
        "the first one's, and that of all who came while it was under way"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_is_new_when_it_is_there_however_long_it_took() {
    let (slow, catalog) = slow(FRESH * 3 / 2);
    for _ in 0..3 {
        assert_eq!(catalog.find("same").await.unwrap().id.as_str(), "v1");
    }
    sleep(FRESH).await;
    *slow.takes.lock().unwrap() = Duration::ZERO;
    assert_eq!(catalog.find("same").await.unwrap().id.as_str(), "v2");
    catalog.forget();
    assert_eq!(catalog.find("same").await.unwrap().id.as_str(), "v3");
}

#[tokio::test(start_paused = true)]
async fn where_no_list_comes_the_last_one_is_given() {
    let (slow, catalog) = slow(LIMIT * 100);
    let unanswered = "the volumes cannot be listed: a disk does not answer";
    assert_eq!(catalog.read().await.err().unwrap().to_string(), unanswered);
    sleep(LIMIT * 100).await;
    *slow.takes.lock().unwrap() = Duration::ZERO;
    assert_eq!(catalog.read().await.unwrap()[0].id.as_str(), "v2", "what came too late is old");
    *slow.takes.lock().unwrap() = LIMIT * 100;
    catalog.forget();
    let begin = tokio::time::Instant::now();
    assert_eq!(catalog.find("same").await.unwrap().id.as_str(), "v2");
    // It may have been made since.
    assert_eq!(catalog.find("none").await.err().unwrap().to_string(), unanswered);
    assert_eq!((begin.elapsed(), slow.looks.load(Ordering::SeqCst)), (LIMIT, 3));
}

fn volume(id: &str, name: &str, claim: Option<&str>) -> Arc<Listed> {
    Listed::new(Volume {
        id: VolumeId::from_name(id),
        name: name.into(),
        claim: claim.map(Into::into),
        namespace: None,
        path: None,
        created: time::OffsetDateTime::UNIX_EPOCH,
        size: Bytes::gib(1),
        backend: Some(Backend::Loop),
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

#[tokio::test]
async fn only_an_exact_id_or_name_narrows_a_socket() {
    let full = "550e8400-e29b-41d4-a716-446655440000";
    let one = vec![volume(full, "db", Some("data"))];
    let two = vec![volume(full, "db", Some("data")), volume("db-2", "twice", None), volume("db-3", "twice", None)];
    let own = vec![volume("app-0", "logs", None), volume("b", "pod-7", None)];
    for (volumes, word, expected) in [
        (&one, full, Some(full)),
        (&one, "db", Some(full)),
        (&one, "data", None),
        (&one, "default", None),
        (&one, "550e8400", None),
        (&one, "550e8400-e29b-41d4-a716-44665544000", None),
        (&one, "my-server", None),
        (&two, "db-2", Some("db-2")),
        (&two, "twice", None),
        (&own, "app-0", None),
        (&own, "pod-7", None),
        (&own, "logs", Some("app-0")),
    ] {
        let catalog = Catalog::new(Arc::new(Slow::default()), vec!["pod-7".to_owned(), "app-0".to_owned()]);
        catalog.seen.write().unwrap().list = Some((Instant::now(), Arc::new(volumes.clone())));
        let only = catalog.only(word).await;
        assert_eq!(only.as_ref().map(VolumeId::as_str), expected, "{word}");
    }
}

#[test]
fn an_id_goes_before_another_volumes_name() {
    let volumes = [volume("db", "x", None), volume("y", "db", None)];
    assert_eq!(found(&volumes, "db"), Some("db"));
}
