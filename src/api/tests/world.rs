use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt;

use super::super::alerts::Press;
use super::super::limits::Limits;
use super::super::tally::Tally;
use super::super::tokens::{Keeper, Settings as Tokens};
use super::super::volumes::{Create, Created, Error, Resized, Volume, Volumes};
use super::super::{Api, Origins, Settings, router};
use crate::model::{Backend, Bytes, Reading, Thresholds, VolumeId};
use crate::monitor::{Gauge, Monitor, Target};

/// The first volume's id.
pub(super) const DATA: &str = "550e8400-e29b-41d4-a716-446655440000";

/// The router, and what a client needs to ask it.
pub(super) struct World {
    pub(super) router: Router,
    pub(super) shelf: Arc<Shelf>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) tally: Arc<Tally>,
    pub(super) token: String,
    _stop: watch::Sender<bool>,
    state: TempDir,
}

/// Volumes that are only a list, each a quarter full.
#[derive(Default)]
pub(super) struct Shelf {
    volumes: Mutex<Vec<Volume>>,
    /// What the next change is answered with.
    pub(super) fails: Mutex<Option<Error>>,
    pub(super) is_pending: Mutex<bool>,
}

struct Quarter(Bytes);

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

pub(super) fn volume(id: &str, name: &str, size: Bytes) -> Volume {
    Volume {
        id: VolumeId::parse(id).unwrap(),
        name: name.into(),
        claim: Some(format!("{name}-claim")),
        namespace: None,
        path: Some(format!("/mnt/{id}").into()),
        created: time::OffsetDateTime::from_unix_timestamp(1_706_400_000).unwrap(),
        size,
        backend: Some(Backend::Loop),
        fs: Some(crate::model::FsKind::Ext4),
    }
}

impl Gauge for Quarter {
    fn read(&self) -> Result<Reading, String> {
        Ok(Reading { size: self.0, available: Bytes::new(self.0.get() / 4 * 3), ..Reading::default() })
    }
}

impl Shelf {
    fn refuse(&self) -> Result<(), Error> {
        self.fails.lock().unwrap().take().map_or(Ok(()), Err)
    }
}

#[async_trait]
impl Volumes for Shelf {
    async fn list(&self) -> Result<Vec<Volume>, Error> {
        Ok(self.volumes.lock().unwrap().clone())
    }

    async fn create(&self, create: Create) -> Result<Created, Error> {
        self.refuse()?;
        assert_ne!(create.name.as_deref(), Some("panic"), "as it was asked for");
        let name = create.name.unwrap_or_else(|| "new".into());
        let volume = volume(&name, &name, create.size.unwrap_or(Bytes::gib(1)));
        let mut volumes = self.volumes.lock().unwrap();
        let is_new = !volumes.contains(&volume);
        if is_new {
            volumes.push(volume.clone());
        }
        Ok(Created { volume, is_new })
    }

    async fn resize(&self, volume: &Volume, size: Bytes) -> Result<Resized, Error> {
        self.refuse()?;
        let mut volumes = self.volumes.lock().unwrap();
        let known = volumes.iter_mut().find(|known| known.id == volume.id).ok_or(Error::NotFound)?;
        let previous = std::mem::replace(&mut known.size, size);
        Ok(Resized { previous, size, is_pending: *self.is_pending.lock().unwrap() })
    }

    async fn delete(&self, volume: &Volume) -> Result<(), Error> {
        self.refuse()?;
        self.volumes.lock().unwrap().retain(|known| known.id != volume.id);
        Ok(())
    }

    fn pending(&self, _: &Volume, _: Bytes) -> bool {
        // It stands for any fault of ours.
        assert!(self.volumes.lock().unwrap().len() < 10, "too many for this test");
        *self.is_pending.lock().unwrap()
    }

    fn targets(&self) -> Result<Vec<Target>, Error> {
        let volumes = self.volumes.lock().unwrap();
        let mounted = volumes.iter().filter(|volume| volume.name != "block");
        let target = |volume: &Volume| Target {
            id: volume.id.clone(),
            gauge: Arc::new(Quarter(volume.size)),
            generation: volume.size.get(),
            warn_percent: None,
        };
        Ok(mounted.map(target).collect())
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Origins::Any, Limits::new(0, 0))
    }

    pub(super) fn with(origins: Origins, limits: Limits) -> Self {
        let shelf = Arc::new(Shelf::default());
        *shelf.volumes.lock().unwrap() =
            vec![volume(DATA, "data", Bytes::mib(2048)), volume("block", "block", Bytes::gib(1))];
        Self::serving(shelf.clone(), shelf, origins, limits)
    }

    /// The router over a pod, or any other place.
    pub(super) fn over(volumes: Arc<dyn Volumes>) -> Self {
        Self::serving(volumes, Arc::default(), Origins::Any, Limits::new(0, 0))
    }

    fn serving(volumes: Arc<dyn Volumes>, shelf: Arc<Shelf>, origins: Origins, limits: Limits) -> Self {
        let state = tempfile::tempdir().unwrap();
        let tokens = Tokens { token_file: None, state_dir: state.path().to_owned(), mode: Tokens::PRIVATE };
        let keeper = Arc::new(Keeper::open(tokens.clone()).unwrap());
        let token = tokens.master().read().unwrap().as_str().to_owned();
        let monitor = Monitor::new(Thresholds::default());
        let press = Press::start(monitor.clone());
        let tally = Arc::<Tally>::default();
        let settings = Settings { origins, ..Settings::default() };
        let api = Api::new(volumes, monitor, keeper.clone(), limits, settings).counted(tally.clone());
        let (stop, stopping) = watch::channel(false);
        let router = router(Arc::new(api), press, stopping);
        Self { router, shelf, keeper, tally, token, _stop: stop, state }
    }

    /// Who shares the tokens.
    pub(super) fn other_process(&self) -> Keeper {
        let state_dir = self.state.path().to_owned();
        Keeper::open(Tokens { token_file: None, state_dir, mode: Tokens::PRIVATE }).unwrap()
    }

    /// A request with everything that a client of Lightd says.
    pub(super) fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        self.bare(method, path).header("authorization", format!("Bearer {}", self.token))
    }

    /// The same without a token.
    pub(super) fn bare(&self, method: &str, path: &str) -> axum::http::request::Builder {
        Request::builder().method(method).uri(path).header("accept", "Application/vnd.pkglatv1+json")
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub(super) async fn ask(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.send(self.request(method, path).body(body.into()).unwrap()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, Body::empty()).await
    }
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        assert_eq!(self.headers["content-type"], "application/json", "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(super) fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status.as_u16(), self.text.as_str()), (status, body));
    }
}
