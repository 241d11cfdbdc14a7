use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::*;

/// Standard output, which takes so many lines.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>, Option<usize>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut paper = self.0.lock().unwrap();
        let lines = paper.iter().filter(|byte| **byte == b'\n').count();
        if self.1.is_some_and(|most| lines >= most) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        paper.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Seen {
    ended: std::result::Result<(), Error>,
    printed: String,
    said: Vec<String>,
}

fn settings() -> (tempfile::TempDir, Settings) {
    let state = tempfile::tempdir().unwrap();
    let settings = Settings { token_file: None, state_dir: state.path().to_owned(), mode: Settings::PRIVATE };
    (state, settings)
}

fn asked(url: String, tokens: Settings, token: Option<&str>) -> Watch {
    Watch { id: None, url, token: token.map(|token| Secret(token.to_owned())), tokens, print: Some(Print::Json) }
}

async fn run(watch: &Watch, lines: usize) -> Seen {
    let (paper, mut said) = (Paper(Arc::default(), Some(lines)), Vec::new());
    let mut printer = Printer { out: paper.clone(), print: Print::Json, colour: false };
    let ended = follow(watch, &mut printer, &mut |text: &str| said.push(text.to_owned())).await;
    let printed = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
    Seen { ended, printed, said }
}

/// The next client, and the token it shows.
async fn accept(listener: &TcpListener) -> (WebSocketStream<TcpStream>, String) {
    let (stream, _) = listener.accept().await.unwrap();
    let mut token = String::new();
    #[expect(clippy::result_large_err, reason = "the handshake's own type")]
    let look = |request: &Request, answer: Response| {
        token = request.headers()["authorization"].to_str().unwrap().to_owned();
        assert_eq!(request.uri(), "/ws/all");
        Ok(answer)
    };
    (accept_hdr_async(stream, look).await.unwrap(), token)
}

async fn close(mut socket: WebSocketStream<TcpStream>, code: u16) {
    socket.close(Some(CloseFrame { code: code.into(), reason: "because".into() })).await.unwrap();
    while let Some(Ok(_)) = socket.next().await {}
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[tokio::test]
async fn a_connection_that_breaks_is_made_again() {
    let ((_state, settings), (listener, url)) = (settings(), listen().await);
    let serves = tokio::spawn(async move {
        let (mut first, token) = accept(&listener).await;
        assert_eq!(token, "Bearer lightd_x");
        first.send(Message::text(r#"{"event":1}"#)).await.unwrap();
        close(first, 1001).await;
        let (mut second, _) = accept(&listener).await;
        for _ in 0..2 {
            // The last is one that nobody reads.
            let _ = second.send(Message::text(r#"{"event":2}"#)).await;
        }
        while let Some(Ok(_)) = second.next().await {}
    });
    let seen = run(&asked(url.clone(), settings, Some("lightd_x")), 2).await;
    seen.ended.unwrap();
    serves.await.unwrap();
    assert_eq!(seen.printed, "{\"event\":1}\n{\"event\":2}\n");
    let connected = format!("connected to {url}");
    assert_eq!(seen.said, [&connected, "the server closed: because (1001); trying again in 0.5 s", &connected]);
}

#[tokio::test]
async fn a_token_that_is_replaced_is_read_again_and_one_that_is_given_is_not() {
    use crate::api::tokens::Token;

    let ((_state, settings), (listener, url)) = (settings(), listen().await);
    let tokens = [Token::generate().unwrap(), Token::generate().unwrap()];
    settings.master().replace(&tokens[0]).unwrap();
    let (file, there) = (settings.clone(), tokens.clone());
    let serves = tokio::spawn(async move {
        let (first, token) = accept(&listener).await;
        assert_eq!(token, format!("Bearer {}", there[0].as_str()));
        file.master().replace(&there[1]).unwrap();
        close(first, 4401).await;
        let (second, token) = accept(&listener).await;
        assert_eq!(token, format!("Bearer {}", there[1].as_str()));
        close(second, 4401).await;
    });
    let seen = run(&asked(url, settings, None), 9).await;
    serves.await.unwrap();
    assert!(matches!(seen.ended, Err(Error::TokenEnded)), "{:?}", seen.ended);
}

#[tokio::test]
async fn what_is_of_no_use_is_said_with_what_to_do() {
    let (_state, settings) = settings();
    let (listener, url) = listen().await;
    drop(listener);
    let said = |seen: Seen| seen.ended.unwrap_err().to_string();
    let nobody = said(run(&asked(url.clone(), settings.clone(), Some("x")), 1).await);
    assert!(nobody.starts_with(&format!("nothing answers at {url}: ")), "{nobody}");
    let none = said(run(&asked(url, settings.clone(), None), 1).await);
    assert!(none.contains("--token-file"), "{none}");
    for url in ["wss://host", "ws://", "unix:///x"] {
        let wrong = said(run(&asked(url.to_owned(), settings.clone(), Some("x")), 1).await);
        assert!(wrong.contains("write ws://host:port"), "{wrong}");
    }
}

#[tokio::test]
async fn a_refused_token_is_an_error_at_once() {
    use tokio::io::AsyncWriteExt;

    let ((_state, settings), (listener, url)) = (settings(), listen().await);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 4096];
        stream.readable().await.unwrap();
        let _ = stream.try_read(&mut asked);
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    });
    let seen = run(&asked(url, settings, Some("lightd_wrong")), 1).await;
    let said = seen.ended.unwrap_err().to_string();
    assert!(said.contains("`ullage token what`") && !said.contains("lightd_wrong"), "{said}");
}

#[test]
fn addresses_are_forgiving() {
    for (url, id, expected) in [
        ("ws://localhost:8070", None, "ws://localhost:8070/ws/all"),
        ("http://[::1]:8070/", Some("db"), "ws://[::1]:8070/ws/db"),
        ("host:1", Some("a/../b?x"), "ws://host:1/ws/a%2F..%2Fb%3Fx"),
    ] {
        assert_eq!(link::address(url, id).unwrap(), expected);
    }
    assert_eq!(format!("{:?}", Secret("lightd_x".into())), "Secret");
}
