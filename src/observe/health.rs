//! `/healthz`, `/readyz` and `/metrics`.

use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use super::metrics::{MEDIA_TYPE, Metrics};

/// What is asked for readiness: what is amiss all the same, each on a line, or the reason why not. It may block.
pub type Ready = Arc<dyn Fn() -> Result<Vec<String>, String> + Send + Sync>;

/// The three pages.
pub fn router(ready: Ready, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state(ready))
        .route("/metrics", get(scrape).with_state(metrics))
}

/// Listens on `host:port`, or on every address where there is no host (`:9870`).
pub async fn listen(address: &str) -> io::Result<TcpListener> {
    let Some(port) = address.strip_prefix(':') else { return TcpListener::bind(address).await };
    let port = port.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the port is no number"))?;
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).await {
        // A machine without IPv6.
        Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(("0.0.0.0", port)).await,
        both => both,
    }
}

/// Serves until `stop`, then lets the answers under way end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

async fn readyz(State(ready): State<Ready>) -> Response {
    match spawn_blocking(move || ready()).await {
        Ok(Ok(amiss)) => {
            ["ok".to_owned()].into_iter().chain(amiss).map(|line| line + "\n").collect::<String>().into_response()
        }
        Ok(Err(reason)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn scrape(State(metrics): State<Arc<Metrics>>) -> Response {
    match spawn_blocking(move || metrics.text()).await {
        Ok(Ok(text)) => ([(CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use tokio::sync::oneshot;

    use super::*;
    use crate::observe::metrics::Snapshot;

    async fn get(address: SocketAddr, page: &str) -> String {
        let page = page.to_owned();
        let asked = spawn_blocking(move || {
            let mut stream = TcpStream::connect(address)?;
            write!(stream, "GET {page} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            io::Result::Ok(answer)
        });
        asked.await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn says_whether_it_is_ready_and_stops_when_told() {
        let (tell, ready) = std::sync::mpsc::channel::<Result<Vec<String>, String>>();
        let ready = std::sync::Mutex::new(ready);
        let ready: Ready = Arc::new(move || ready.lock().unwrap().recv().unwrap());
        let metrics = Arc::new(Metrics::new(Arc::new(Snapshot::default)));
        let listener = listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, router(ready, metrics), async { stopped.await.unwrap_or_default() }));

        assert!(get(address, "/healthz").await.starts_with("HTTP/1.0 200"));
        tell.send(Err("no pool can be served".to_owned())).unwrap();
        let answer = get(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.0 503") && answer.ends_with("\r\n\r\nno pool can be served\n"), "{answer}");
        for (amiss, body) in [(vec![], "ok\n"), (vec!["pool 'b': gone".to_owned()], "ok\npool 'b': gone\n")] {
            tell.send(Ok(amiss)).unwrap();
            let answer = get(address, "/readyz").await;
            assert!(answer.starts_with("HTTP/1.0 200") && answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        }
        let answer = get(address, "/metrics").await;
        assert!(answer.contains(MEDIA_TYPE) && answer.ends_with("# EOF\n"), "{answer}");

        stop.send(()).unwrap();
        served.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).is_err());
    }

    #[tokio::test]
    async fn a_port_alone_is_every_address() {
        let listener = listen(":0").await.unwrap();
        assert!(listener.local_addr().unwrap().ip().is_unspecified());
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
        for address in [":x", "", "127.0.0.1"] {
            assert!(listen(address).await.is_err(), "{address}");
        }
        let taken = listen(&format!(":{port}")).await.unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }
}
