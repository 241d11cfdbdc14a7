//! A pod on a real driver's volume: what it is, and a filesystem that has yet to follow its device.

use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::api::machine;
use crate::config::{Defaults, Overcommit, PoolConfig, Reserve};
use crate::engine::Engine;
use crate::host::fake::Fake;
use crate::model::{Backend, FsKind, Level, PoolName, Thresholds, VolumeId};
use crate::monitor::{Event, Monitor};

/// A node with a volume of 512 MiB that its kernel does not let grow while it is mounted.
struct Node {
    fake: Fake,
    driver: machine::Machine,
    volume: Volume,
}

const BEFORE: Bytes = Bytes::mib(512);
const AFTER: Bytes = Bytes::gib(20);

impl Node {
    async fn new() -> Self {
        let fake = Fake::new(Bytes::gib(100));
        let name = PoolName::parse("default").unwrap();
        let pool = PoolConfig {
            name: name.clone(),
            path: "/pool".into(),
            backend: Backend::Loop,
            require_mount_point: false,
            reserve: Reserve::Share(500),
            overcommit: Overcommit::Unlimited,
            limits: Default::default(),
        };
        fake.machine().files.create_dir(&pool.path).unwrap();
        let engine = Arc::new(Engine::new(fake.machine(), vec![pool]).keeping_mounts());
        engine.recover();
        let settings = machine::Settings {
            mount_dir: "/mnt".into(),
            pools: vec![(name, Backend::Loop)],
            defaults: Defaults::default(),
            deleted: Arc::new(|| {}),
        };
        let driver = machine::Machine::new(engine, settings);
        let asked = Create { fs: Some(FsKind::Ext4), size: Some(BEFORE), ..Create::default() };
        let volume = driver.create(asked).await.unwrap().volume;
        fake.refuse_online_ext4(true);
        Self { fake, driver, volume }
    }

    fn pod(&self, told: &Arc<Told>) -> Arc<Pod> {
        let volumes = format!("data={},pvc=c", self.volume.path.as_ref().unwrap().display());
        pod_on(&self.fake.machine(), &volumes, told.clone(), None)
    }
}

fn claim(told: &Told, request: Bytes, capacity: Bytes) {
    *told.claim.lock().unwrap() = Some(Claim::bare("c", request, capacity));
}

/// What the monitor says of it now.
async fn look(monitor: &Monitor) -> (Bytes, Level) {
    let status = monitor.measure(&VolumeId::from_name("data")).await.unwrap();
    (status.reading.unwrap().size, status.level)
}

#[tokio::test]
async fn a_volume_is_what_can_be_told_of_it() {
    let (node, told) = (Node::new().await, told(Growth::NotFound, Duration::ZERO));
    let pod = node.pod(&told);
    let met = volume(&pod, "data").await;
    assert_eq!((met.backend, met.fs, met.size), (Some(Backend::Loop), Some(FsKind::Ext4), BEFORE), "nobody else looks");
    let made = datetime!(2026-01-28 12:00 UTC);
    let mut bare = Claim::bare("c", BEFORE, BEFORE);
    bare.created = Some(made);
    *told.claim.lock().unwrap() = Some(bare);
    pod.meet().await;
    assert_eq!(volume(&pod, "data").await.created, made);
    // The directory of a mount that every machine has, as it is after each start.
    let (one, two) = (pod_of("root=/,size=1Gi", Growth::NotFound, None).0, pod_of("root=/", Growth::NotFound, None).0);
    let born = std::fs::metadata("/").and_then(|root| root.created());
    for pod in [one, two] {
        pod.targets().unwrap()[0].gauge.read().unwrap();
        let created = volume(&pod, "root").await.created;
        assert!(born.as_ref().is_err() || created == OffsetDateTime::from(*born.as_ref().unwrap()), "{created}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_filesystem_waits_for_the_kubelet_nothing_is_full_and_nothing_is_done() {
    let (node, told) = (Node::new().await, told(Growth::Pending(String::new()), Duration::ZERO));
    claim(&told, BEFORE, BEFORE);
    let pod = node.pod(&told);
    pod.meet().await;
    let monitor = Monitor::new(Thresholds::default());
    let mut events = monitor.subscribe();
    monitor.set_targets(pod.targets().unwrap());
    assert_eq!(look(&monitor).await, (BEFORE, Level::Ok));
    let resized = node.driver.resize(&node.volume, AFTER).await.unwrap();
    assert!(resized.is_pending, "the device has grown");
    claim(&told, AFTER, BEFORE);
    // The second is the same pod after a restart.
    let again = node.pod(&told);
    again.meet().await;
    let restarted = Monitor::new(Thresholds::default());
    restarted.set_targets(again.targets().unwrap());
    for _ in 0..20 {
        for monitor in [&monitor, &restarted] {
            assert_eq!(look(monitor).await, (BEFORE, Level::Ok));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let data = volume(&pod, "data").await;
    assert!(pod.pending(&data, BEFORE));
    let same = pod.resize(&data, AFTER).await.unwrap();
    assert_eq!((same.previous, same.is_pending), (BEFORE, true), "the device alone is not the volume");

    node.fake.refuse_online_ext4(false);
    node.driver.resize(&node.volume, AFTER).await.unwrap();
    for monitor in [&monitor, &restarted] {
        assert_eq!(look(monitor).await, (AFTER, Level::Ok));
    }
    assert!(!pod.pending(&data, AFTER));
    while let Ok(event) = events.try_recv() {
        assert!(matches!(&*event, Event::Measured(_) | Event::Resized { .. }), "{event:?}");
    }
}

/// The one read at the start fails, and the volume seems to be full.
#[tokio::test(start_paused = true)]
async fn a_growth_that_waits_is_known_soon_after_the_api_server_did_not_answer() {
    let (node, told) = (Node::new().await, told(Growth::NotFound, Duration::ZERO));
    node.driver.resize(&node.volume, AFTER).await.unwrap();
    claim(&told, AFTER, BEFORE);
    told.is_silent.store(true, Ordering::Relaxed);
    let pod = node.pod(&told);
    pod.meet().await;
    let monitor = Monitor::new(Thresholds::default());
    monitor.set_targets(pod.targets().unwrap());
    assert_eq!(look(&monitor).await, (AFTER, Level::Full), "nobody knows better");
    told.is_silent.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(11)).await;
    look(&monitor).await;
    // It is read behind that look.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(look(&monitor).await, (BEFORE, Level::Ok));
}
