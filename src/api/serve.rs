//! Connections: how many, how long their headers may take, and how they end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

/// How long the headers of a request may take to come.
const HEADERS: Duration = Duration::from_secs(10);

/// The longest headers, all together; a request that waits on its connection is read no further than that.
const LONGEST_HEADERS: usize = 16 << 10;

/// How many connections at a time; whoever comes then waits. A socket each, and some kilobytes.
const CONNECTIONS: usize = 16_384;

/// How long requests under way may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where accepting fails (out of descriptors), the next attempt waits so long.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves on every listener until `stop`, then lets the answers under way end.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, stop: impl Future<Output = ()>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    tokio::pin!(stop);
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { break };
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listeners) => accepted,
        };
        match accepted {
            Ok((stream, peer)) => talk(&graceful, &router, stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listeners);
    if timeout(PATIENCE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests are still under way: they are cut");
    }
}

fn talk(
    graceful: &GracefulShutdown,
    router: &Router,
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
) {
    // Frames are small, and shall go at once.
    let _ = stream.set_nodelay(true);
    let service = router.clone().map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request
    });
    let mut builder = auto::Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(LONGEST_HEADERS);
    let connection =
        builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // An error is the peer's: it went away, or it spoke no HTTP.
        let _ = connection.await;
        drop(permit);
    });
}

/// The next connection on any of them.
async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    let waiting = listeners.iter().map(|listener| Box::pin(listener.accept()));
    futures_util::future::select_all(waiting).await.0
}
