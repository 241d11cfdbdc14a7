use std::path::{Path, PathBuf};

use tokio::time::timeout;

use super::*;
use crate::config::{Overcommit, PoolConfig, Reserve};
use crate::engine::{Access, CreateRequest, PublishRequest, SizeRange, StageRequest};
use crate::host::fake::Fake;
use crate::k8s::events::SubjectKind;
use crate::model::{Backend, Claim, Content, FsKind, Level, Limits, MountOptions, PodRef, PoolName, VolumeSpec};

const UID: &str = "b7f0a9e2-3c1d-4f5e-8a6b-0123456789ab";

/// A node with one volume of 1 GiB, which a pod uses.
struct Node {
    fake: Fake,
    engine: Arc<Engine>,
    volume: VolumeId,
}

impl Node {
    fn new(content: Content) -> Self {
        let (fake, pool) = (Fake::new(Bytes::gib(100)), PoolName::parse("default").unwrap());
        fake.machine().files.create_dir(Path::new("/pool")).unwrap();
        fake.machine().files.create_dir(Path::new("/kubelet")).unwrap();
        let config = PoolConfig {
            name: pool.clone(),
            path: PathBuf::from("/pool"),
            backend: Backend::Loop,
            require_mount_point: false,
            reserve: Reserve::Share(500),
            overcommit: Overcommit::Unlimited,
            limits: Default::default(),
        };
        let engine = Arc::new(Engine::new(fake.machine(), vec![config]));
        engine.recover();
        let spec = VolumeSpec {
            name: format!("pvc-{UID}"),
            pool,
            size: Bytes::gib(1),
            content,
            sparse: false,
            direct_io: true,
            inodes: None,
            warn_percent: None,
            owner: None,
            claim: Claim { name: Some("data".into()), namespace: Some("shop".into()), volume: None },
        };
        let volume = VolumeId::from_name(&spec.name);
        let accepted = SizeRange { at_least: spec.size, at_most: None };
        engine.create(&CreateRequest { spec, accepted }).unwrap();
        let access = if content == Content::Block { Access::Block } else { Access::Mount(None) };
        let options = MountOptions::default();
        let (staging, target) = (PathBuf::from("/kubelet/staging"), PathBuf::from("/kubelet/target"));
        engine.stage(&volume, &StageRequest { staging: staging.clone(), access, options }).unwrap();
        let pod = Some(PodRef { namespace: "shop".into(), name: "web-0".into(), uid: "uid-of-web-0".into() });
        let publish = PublishRequest { staging, target, access, read_only: false, exclusive: false, pod };
        engine.publish(&volume, &publish).unwrap();
        Self { fake, engine, volume }
    }

    fn watchman(&self, thresholds: Thresholds) -> (Watchman, mpsc::Receiver<crate::k8s::events::Posting>) {
        let (events, heard) = Events::heard();
        (Watchman::telling(&self.engine, thresholds, events), heard)
    }
}

/// So that a volume of 1 GiB is always full.
fn full() -> Thresholds {
    Thresholds::new(Limits { full_below: Bytes::gib(10), ..Limits::default() }).unwrap()
}

/// What is posted in the next minutes: on which kinds of objects, the reason, and the note.
async fn heard(
    heard: &mut mpsc::Receiver<crate::k8s::events::Posting>,
    wait: Duration,
) -> Vec<(SubjectKind, &'static str, String)> {
    let mut found = Vec::new();
    while let Ok(Some(posting)) = timeout(wait, heard.recv()).await {
        assert!(["uid-of-web-0", UID].contains(&posting.subject.uid.as_str()), "{:?}", posting.subject);
        found.push((posting.subject.kind, posting.notice.reason, posting.notice.note));
    }
    found
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_a_volume_is_told_on_its_claim_and_its_pods() {
    let node = Node::new(Content::Filesystem(FsKind::Xfs));
    let (watchman, mut posted) = node.watchman(full());
    let (refused, source) = (watchman.refused(), watchman.source());
    let (recovered, is_recovered) = watch::channel(false);
    let watching = tokio::spawn(watchman.watch(is_recovered));
    let minute = Duration::from_secs(60);
    assert_eq!(heard(&mut posted, minute).await, [], "volumes are being recovered");

    recovered.send(true).unwrap();
    let note = "System out of storage (claim data): 0.1 % of 1Gi used, 1023Mi left".to_owned();
    let on_both = |reason, note: String| [(SubjectKind::Claim, reason, note.clone()), (SubjectKind::Pod, reason, note)];
    assert_eq!(heard(&mut posted, minute).await, on_both("VolumeOutOfStorage", note));
    let numbers = source();
    assert_eq!((numbers.volumes.len(), numbers.volumes[0].level), (1, Level::Full));

    refused(&node.volume, Bytes::gib(4096), "4Ti asked for, 94Gi available");
    let note = "The volume does not grow (claim data): 4Ti asked for, 94Gi available".to_owned();
    assert_eq!(heard(&mut posted, minute).await, on_both("ExpansionRefused", note));

    let image = Path::new("/pool/volumes").join(node.volume.as_str()).join("image");
    let files = node.fake.machine().files;
    files.set_len(&image, Bytes::mib(500)).unwrap();
    files.set_len(&image, Bytes::gib(1)).unwrap();
    node.fake.set_capacity_of_disk(Bytes::mib(600));
    node.engine.tend();
    let told = heard(&mut posted, minute).await;
    assert_eq!(told.iter().map(|(_, reason, _)| *reason).collect::<Vec<_>>(), ["ReservationBroken"; 2], "{told:?}");
    node.fake.set_capacity_of_disk(Bytes::gib(100));
    node.engine.tend();
    assert_eq!(node.engine.broken_reservations(), []);
    watching.abort();
}

#[tokio::test(start_paused = true)]
async fn a_block_device_has_no_level() {
    let node = Node::new(Content::Block);
    let (watchman, mut posted) = node.watchman(full());
    let (_recovered, is_recovered) = watch::channel(true);
    let watching = tokio::spawn(watchman.watch(is_recovered));
    assert_eq!(heard(&mut posted, Duration::from_secs(60)).await, []);
    watching.abort();
}

#[tokio::test]
async fn a_pool_that_does_not_answer_keeps_nobody_else_waiting() {
    let node = Node::new(Content::Block);
    let (mut watchman, _posted) = node.watchman(full());
    let (release, released) = std::sync::mpsc::channel::<()>();
    let fake = node.fake.clone();
    let (tell, told) = std::sync::mpsc::channel();
    let stalled = std::thread::spawn(move || {
        fake.stalled(|| {
            tell.send(()).unwrap();
            released.recv_timeout(Duration::from_secs(20)).is_ok()
        })
    });
    told.recv().unwrap();
    let engine = node.engine.clone();
    std::thread::spawn(move || engine.pools());
    let is_locked = || {
        let (engine, (tell, told)) = (node.engine.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || tell.send(engine.broken_reservations()));
        told.recv_timeout(Duration::from_millis(20)).is_err()
    };
    while !is_locked() {}

    tokio::time::pause();
    let looking = tokio::spawn(async move { watchman.look_at_reservations().await });
    while !looking.is_finished() && !stalled.is_finished() {
        tokio::task::yield_now().await;
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let _ = release.send(());
    assert!(stalled.join().unwrap(), "it waited until the pool answered");
}
