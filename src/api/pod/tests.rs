mod claimed;
mod handed;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use super::*;
use crate::host::linux;
use crate::k8s::{self, Claim};

/// A cluster that answers what it was told to.
struct Told {
    growth: Growth,
    /// The claim, where it may be read.
    claim: Mutex<Option<Claim>>,
    /// The API server does not answer who reads it.
    is_silent: AtomicBool,
    /// What it was asked.
    asked: Mutex<Vec<String>>,
    delay: Duration,
}

#[async_trait]
impl Claims for Told {
    fn namespace(&self) -> Option<String> {
        Some("shop".to_owned())
    }

    async fn read(&self, name: &str) -> k8s::Result<Claim> {
        self.asked.lock().unwrap().push(format!("read {name}"));
        if self.is_silent.load(Ordering::Relaxed) {
            return Err(k8s::Error::Slow(Duration::from_secs(2)));
        }
        self.claim.lock().unwrap().clone().ok_or_else(|| k8s::Error::NotFound(name.to_owned()))
    }

    async fn grow(&self, name: &str, size: Bytes, _wait: Duration) -> Growth {
        tokio::time::sleep(self.delay).await;
        self.asked.lock().unwrap().push(format!("grow {name} to {size}"));
        self.growth.clone()
    }

    async fn create(&self, new: &NewClaim) -> k8s::Result<Claim> {
        self.asked.lock().unwrap().push(format!("create {} of {}", new.size, new.class));
        match new.class.as_str() {
            "forbidden" => Err(k8s::Error::Forbidden("no".to_owned())),
            _ => Ok(Claim::bare("app-0-x7k2p", new.size, Bytes::ZERO)),
        }
    }
}

/// Mount points that every machine has stand for volumes; their sizes are told.
const VOLUMES: &str = "data=/proc,pvc=my-claim,size=2Gi;logs=/,size=1Gi";

fn pod_of(volumes: &str, growth: Growth, provision: Option<&str>) -> (Arc<Pod>, Arc<Told>) {
    let told = told(growth, Duration::ZERO);
    (pod_over(volumes, told.clone(), provision), told)
}

fn told(growth: Growth, delay: Duration) -> Arc<Told> {
    Arc::new(Told { growth, claim: Mutex::default(), is_silent: AtomicBool::default(), asked: Mutex::default(), delay })
}

fn pod_over(volumes: &str, told: Arc<Told>, provision: Option<&str>) -> Arc<Pod> {
    pod_on(&linux::machine(), volumes, told, provision)
}

fn pod_on(machine: &Machine, volumes: &str, told: Arc<Told>, provision: Option<&str>) -> Arc<Pod> {
    let settings = Settings {
        volumes: parse_volumes_of(volumes).unwrap(),
        provision: provision.map(str::to_owned),
        prefix: "app-0".to_owned(),
        resize_wait: Duration::from_secs(20),
    };
    Arc::new(Pod::new(settings, machine, told))
}

async fn volume(pod: &Pod, name: &str) -> Volume {
    pod.list().await.unwrap().into_iter().find(|volume| volume.name == name).unwrap()
}

fn of(size: Bytes) -> Create {
    Create { size: Some(size), ..Create::default() }
}

#[tokio::test]
async fn lists_what_was_named() {
    let (pod, told) = pod_of(VOLUMES, Growth::NotFound, None);
    let data = volume(&pod, "data").await;
    assert_eq!((data.id.as_str(), data.size, data.path), ("data", Bytes::gib(2), Some(PathBuf::from("/proc"))));
    assert_eq!((data.claim.as_deref(), data.namespace.as_deref()), (Some("my-claim"), Some("shop")));
    let logs = volume(&pod, "logs").await;
    assert_eq!((logs.size, logs.claim, logs.namespace), (Bytes::gib(1), None, None));
    assert_eq!(pod.targets().unwrap().len(), 2);
    assert!(told.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_resize_is_answered_as_the_cluster_did() {
    let (asked, text) = (Bytes::gib(4), || "because".to_owned());
    let resized = |is_pending| Ok(Resized { previous: Bytes::gib(2), size: asked, is_pending });
    let cases = [
        (Growth::Completed(asked), resized(false)),
        (Growth::Pending(text()), resized(true)),
        (Growth::Forbidden(text()), Err(Error::Forbidden(text()))),
        (Growth::NoRoom(text()), Err(Error::NoRoom { reason: Some(text()) })),
        (Growth::Failed(text()), Err(Error::Failed("growing claim my-claim: because".to_owned()))),
    ];
    for (growth, expected) in cases {
        let (pod, _) = pod_of(VOLUMES, growth, None);
        let data = volume(&pod, "data").await;
        assert_eq!(pod.resize(&data, asked).await, expected);
    }
    let (pod, _) = pod_of(VOLUMES, Growth::NotFound, None);
    let said = pod.resize(&volume(&pod, "data").await, asked).await.unwrap_err();
    assert!(matches!(&said, Error::Refused { code: Some("claim_not_found"), .. }), "{said}");
}

#[tokio::test]
async fn what_no_claim_can_do_is_refused_before_the_cluster_is_asked() {
    let (pod, told) = pod_of("data=/proc,pvc=c,size=2147487744;logs=/,size=1Gi", Growth::NotFound, None);
    let (data, logs) = (volume(&pod, "data").await, volume(&pod, "logs").await);
    let smaller = pod.resize(&data, Bytes::gib(1)).await.unwrap_err();
    assert!(matches!(smaller, Error::Refused { code: Some("shrink_not_supported"), .. }));
    // 2 GiB and a block is 2048 MB to a client: equal.
    let equal = pod.resize(&data, Bytes::gib(2)).await.unwrap();
    assert_eq!((equal.previous, equal.is_pending), (data.size, false));
    let unknown = pod.resize(&logs, Bytes::gib(2)).await.unwrap_err();
    assert!(matches!(&unknown, Error::Forbidden(reason) if reason.contains("--volume logs=/,pvc=CLAIM")), "{unknown}");
    let delete = pod.delete(&data).await.unwrap_err();
    assert!(matches!(&delete, Error::Refused { reason, .. } if reason.contains("delete pvc c -n shop")), "{delete}");
    let stranger = Volume { id: crate::model::VolumeId::from_name("other"), ..data };
    assert_eq!(pod.resize(&stranger, Bytes::gib(9)).await, Err(Error::NotFound));
    assert_eq!(pod.delete(&stranger).await, Err(Error::NotFound));
    let named = Create { name: Some("x".to_owned()), ..Create::default() };
    assert!(matches!(pod.create(named).await, Err(Error::Invalid(_))));
    assert!(told.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_growth_on_its_way_is_pending_and_a_refused_one_is_not() {
    for (growth, expected) in [
        (Growth::Pending(String::new()), true),
        (Growth::Completed(Bytes::gib(4)), false),
        (Growth::NoRoom(String::new()), false),
    ] {
        let (pod, _) = pod_of(VOLUMES, growth, None);
        let data = volume(&pod, "data").await;
        pod.resize(&data, Bytes::gib(4)).await.ok();
        let size = volume(&pod, "data").await.size;
        assert_eq!(pod.pending(&data, size), expected);
    }
}

#[tokio::test]
async fn the_api_server_is_not_asked_at_every_look() {
    let (pod, told) = pod_of(VOLUMES, Growth::NotFound, None);
    let (data, logs) = (volume(&pod, "data").await, volume(&pod, "logs").await);
    for _ in 0..100 {
        assert!(!pod.pending(&data, data.size) && !pod.pending(&logs, logs.size));
        tokio::task::yield_now().await;
    }
    assert_eq!(*told.asked.lock().unwrap(), ["read my-claim"]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_does_not_stop_a_growth() {
    let told = told(Growth::NotFound, Duration::from_secs(10));
    let pod = pod_over(VOLUMES, told.clone(), None);
    let data = volume(&pod, "data").await;
    let asking = tokio::time::timeout(Duration::from_secs(1), pod.resize(&data, Bytes::gib(4)));
    assert!(asking.await.is_err());
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(*told.asked.lock().unwrap(), ["grow my-claim to 4Gi"]);
}

#[tokio::test]
async fn with_a_class_a_new_claim_is_made() {
    let (pod, told) = pod_of(VOLUMES, Growth::Completed(Bytes::gib(4)), Some("ullage"));
    let created = pod.create(of(Bytes::gib(2))).await.unwrap();
    assert_eq!((created.volume.path.clone(), created.volume.size, created.is_new), (None, Bytes::gib(2), true));
    let listed = volume(&pod, "app-0-x7k2p").await;
    assert_eq!((&listed, listed.claim.as_deref()), (&created.volume, Some("app-0-x7k2p")));
    assert!(!pod.pending(&listed, listed.size));
    pod.resize(&listed, Bytes::gib(4)).await.unwrap();
    assert_eq!(volume(&pod, "app-0-x7k2p").await.size, Bytes::gib(4));
    assert_eq!(pod.targets().unwrap().len(), 2); // what is mounted nowhere is not measured
    assert_eq!(told.asked.lock().unwrap()[0], "create 2Gi of ullage");

    let (pod, told) = pod_of(VOLUMES, Growth::NotFound, Some("forbidden"));
    assert_eq!(pod.create(Create::default()).await.unwrap_err(), Error::Forbidden("no".to_owned()));
    assert_eq!(*told.asked.lock().unwrap(), ["create 1Gi of forbidden"]);
}
