//! The quota API: HTTP, tokens and the alert WebSocket, over the volumes of a machine or of a pod.

pub mod alerts;
mod answer;
mod body;
mod catalog;
mod cors;
mod gate;
mod guard;
pub mod limits;
pub mod machine;
mod page;
pub mod pod;
mod routes;
pub mod serve;
pub mod tally;
pub mod tokens;
pub mod volumes;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{any, get};
use tokio::sync::watch;

use crate::model::VolumeId;
use crate::monitor::{Follower, Monitor, Status};
use alerts::{Alerts, Pace, Press};
use answer::Problem;
use catalog::Catalog;
use cors::Browsers;
pub use cors::Origins;
pub use gate::Gate;
use guard::Guard;
use limits::Limits;
use tally::{Counting, Tally};
use tokens::Keeper;
use volumes::Volumes;

/// Everything that a request may need.
pub struct Api {
    volumes: Arc<dyn Volumes>,
    catalog: Arc<Catalog>,
    follower: Follower,
    monitor: Monitor,
    keeper: Arc<Keeper>,
    gate: Arc<Gate>,
    settings: Settings,
    tally: Arc<Tally>,
}

/// What is the same for every request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Who may ask from a browser.
    pub origins: Origins,
    /// Whether there is a page for people at `/`.
    pub page: bool,
    /// What this place is called itself: never one of its volumes.
    pub own_names: Vec<String>,
}

/// What `/openapi.json` is. Made when somebody asks for it: few do, and what it takes in memory is much for a pod.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let document = routes::document().to_json().expect("a document of texts and numbers");
    document.into()
});

impl Api {
    /// The API over some volumes, measured by `monitor`.
    pub fn new(
        volumes: Arc<dyn Volumes>,
        monitor: Monitor,
        keeper: Arc<Keeper>,
        limits: Limits,
        settings: Settings,
    ) -> Self {
        let catalog = Arc::new(Catalog::new(volumes.clone(), settings.own_names.clone()));
        let gate = Arc::new(Gate::new(keeper.clone(), limits));
        let measured = volumes.clone();
        let targets = Arc::new(move || measured.targets().map_err(|error| error.to_string()));
        let follower = Follower::new(targets, monitor.clone());
        Self { catalog, follower, volumes, monitor, keeper, gate, settings, tally: Arc::default() }
    }

    /// The same, counted there.
    pub fn counted(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// Makes the monitor watch what is mounted, whoever mounts it, for ever.
    pub async fn follow(self: Arc<Self>) {
        self.follower.follow().await;
    }

    /// Work that makes, resizes or deletes volumes, with what follows from it: to the end, also where the client hangs up.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = Result<T, volumes::Error>> + Send + 'static,
    ) -> Result<T, volumes::Error> {
        let api = self.clone();
        let changed = tokio::spawn(async move {
            let done = work.await;
            api.changed().await;
            done
        });
        changed.await.unwrap_or_else(|error| Err(volumes::Error::Failed(error.to_string())))
    }

    /// Volumes were made, resized or deleted here.
    async fn changed(&self) {
        self.catalog.forget();
        self.follower.look().await;
    }

    /// A volume's numbers, no older than that.
    async fn measured(&self, id: &VolumeId, age: Duration) -> Option<Arc<Status>> {
        match self.monitor.status(id) {
            Some(status) if status.reading.is_some() && !status.hung && status.started.elapsed() < age => Some(status),
            Some(_) => self.monitor.measure(id).await,
            None => {
                // It may have been mounted a moment ago.
                self.follower.look().await;
                self.monitor.measure(id).await
            }
        }
    }
}

/// The whole of it, with the sockets of `press`, which close when it is time to stop. Served by [`serve::serve`], which says
/// who asks.
pub fn router(api: Arc<Api>, press: Press, stopping: watch::Receiver<bool>) -> Router {
    let alerts = Alerts {
        monitor: api.monitor.clone(),
        press,
        gate: api.gate.clone(),
        resolve: api.catalog.clone(),
        stopping,
        pace: Pace::default(),
    };
    let browsers = Browsers::of(&api.settings.origins);
    let page = if api.settings.page { page::routes() } else { Router::new() };
    routes::routes()
        .merge(page)
        .route("/ws/{internal_id}", any(alerts::upgrade).with_state(alerts))
        .route("/openapi.json", get(async || ([(CONTENT_TYPE, "application/json")], DOCUMENT.clone())))
        .fallback(async || Problem::NoRoute)
        .method_not_allowed_fallback(async || Problem::Method)
        // The first is met first.
        .layer((Counting(api.tally.clone()), browsers, Guard(api.clone()), DefaultBodyLimit::max(body::LONGEST)))
        .with_state(api)
}

#[cfg(test)]
mod tests;
