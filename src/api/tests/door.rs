//! What every request passes before its route.

use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio_stream::iter;

use super::world::World;
use crate::api::Origins;
use crate::api::limits::Limits;

const VENDOR: &str = r#"{"error":"Invalid vendor header. Expected: Application/vnd.pkglatv1+json"}"#;
const BEARER: &str = r#"{"error":"Invalid or missing Bearer token. Format: Authorization: Bearer lightd_<token>"}"#;
const UNKNOWN: &str = "lightd_00000000000000000000000000000000";

fn listed() -> Origins {
    Origins::Listed(vec!["https://ok.example".into()])
}

#[tokio::test]
async fn origin_goes_before_vendor_before_bearer_before_route() {
    for path in ["/volumes", "/nothing", "/ws", "/ws/", "/ws/a/b", "/containers"] {
        let world = World::with(listed(), Limits::new(0, 0));
        let ask = async |origin: Option<&str>, accept: Option<&str>, token: Option<&str>| {
            let mut request = axum::http::Request::builder().uri(path);
            for (name, value) in [("origin", origin), ("accept", accept), ("authorization", token)] {
                if let Some(value) = value {
                    request = request.header(name, value);
                }
            }
            world.send(request.body(Body::empty()).unwrap()).await
        };
        ask(Some("https://bad.example"), None, None).await.is(403, r#"{"error":"Origin not allowed"}"#);
        ask(Some("https://OK.example"), None, None).await.is(403, VENDOR);
        ask(None, Some("application/json"), None).await.is(403, VENDOR);
        let vendor = Some("text/html, APPLICATION/vnd.pkglatv1+json");
        for token in [None, Some("Bearer"), Some("Bearer x"), Some("Basic x"), Some(&*format!("Bearer {UNKNOWN}"))] {
            let refused = ask(None, vendor, token).await;
            refused.is(401, BEARER);
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        }
        let through = ask(Some("https://ok.example"), vendor, Some(&format!("bearer {}", world.token))).await;
        match path {
            "/volumes" => assert_eq!(through.status, 200),
            "/containers" => assert_eq!(through.json()["code"], "not_supported"),
            _ => through.is(404, r#"{"error":"Not found"}"#),
        }
    }
}

#[tokio::test]
async fn what_is_public_needs_no_header_but_a_good_origin() {
    let world = World::with(listed(), Limits::new(0, 0));
    let ask = async |path: &str, origin: Option<&str>| {
        let mut request = axum::http::Request::builder().uri(path);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        world.send(request.body(Body::empty()).unwrap()).await
    };
    let version = env!("CARGO_PKG_VERSION");
    let pong = format!(r#"{{"status":"ok","message":"Lightd is running","version":"{version}"}}"#);
    ask("/api/v1/public/ping", None).await.is(200, &pong);
    ask("/api/v1/public/other", None).await.is(404, r#"{"error":"Not found"}"#);
    ask("/", None).await.is(404, r#"{"error":"Not found"}"#);
    assert_eq!(ask("/openapi.json", None).await.status, 200);
    ask("/openapi.json", Some("null")).await.is(403, r#"{"error":"Origin not allowed"}"#);
    ask("/ws/data", Some("null")).await.is(403, r#"{"error":"Origin not allowed"}"#);
    let socket = ask("/ws/data", None).await;
    socket.is(401, BEARER);
    assert_eq!(socket.header("www-authenticate"), Some("Bearer"));
    ask("/api/v1/public/../../volumes", None).await.is(404, r#"{"error":"Not found"}"#);
}

#[tokio::test]
async fn a_browser_is_told_what_it_may() {
    for (origins, origin, allowed) in [
        (Origins::Any, "https://any.example", Some("*")),
        (listed(), "https://ok.example", Some("https://ok.example")),
        (listed(), "https://bad.example", None),
    ] {
        let world = World::with(origins, Limits::new(0, 0));
        let preflight = axum::http::Request::builder().method("OPTIONS").uri("/volumes").header("origin", origin);
        let preflight = preflight
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        let answer = world.send(preflight.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-origin")), (200, allowed));
        for (header, words) in [
            ("access-control-allow-methods", ["GET", "POST", "DELETE"]),
            ("access-control-allow-headers", ["authorization", "accept", "content-type"]),
        ] {
            let said = answer.header(header).unwrap();
            assert!(words.iter().all(|word| said.contains(word)), "{said}");
        }
        let request = world.request("GET", "/volumes").header("origin", origin);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), if allowed.is_some() { 200 } else { 403 });
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
    }
}

#[tokio::test]
async fn a_body_is_at_most_a_mebibyte_however_it_comes() {
    let world = World::new();
    let too_large = r#"{"error":"Payload too large"}"#;
    let long = |length: usize| {
        let mut body = br#"{"size":64,"name":"large"}"#.to_vec();
        body.resize(length, b' ');
        body
    };
    let told = world.request("POST", "/volumes").header("content-length", (1 << 20) + 1);
    world.send(told.body(Body::empty()).unwrap()).await.is(413, too_large);
    let sent = long((1 << 20) + 1);
    let chunks = sent.chunks(1 << 16).map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)));
    let chunked = Body::from_stream(iter(chunks.collect::<Vec<_>>()));
    world.ask("POST", "/volumes", chunked).await.is(413, too_large);
    assert_eq!(world.ask("POST", "/volumes", long(1 << 20)).await.status, 201);
    // Nobody without a token learns even that.
    let stranger = world.bare("POST", "/volumes").header("content-length", 1 << 30);
    world.send(stranger.body(Body::empty()).unwrap()).await.is(401, BEARER);
}

#[tokio::test]
async fn too_many_requests_wait_and_wrong_tokens_stand_in_nobodys_way() {
    let world = World::with(Origins::Any, Limits::new(1, 3));
    for _ in 0..3 {
        assert_eq!(world.get("/volumes").await.status, 200);
    }
    let refused = world.get("/volumes").await;
    refused.is(429, r#"{"error":"Too many requests"}"#);
    assert_eq!(refused.header("retry-after"), Some("1"));

    let world = World::new();
    let bearer = "Bearer lightd_00000000000000000000000000000000";
    let wrong = async |path: &str| {
        let request = world.bare("GET", path).header("authorization", bearer);
        world.send(request.body(Body::empty()).unwrap()).await
    };
    // Who shows none guesses none, and one that was good is no guess.
    let (short, _) = world.keeper.issue(Duration::from_millis(1), false).unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await; // whole seconds, rounded up
    for _ in 0..30 {
        for path in ["/volumes", "/ws/data"] {
            world.send(world.bare("GET", path).body(Body::empty()).unwrap()).await.is(401, BEARER);
            let expired = world.bare("GET", path).header("authorization", format!("Bearer {}", short.as_str()));
            world.send(expired.body(Body::empty()).unwrap()).await.is(401, r#"{"error":"Token expired"}"#);
        }
    }
    for _ in 0..10 {
        wrong("/volumes").await.is(401, BEARER);
        wrong("/ws/data").await.is(401, BEARER);
    }
    // From now on no file is looked at for a guess: what another process has just made is not known yet.
    let (made, _) = world.other_process().issue(Duration::from_secs(60), false).unwrap();
    let made = || world.bare("GET", "/volumes").header("authorization", format!("Bearer {}", made.as_str()));
    assert_eq!(world.send(made().body(Body::empty()).unwrap()).await.status, 429);
    world.keeper.refresh();
    assert_eq!(world.send(made().body(Body::empty()).unwrap()).await.status, 200);
    for path in ["/volumes", "/ws/data"] {
        let refused = wrong(path).await;
        refused.is(429, r#"{"error":"Too many requests"}"#);
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    let (issued, _) = world.keeper.issue(Duration::from_secs(60), true).unwrap();
    let once = || world.bare("GET", "/volumes").header("authorization", format!("Bearer {}", issued.as_str()));
    assert_eq!(world.get("/volumes").await.status, 200);
    assert_eq!(world.send(once().body(Body::empty()).unwrap()).await.status, 200);
    assert_eq!(world.send(once().body(Body::empty()).unwrap()).await.status, 429, "it was good once");
}

#[tokio::test]
async fn every_answer_is_counted_and_no_label_is_a_clients() {
    let world = World::new();
    world.get("/volumes/data").await;
    world.get("/volumes/no-such-volume").await;
    world.get("/secret-path").await;
    world.ask("BREW", "/volumes/data", Body::empty()).await;
    world.send(world.bare("GET", "/ws/data?secret").body(Body::empty()).unwrap()).await;
    let counted = world.tally.read().into_iter();
    let counted: Vec<_> = counted.map(|a| (a.route, a.method, a.status, a.count)).collect();
    let expected = [
        ("/volumes/{id}", "GET", 200),
        ("/volumes/{id}", "GET", 404),
        ("/volumes/{id}", "other", 405),
        ("/ws/{internal_id}", "GET", 401),
        ("none", "GET", 404),
    ];
    assert_eq!(counted, expected.map(|(route, method, status)| (route.to_owned(), method, status, 1)));
}
