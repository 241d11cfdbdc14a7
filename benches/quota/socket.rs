//! Clients of the alert WebSocket.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::Result;
use crate::server::TOKEN;

/// A socket, its frames read on a thread of its own; it ends with this.
pub(crate) struct Listener {
    frames: mpsc::Receiver<Heard>,
    _runtime: tokio::runtime::Runtime,
}

/// A frame, and when it came.
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) frame: Value,
}

impl Listener {
    pub(crate) fn open(server: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (sender, frames) = mpsc::channel();
        let mut stream = runtime.block_on(connect(server, Ipv4Addr::LOCALHOST))?;
        runtime.spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let at = Instant::now();
                let Message::Text(text) = message else { continue };
                let frame = serde_json::from_str(&text).unwrap_or_default();
                if sender.send(Heard { at, frame }).is_err() {
                    return;
                }
            }
        });
        Ok(Self { frames, _runtime: runtime })
    }

    /// The next frame, within that time.
    pub(crate) fn next(&self, patience: Duration) -> Option<Heard> {
        self.frames.recv_timeout(patience).ok()
    }
}

impl Heard {
    /// Whether it is the alert.
    pub(crate) fn is_alert(&self) -> bool {
        self.frame["event"] == "daemon_message"
    }

    /// Whether it says that the volume is full no more.
    pub(crate) fn is_over(&self) -> bool {
        self.frame["event"] == "storage" && self.frame["data"]["previous"] == "full"
    }

    pub(crate) fn is_of(&self, volume: &str) -> bool {
        self.frame["volume_id"] == volume
    }
}

/// A socket from that address of this host; with buffers of the size of what comes.
pub(crate) async fn connect(server: SocketAddr, from: Ipv4Addr) -> Result<WebSocketStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(server).await?;
    stream.set_nodelay(true)?;
    let config = WebSocketConfig::default().read_buffer_size(1 << 10).write_buffer_size(0);
    let address = format!("ws://{server}/ws/bench?token={TOKEN}");
    Ok(client_async_with_config(address, stream, Some(config)).await?.0)
}
