//! Connections: how many, how long their headers may take, and how they end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

/// How long the headers of a request may take to come.
const HEADERS: Duration = Duration::from_secs(10);

/// The longest headers, all together; a request that waits on its connection is read no further than that.
const LONGEST_HEADERS: usize = 16 << 10;

/// How many connections at a time, WebSockets among them; whoever comes then waits. A socket each, and some kilobytes.
const CONNECTIONS: u32 = 16_384;

/// How long requests under way may take to end: less than the process has for all that it does.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a peer may read nothing of what is written to it.
const UNREAD: Duration = Duration::from_secs(30);

/// Where accepting fails (out of descriptors), the next attempt waits so long.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection that counts as long as anybody holds it: a WebSocket goes on when HTTP is over.
#[derive(Clone, Debug)]
pub struct Connection(#[expect(dead_code, reason = "held, not used")] Arc<OwnedSemaphorePermit>);

/// The address of ours at which a connection came in.
#[derive(Clone, Copy, Debug)]
pub struct Local(pub SocketAddr);

/// Serves on every listener until `stop`, then lets the answers under way end.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, stop: impl Future<Output = ()>) {
    let (closing, closes) = watch::channel(false);
    let room = Arc::new(Semaphore::new(CONNECTIONS as usize));
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = next(&listeners, &room) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => talk(&router, stream, peer, Connection(Arc::new(permit)), closes.clone()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listeners);
    let _ = closing.send(true);
    // WebSockets say goodbye by themselves: they are over when every connection has been given back.
    if timeout(PATIENCE, room.acquire_many(CONNECTIONS)).await.is_err() {
        tracing::warn!("requests are still under way: they are cut");
    }
}

fn talk(
    router: &Router,
    stream: TcpStream,
    peer: SocketAddr,
    connection: Connection,
    mut closes: watch::Receiver<bool>,
) {
    // Frames are small, and shall go at once.
    let _ = stream.set_nodelay(true);
    let (held, local) = (connection.clone(), stream.local_addr().ok().map(Local));
    let service = router.clone().map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(held.clone());
        local.map(|local| request.extensions_mut().insert(local));
        request
    });
    // Not hyper-util's builder for all versions: it would wait for the first byte for ever, and speak HTTP/2 too.
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(LONGEST_HEADERS);
    let mut stream = Box::pin(TimeoutStream::new(stream));
    stream.as_mut().set_write_timeout_pinned(Some(UNREAD));
    let served = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).with_upgrades();
    tokio::spawn(async move {
        let mut served = std::pin::pin!(served);
        // An error is the peer's: it went away, or it spoke no HTTP.
        let is_over = tokio::select! {
            _ = served.as_mut() => true,
            _ = closes.wait_for(|closes| *closes) => false,
        };
        if !is_over {
            served.as_mut().graceful_shutdown();
            let _ = served.await;
        }
        drop(connection);
    });
}

/// The next connection, when there is room for one.
async fn next(
    listeners: &[TcpListener],
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = room.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = accept(listeners).await?;
    Ok((stream, peer, permit))
}

/// The next connection on any of them; none for ever where there is no door.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    if listeners.is_empty() {
        return std::future::pending().await;
    }
    let waiting = listeners.iter().map(|listener| Box::pin(listener.accept()));
    futures_util::future::select_all(waiting).await.0
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::Extension;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_server_without_a_door_stops_when_it_is_told() {
        timeout(PATIENCE, serve(Vec::new(), Router::new(), sleep(PAUSE))).await.expect("it goes on");
    }

    #[tokio::test]
    async fn what_goes_on_after_its_request_is_waited_for() {
        let over = Arc::new(AtomicBool::new(false));
        let done = over.clone();
        let begin = async move |Extension(connection): Extension<Connection>| {
            tokio::spawn(async move {
                let _connection = connection;
                sleep(PAUSE * 6).await;
                done.store(true, Ordering::SeqCst);
            });
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let router = Router::new().route("/", get(begin));
        let served = tokio::spawn(serve(vec![listener], router, async { stopped.await.unwrap_or_default() }));
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(!over.load(Ordering::SeqCst));
        stop.send(()).unwrap();
        served.await.unwrap();
        assert!(over.load(Ordering::SeqCst), "it was cut");
    }
}
