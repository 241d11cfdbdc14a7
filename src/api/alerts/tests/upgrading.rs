use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;

use super::super::Pace;
use super::world::{Client, World};
use crate::api::limits::Limits;
use crate::api::tokens::SystemClock;

const UNKNOWN: &str = r#"{"error":"Invalid or missing Bearer token. Format: Authorization: Bearer lightd_<token>"}"#;

fn request(world: &World, path: &str, header: Option<(&'static str, String)>) -> Request {
    let mut request = world.url(path).into_client_request().unwrap();
    if let Some((name, value)) = header {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    request
}

async fn refusal(request: Request) -> (u16, String, String) {
    let Err(Error::Http(answer)) = connect_async(request).await else { panic!("not refused") };
    let challenge = answer.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap()).to_owned();
    (answer.status().as_u16(), challenge, String::from_utf8(answer.body().clone().unwrap_or_default()).unwrap())
}

async fn plain(world: &World, path: &str) -> String {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let asked = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_token_comes_in_three_ways() {
    let world = World::new(&[("db", 1024)]).await;
    let token = world.token.clone();
    Client::connect(request(&world, &format!("/ws/x?token={token}&x=1"), None)).await.unwrap();
    let offered = format!("chat, bearer.{token}");
    // An empty one is none, and hides none.
    for path in ["/ws/x", "/ws/x?token="] {
        Client::connect(request(&world, path, Some(("authorization", format!("bearer {token}"))))).await.unwrap();
        let protocol = ("sec-websocket-protocol", format!("bearer.{token}"));
        connect_async(request(&world, path, Some(protocol))).await.unwrap();
    }
    let (_, answer) = connect_async(request(&world, "/ws/x", Some(("sec-websocket-protocol", offered)))).await.unwrap();
    assert_eq!(answer.headers()["sec-websocket-protocol"], format!("bearer.{token}"));
}

#[tokio::test]
async fn without_a_good_token_there_is_no_upgrade() {
    let world = World::new(&[("db", 1024)]).await;
    let unknown = (401, "Bearer".to_owned(), UNKNOWN.to_owned());
    let wrong = format!("lightd_{}", "0".repeat(32));
    for (path, header) in [
        ("/ws/x".to_owned(), None),
        ("/ws/x?token=".to_owned(), None),
        (format!("/ws/x?token={wrong}"), None),
        (format!("/ws/x?token={wrong}&token={wrong}"), None),
        ("/ws/x".to_owned(), Some(("authorization", format!("Basic {}", world.token)))),
        ("/ws/x".to_owned(), Some(("authorization", world.token.clone()))),
        ("/ws/x".to_owned(), Some(("sec-websocket-protocol", format!("bearer.{wrong}")))),
    ] {
        assert_eq!(refusal(request(&world, &path, header)).await, unknown, "{path}");
    }
    let (issued, expires) = world.keeper().issue(Duration::from_secs(1), false).unwrap();
    let rest = Duration::try_from(expires - OffsetDateTime::now_utc()).unwrap();
    tokio::time::sleep(rest + Duration::from_millis(100)).await;
    let expired = (401, "Bearer".to_owned(), r#"{"error":"Token expired"}"#.to_owned());
    assert_eq!(refusal(request(&world, &format!("/ws/x?token={}", issued.as_str()), None)).await, expired);
    assert_eq!(world.alerts.press.clients(), 0);
}

#[tokio::test]
async fn opening_sockets_counts_against_the_rate_of_their_token() {
    let world = World::at(&[("db", 1024)], Pace::default(), Limits::new(1, 2), Arc::new(SystemClock)).await;
    let open = async |token: &str| {
        let path = format!("/ws/x?token={token}");
        connect_async(request(&world, &path, None)).await
    };
    let (once, _) = world.keeper().issue(Duration::from_secs(60), true).unwrap();
    let kept = (open(&world.token).await.unwrap(), open(&world.token).await.unwrap());
    let Err(Error::Http(refused)) = open(&world.token).await else { panic!("not refused") };
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    open(once.as_str()).await.expect("another token has a rate of its own");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    open(&world.token).await.unwrap();
    drop(kept);
}

#[tokio::test]
async fn a_single_use_is_one_socket_and_no_plain_request() {
    let world = World::new(&[("db", 1024)]).await;
    let (issued, _) = world.keeper().issue(Duration::from_secs(60), true).unwrap();
    let path = format!("/ws/x?token={}", issued.as_str());
    let answer = plain(&world, &path).await;
    assert!(answer.starts_with("HTTP/1.1 426 ") && answer.contains(r#"{"error":"This is a WebSocket: "#), "{answer}");
    assert!(!answer.contains(issued.as_str()));
    let mut client = Client::connect(world.url(&path)).await.unwrap();
    client.until("stats").await;
    assert_eq!(refusal(request(&world, &path, None)).await.0, 401);
    assert!(plain(&world, "/ws/x").await.starts_with("HTTP/1.1 401 "));
}
