use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::routing::any;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::super::{Alerts, Pace, Press, Resolve, upgrade};
use crate::api::Gate;
use crate::api::limits::Limits;
use crate::api::tokens::{Clock, Keeper, Settings, SystemClock, Token};
use crate::model::{Bytes, Reading, Thresholds, VolumeId};
use crate::monitor::{Gauge, Monitor, Target};

/// A server, and the volumes it watches: each of 2 GiB.
pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) alerts: Alerts,
    pub(super) stop: watch::Sender<bool>,
    pub(super) token: String,
    settings: Settings,
    tanks: BTreeMap<VolumeId, Arc<Tank>>,
    _state: TempDir,
}

/// A volume that is as full as a test says.
struct Tank(Mutex<Reading>);

struct Names(Vec<VolumeId>);

pub(super) struct Client(WebSocketStream<TcpStream>);

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(30);

impl Gauge for Tank {
    fn read(&self) -> Result<Reading, String> {
        Ok(*self.0.lock().unwrap())
    }
}

#[async_trait]
impl Resolve for Names {
    async fn volumes(&self, names: &[String]) -> Vec<Option<VolumeId>> {
        names.iter().map(|name| self.0.iter().find(|volume| volume.as_str() == name).cloned()).collect()
    }

    async fn only(&self, internal_id: &str) -> Option<VolumeId> {
        self.0.iter().find(|volume| volume.as_str() == internal_id).cloned()
    }
}

pub(super) fn id(volume: &str) -> VolumeId {
    VolumeId::from_name(volume)
}

fn reading(available: u64) -> Reading {
    Reading { size: Bytes::mib(2048), available: Bytes::mib(available), ..Reading::default() }
}

async fn watch(monitor: &Monitor, id: VolumeId, gauge: Arc<Tank>) {
    monitor.add(Target { id: id.clone(), gauge, generation: 0, warn_percent: None });
    monitor.measure(&id).await;
}

impl World {
    pub(super) async fn new(volumes: &[(&str, u64)]) -> Self {
        Self::with(volumes, Pace::default()).await
    }

    pub(super) async fn with(volumes: &[(&str, u64)], pace: Pace) -> Self {
        Self::at(volumes, pace, Limits::new(0, 0), Arc::new(SystemClock)).await
    }

    /// One whose kernel takes little of what is written.
    pub(super) async fn narrow(volumes: &[(&str, u64)]) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(4096).unwrap();
        Self::over(socket, volumes, Pace::default(), Limits::new(0, 0), Arc::new(SystemClock)).await
    }

    pub(super) async fn at(volumes: &[(&str, u64)], pace: Pace, limits: Limits, clock: Arc<dyn Clock>) -> Self {
        Self::over(TcpSocket::new_v4().unwrap(), volumes, pace, limits, clock).await
    }

    async fn over(
        socket: TcpSocket,
        volumes: &[(&str, u64)],
        pace: Pace,
        limits: Limits,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let state = tempfile::tempdir().unwrap();
        let settings = Settings { token_file: None, state_dir: state.path().to_owned(), mode: Settings::PRIVATE };
        let keeper = Arc::new(Keeper::open_with(settings.clone(), clock).unwrap());
        let token = settings.master().read().unwrap().as_str().to_owned();
        let monitor = Monitor::new(Thresholds::default());
        let press = Press::start(monitor.clone());
        let tank = |(volume, available): &(&str, u64)| (id(volume), Arc::new(Tank(Mutex::new(reading(*available)))));
        let tanks: BTreeMap<_, _> = volumes.iter().map(tank).collect();
        for (id, gauge) in tanks.clone() {
            watch(&monitor, id, gauge).await;
        }
        let (stop, stopping) = watch::channel(false);
        let resolve = Arc::new(Names(tanks.keys().cloned().collect()));
        let gate = Arc::new(Gate::new(keeper, limits));
        let alerts = Alerts { monitor, press, gate, resolve, stopping, pace };
        let router = Router::new().route("/ws/{internal_id}", any(upgrade)).with_state(alerts.clone());
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1024).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let world = Self { address, alerts, stop, token, settings, tanks, _state: state };
        world.settle().await;
        world
    }

    /// Another volume is there from now on.
    pub(super) async fn make(&self, volume: &str, available: u64) {
        watch(&self.alerts.monitor, id(volume), Arc::new(Tank(Mutex::new(reading(available))))).await;
    }

    /// Leaves a volume so many MiB.
    pub(super) async fn leave(&self, volume: &str, available: u64) {
        *self.tanks[&id(volume)].0.lock().unwrap() = reading(available);
        self.alerts.monitor.measure(&id(volume)).await;
    }

    /// The same, and nobody looks before its time.
    pub(super) fn leave_unseen(&self, volume: &str, available: u64) {
        *self.tanks[&id(volume)].0.lock().unwrap() = reading(available);
    }

    /// Until everything is printed that has happened.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// Another master token.
    pub(super) fn replace_token(&self) {
        self.settings.master().replace(&Token::generate().unwrap()).unwrap();
        self.keeper().refresh();
    }

    pub(super) fn keeper(&self) -> &Keeper {
        self.alerts.gate.keeper()
    }

    /// Somebody removes the file of the issued tokens.
    pub(super) fn revoke(&self) {
        std::fs::remove_file(self.settings.state_dir.join("tokens.yaml")).unwrap();
        self.keeper().refresh();
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// A client with the master token.
    pub(super) async fn client(&self, internal_id: &str) -> Client {
        self.client_with(internal_id, &self.token).await
    }

    pub(super) async fn client_with(&self, internal_id: &str, token: &str) -> Client {
        Client::connect(self.url(&format!("/ws/{internal_id}?token={token}"))).await.unwrap()
    }

    /// Waits until so many sockets are open.
    pub(super) async fn clients(&self, expected: u64) {
        let there = async {
            while self.alerts.press.clients() != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LONG, there).await.expect("the number of sockets is another");
    }

    pub(super) fn closes(&self, code: u16) -> u64 {
        self.alerts.press.counters().closes().into_iter().find(|(known, _)| *known == code).unwrap().1
    }
}

impl Client {
    pub(super) async fn connect(request: impl IntoClientRequest) -> Result<Self, Error> {
        let request = request.into_client_request()?;
        let address: SocketAddr = request.uri().authority().unwrap().as_str().parse().unwrap();
        // Small buffers, so that it is soon noticed when nobody reads.
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4096)?;
        Ok(Self(client_async(request, socket.connect(address).await?).await?.0))
    }

    pub(super) async fn say(&mut self, frame: impl Into<Message>) {
        self.0.send(frame.into()).await.unwrap();
    }

    /// The next frame; the code with which it closed.
    pub(super) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(LONG, self.0.next()).await.expect("nothing came") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(closed))) => return Err(closed.map_or(1005, |closed| closed.code.into())),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                None | Some(Err(_)) => return Err(1006),
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) async fn frame(&mut self) -> Value {
        self.next().await.expect("it closed")
    }

    /// The next frame of that event; those before it are of no interest.
    pub(super) async fn until(&mut self, event: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["event"] == event {
                return frame;
            }
        }
    }

    /// What comes within a while, in short.
    pub(super) async fn hear(&mut self, milliseconds: u64) -> Vec<String> {
        let until = tokio::time::Instant::now() + Duration::from_millis(milliseconds);
        let mut heard = Vec::new();
        while let Ok(next) = tokio::time::timeout_at(until, self.next()).await {
            heard.push(short(&next.expect("it closed")));
        }
        heard
    }

    /// Everything up to the end, in short, and the code of the end.
    pub(super) async fn rest(&mut self) -> (Vec<String>, u16) {
        let mut heard = Vec::new();
        loop {
            match self.next().await {
                Ok(frame) => heard.push(short(&frame)),
                Err(code) => return (heard, code),
            }
        }
    }
}

/// `stats db`, `daemon_message db`, `storage db full`.
fn short(frame: &Value) -> String {
    assert!(frame["ts"].as_str().unwrap().ends_with('Z'));
    let words = [&frame["event"], &frame["volume_id"], &frame["data"]["state"]];
    words.into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}
