use std::time::Duration;

use axum::body::Body;
use serde_json::json;

use super::world::{DATA, World};
use crate::api::Origins;
use crate::api::limits::Limits;
use crate::api::volumes::Error;

#[tokio::test]
async fn a_success_is_flat_and_the_same_again_beside_it() {
    let world = World::new();
    let object = json!({
        "id": DATA, "volume_id": DATA, "path": format!("/mnt/{DATA}"), "created_at": 1_706_400_000, "quota_mb": 2048,
        "name": "data", "claim": "data-claim", "namespace": null, "backend": "loop", "fs": "ext4",
    });
    let shown = world.get("/volumes/data").await.json();
    assert_eq!((&shown["success"], &shown["data"]), (&json!(true), &object));
    for (key, value) in object.as_object().unwrap() {
        assert_eq!(shown[key], *value, "{key}");
    }
    let list = world.get("/volumes").await.json();
    assert_eq!((list.as_array().unwrap().len(), &list[0]), (2, &object), "a bare array");

    let quota = world.get("/volumes/data/quota").await.json();
    let numbers =
        ["size_mb", "used_mb", "available_mb", "percentage_used", "size_bytes", "used_bytes", "available_bytes"];
    let expected = json!([2048, 512, 1536, 25.0, 2_147_483_648_u64, 536_870_912, 1_610_612_736]);
    assert_eq!(json!(numbers.map(|key| quota[key].clone())), expected);
    let rest = ["inodes_total", "inodes_used", "inodes_free", "state", "out_of_space", "resize_pending"];
    assert_eq!(json!(rest.map(|key| quota["data"][key].clone())), json!([0, 0, 0, "ok", false, false]));
    assert!(quota["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn a_volume_is_made_once_resized_and_deleted() {
    let world = World::new();
    for body in ["", "{}", "null"] {
        let answer = world.ask("POST", "/volumes", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["quota_mb"].clone()),
            (if body.is_empty() { 201 } else { 200 }, json!(1024))
        );
    }
    let resized = |previous: u64, size: u64, state: &str| json!({"id": "new", "quota_mb": size, "previous_mb": previous, "state": state});
    let answer = world.ask("POST", "/volumes/new/resize", r#"{"size":2048}"#).await;
    assert_eq!((answer.status.as_u16(), answer.json()["data"].clone()), (200, resized(1024, 2048, "completed")));
    assert_eq!(world.get("/volumes/new/quota").await.json()["size_mb"], 2048);
    *world.shelf.is_pending.lock().unwrap() = true;
    let answer = world.ask("POST", "/volumes/new/resize", r#"{"size":4096}"#).await;
    assert_eq!((answer.status.as_u16(), answer.json()["data"].clone()), (202, resized(2048, 4096, "pending")));
    assert_eq!(world.get("/volumes/new/quota").await.json()["resize_pending"], true);
    world.ask("DELETE", "/volumes/new", "").await.is(204, "");
    for (method, path) in [("GET", "/volumes/new"), ("GET", "/volumes/new/quota"), ("DELETE", "/volumes/new")] {
        world.ask(method, path, "").await.is(404, r#"{"error":"Volume not found"}"#);
    }
}

#[tokio::test]
async fn a_volume_is_found_by_what_it_is_called_and_never_by_a_path() {
    let world = World::new();
    for word in [DATA, "550e8400", "data", "data-claim"] {
        assert_eq!(world.get(&format!("/volumes/{word}")).await.json()["id"], DATA, "{word}");
    }
    for word in ["550e840", "default", "..%2f..%2fetc", "%2e%2e", "%ff", "data%00", &"x".repeat(4000)] {
        world.get(&format!("/volumes/{word}")).await.is(404, r#"{"error":"Volume not found"}"#);
        world.ask("DELETE", &format!("/volumes/{word}"), "").await.is(404, r#"{"error":"Volume not found"}"#);
    }
    world.ask("DELETE", "/volumes/block", "").await.is(204, "");
    assert_eq!(world.get("/volumes/default").await.json()["id"], DATA);
}

#[tokio::test]
async fn a_body_that_cannot_be_meant_so_is_refused_with_the_reason() {
    let world = World::new();
    for (path, body) in [
        ("/volumes", "{"),
        ("/volumes", "[]"),
        ("/volumes", " [2048]"),
        ("/volumes", "7"),
        ("/volumes", r#"{"size":"2048"}"#),
        ("/volumes", r#"{"size":-1}"#),
        ("/volumes", r#"{"size":19}"#),
        ("/volumes", r#"{"size":18446744073709551615}"#),
        ("/volumes", r#"{"fs":"ntfs"}"#),
        ("/volumes", r#"{"pool":"A/B"}"#),
        ("/volumes/data/resize", ""),
        ("/volumes/data/resize", "{}"),
        ("/volumes/data/resize", "[4096]"),
        ("/volumes/data/resize", r#"{"size":1.5}"#),
        ("/volumes/data/resize", r#"{"size":0}"#),
        ("/auth/tokens", ""),
        ("/auth/tokens", r#"{"ttl":15}"#),
    ] {
        let answer = world.ask("POST", path, body.to_owned()).await;
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == 400 && error.starts_with("Invalid request body: "), "{path} {body}: {error}");
    }
    for ttl in ["", "0", "31d", "1w", "-1", "15 m"] {
        let body = json!({ "ttl": ttl }).to_string();
        world.ask("POST", "/auth/tokens", body).await.is(400, r#"{"error":"Invalid TTL format"}"#);
    }
}

#[tokio::test]
async fn each_refusal_has_its_status_and_its_code() {
    let world = World::new();
    let refused = |code| Error::Refused { code, reason: "no".into() };
    for (error, status, body) in [
        (Error::Invalid("no".into()), 400, r#"{"error":"no"}"#),
        (Error::NotFound, 404, r#"{"error":"Volume not found"}"#),
        (refused(None), 409, r#"{"error":"no"}"#),
        (refused(Some("shrink_not_supported")), 409, r#"{"error":"no","code":"shrink_not_supported"}"#),
        (Error::Forbidden("no".into()), 403, r#"{"error":"no"}"#),
        (Error::NoRoom { reason: None }, 507, r#"{"error":"Insufficient host disk space"}"#),
        (Error::NoRoom { reason: Some("no".into()) }, 507, r#"{"error":"Insufficient host disk space","reason":"no"}"#),
        (Error::Failed("no".into()), 500, r#"{"error":"no"}"#),
    ] {
        for (method, path, asked) in [
            ("POST", "/volumes", "{}"),
            ("POST", "/volumes/data/resize", r#"{"size":4096}"#),
            ("DELETE", "/volumes/data", ""),
        ] {
            *world.shelf.fails.lock().unwrap() = Some(error.clone());
            world.ask(method, path, asked).await.is(status, body);
        }
    }
    let block = world.get("/volumes/block/quota").await;
    assert_eq!((block.status.as_u16(), &block.json()["code"]), (409, &json!("not_mounted")));
}

#[tokio::test]
async fn what_is_not_here_says_so() {
    let world = World::new();
    for (method, path) in
        [("PUT", "/volumes"), ("POST", "/volumes/data"), ("DELETE", "/volumes/data/quota"), ("GET", "/auth/tokens")]
    {
        let answer = world.ask(method, path, "").await;
        answer.is(405, r#"{"error":"Method not allowed"}"#);
        assert!(answer.header("allow").is_some(), "{method} {path}");
    }
    for path in ["/volumes/", "/volumes/data/", "/volumes/data/other", "//volumes", "/auth", "/metrics"] {
        world.get(path).await.is(404, r#"{"error":"Not found"}"#);
    }
    for path in [
        "/containers",
        "/containers/x/start",
        "/network/a",
        "/firewall",
        "/sftp",
        "/remote/x",
        "/updates",
        "/billing/x",
        "/volumes/data/files",
        "/volumes/x/files/a/b",
    ] {
        let answer = world.ask("POST", path, "").await;
        let said = answer.json();
        assert_eq!((answer.status.as_u16(), &said["code"]), (501, &json!("not_supported")), "{path}");
        assert!(said["error"].as_str().unwrap().starts_with("Managed by Kubernetes: use "));
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let world = World::new();
    for path in ["/volumes", "/volumes/data/quota"] {
        let head = world.ask("HEAD", path, "").await;
        let get = world.get(path).await;
        head.is(200, "");
        assert_eq!(head.header("content-length").unwrap().parse::<usize>().unwrap(), get.text.len());
    }
    assert_eq!(world.ask("HEAD", "/volumes/none", "").await.status, 404);
}

#[tokio::test]
async fn tokens_are_issued_by_the_master_and_end() {
    let world = World::new();
    let issued = world.ask("POST", "/auth/tokens", r#"{"ttl":"15m"}"#).await.json();
    let token = issued["token"].as_str().unwrap();
    assert!(token.starts_with("lightd_") && token.len() == 39 && issued["expires_at"].as_str().unwrap().ends_with('Z'));
    let with = |token: &str, method: &str, path: &str, body: &str| {
        let request = world.bare(method, path).header("authorization", format!("Bearer {token}"));
        world.send(request.body(Body::from(body.to_owned())).unwrap())
    };
    assert_eq!(with(token, "GET", "/volumes", "").await.status, 200);
    let refused = with(token, "POST", "/auth/tokens", r#"{"ttl":"1h"}"#).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (403, &json!("master_only")));

    let (short, _) = world.keeper.issue(Duration::from_millis(1), false).unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await; // whole seconds, rounded up
    let expired = with(short.as_str(), "GET", "/volumes", "").await;
    expired.is(401, r#"{"error":"Token expired"}"#);
    // Who may ask goes before what is asked.
    for (method, status) in [("GET", 426), ("POST", 405)] {
        with(short.as_str(), method, "/ws/data", "").await.is(401, r#"{"error":"Token expired"}"#);
        let unknown = with("lightd_00000000000000000000000000000000", method, "/ws/data", "").await;
        assert_eq!((unknown.status.as_u16(), unknown.header("www-authenticate")), (401, Some("Bearer")));
        let refused = with(token, method, "/ws/data", "").await;
        assert_eq!((refused.status.as_u16(), refused.header("allow").is_some()), (status, status == 405));
    }
}

#[tokio::test]
async fn a_single_use_is_consumed_by_its_first_success_and_by_nothing_else() {
    let world = World::with(Origins::Any, Limits::new(1, 8));
    let (once, _) = world.keeper.issue(Duration::from_secs(60), true).unwrap();
    let with = async |method: &str, path: &str, body: &str| {
        let request = world.bare(method, path).header("authorization", format!("Bearer {}", once.as_str()));
        world.send(request.body(Body::from(body.to_owned())).unwrap()).await.status.as_u16()
    };
    assert_eq!(with("GET", "/volumes/none", "").await, 404);
    assert_eq!(with("POST", "/volumes", "{").await, 400);
    assert_eq!(with("POST", "/volumes", &" ".repeat((1 << 20) + 1)).await, 413);
    assert_eq!(with("GET", "/containers", "").await, 501);
    assert_eq!(with("GET", "/ws/data", "").await, 426);
    assert_eq!(with("POST", "/auth/tokens", r#"{"ttl":"1h"}"#).await, 403);
    let refused = Error::Refused { code: None, reason: "no".into() };
    *world.shelf.fails.lock().unwrap() = Some(refused);
    assert_eq!(with("DELETE", "/volumes/data", "").await, 409);
    let told = world.bare("POST", "/volumes").header("content-length", (1 << 20) + 1);
    let told = told.header("authorization", format!("Bearer {}", once.as_str()));
    assert_eq!(world.send(told.body(Body::empty()).unwrap()).await.status, 413);
    // Even by one that came too soon.
    let mut soon = Vec::new();
    for _ in 0..20 {
        soon.push(with("GET", "/volumes/none", "").await);
        if soon.last() == Some(&429) {
            break;
        }
    }
    assert_eq!(soon.last(), Some(&429), "{soon:?}");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    // Two at once: one has it, and the other none.
    let (one, other) = tokio::join!(with("GET", "/volumes", ""), with("GET", "/volumes", ""));
    assert_eq!((one.min(other), one.max(other)), (200, 401));
    assert_eq!(with("GET", "/volumes", "").await, 401);
}

#[tokio::test]
async fn a_fault_of_ours_is_an_answer() {
    let world = World::new();
    let failed = world.ask("POST", "/volumes", r#"{"name":"panic"}"#).await;
    assert_eq!(failed.status, 500);
    assert!(failed.json()["error"].is_string());
    for n in 0..8 {
        world.ask("POST", "/volumes", json!({ "name": format!("n{n}") }).to_string()).await;
    }
    world.get("/volumes/data/quota").await.is(500, r#"{"error":"Internal error: the log says which"}"#);
    world.ask("DELETE", "/volumes/n0", "").await.is(204, "");
    assert_eq!(world.get("/volumes/data/quota").await.status, 200);
}
