use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;

use super::*;
use crate::k8s::events::Posting;
use crate::k8s::{self, Claim, Growth, NewClaim};
use crate::model::{Bytes, Reading, Thresholds};
use crate::monitor::{Gauge, Status, Target};

/// Claims that may be read, or not.
struct Readable(Mutex<bool>);

#[async_trait]
impl Claims for Readable {
    fn namespace(&self) -> Option<String> {
        Some("shop".to_owned())
    }

    async fn read(&self, name: &str) -> k8s::Result<Claim> {
        match *self.0.lock().unwrap() {
            true => Ok(Claim::bare(name, Bytes::gib(2), Bytes::gib(2))),
            false => Err(k8s::Error::Forbidden("claims are forbidden".to_owned())),
        }
    }

    async fn grow(&self, _: &str, _: Bytes, _: Duration) -> Growth {
        unreachable!("nothing grows here")
    }

    async fn create(&self, _: &NewClaim) -> k8s::Result<Claim> {
        unreachable!("nothing is made here")
    }
}

/// Of a pod with the volumes `data`, of a claim, and `tmp`.
fn herald(claims: &Arc<Readable>) -> (PodHerald, mpsc::Receiver<Posting>) {
    let (events, heard) = Events::heard();
    let pod =
        Subject { kind: SubjectKind::Pod, namespace: "shop".into(), name: "web-0".into(), uid: "uid-of-web-0".into() };
    let volume =
        |name: &str, claim: Option<&str>| (VolumeId::from_name(name), (claim.map(Into::into), name.to_owned()));
    let herald = PodHerald {
        claims: claims.clone(),
        events,
        volumes: BTreeMap::from([volume("data", Some("my-claim")), volume("tmp", None)]),
        pod: Some(pod),
        namespace: Some("shop".to_owned()),
        is_said: false,
    };
    (herald, heard)
}

fn event(name: &str, level: Level) -> Arc<Event> {
    let reading = Reading { size: Bytes::gib(2), available: Bytes::mib(51), ..Reading::default() };
    let status = Status { reading: Some(reading), level, ..Status::new(VolumeId::from_name(name)) };
    Arc::new(Event::Level { status: Arc::new(status), previous: Level::Ok })
}

#[tokio::test]
async fn a_full_volume_is_told_on_the_pod_and_on_the_claim_that_can_be_read() {
    let claims = Arc::new(Readable(Mutex::new(true)));
    let (mut herald, mut heard) = herald(&claims);
    let mut told = async |name: &str| {
        let news = News::of(&event(name, Level::Full)).unwrap();
        herald.tell(&VolumeId::from_name(name), &news).await;
        let mut found = Vec::new();
        while let Ok(posting) = heard.try_recv() {
            assert_eq!(posting.notice.reason, "VolumeOutOfStorage");
            found.push((posting.subject.uid, posting.notice.note));
        }
        found
    };
    let note = |called: &str| format!("System out of storage ({called}): 97.51 % of 2Gi used, 51Mi left");
    let (pod, claim) = ("uid-of-web-0".to_owned(), "uid-of-my-claim".to_owned());
    let called = note("claim my-claim");
    assert_eq!(told("data").await, [(pod.clone(), called.clone()), (claim, called.clone())]);
    assert_eq!(told("tmp").await, [(pod.clone(), note("volume tmp"))]);
    assert_eq!(told("made later").await, []);
    *claims.0.lock().unwrap() = false;
    assert_eq!(told("data").await, [(pod, called)]);
}

/// What is full, and always will be.
struct Full;

impl Gauge for Full {
    fn read(&self) -> Result<Reading, String> {
        Ok(Reading { size: Bytes::gib(2), ..Reading::default() })
    }
}

fn full_volume() -> Monitor {
    let monitor = Monitor::new(Thresholds::default());
    monitor.set_targets(vec![Target {
        id: VolumeId::from_name("tmp"),
        gauge: Arc::new(Full),
        generation: 0,
        warn_percent: None,
    }]);
    monitor
}

/// The reason of the next event, and whether it lasts.
async fn next(heard: &mut mpsc::Receiver<Posting>) -> Option<(&'static str, bool)> {
    let posting = timeout(Duration::from_secs(600), heard.recv()).await.ok()??;
    Some((posting.notice.reason, posting.notice.lasts))
}

#[tokio::test(start_paused = true)]
async fn what_lasts_is_told_again() {
    let (herald, mut heard) = herald(&Arc::new(Readable(Mutex::new(true))));
    let monitor = full_volume();
    herald.start(&monitor);
    assert_eq!(next(&mut heard).await, Some(("VolumeOutOfStorage", false)));
    for _ in 0..3 {
        assert_eq!(next(&mut heard).await, Some(("VolumeOutOfStorage", true)));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_misses_news_tells_what_is_full_now() {
    let (herald, mut heard) = herald(&Arc::new(Readable(Mutex::new(true))));
    let monitor = full_volume();
    while monitor.statuses()[0].level != Level::Full {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let (tell, told) = broadcast::channel(1);
    for _ in 0..2 {
        tell.send(event("tmp", Level::Ok)).unwrap();
    }
    tokio::spawn(herald.listen(monitor, told));
    assert_eq!(next(&mut heard).await, Some(("VolumeOutOfStorage", true)));
    assert_eq!(next(&mut heard).await, None);
}

#[tokio::test]
async fn where_nothing_is_known_that_could_have_an_event_there_is_no_herald() {
    let volume = |claim: Option<&str>| NamedVolume {
        name: "data".into(),
        path: "/data".into(),
        claim: claim.map(Into::into),
        size: None,
    };
    let cluster = Arc::new(Cluster::new());
    assert!(PodHerald::new(&cluster, &[volume(None)]).is_none());
    assert!(PodHerald::new(&cluster, &[volume(Some("my-claim"))]).is_some());
}
