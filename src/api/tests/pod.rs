//! The router over a pod: with a real API server behind it, as far as its client can tell, and with a volume that hangs.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;

use super::stuck::Stuck;
use super::world::World;
use crate::api::pod::{Pod, Settings, parse_volumes_of};
use crate::api::serve;
use crate::host::{Machine, linux};
use crate::k8s::mock::{Reply, Server, changed, claim};
use crate::k8s::{Claims, Cluster};

fn world(machine: &Machine, volumes: &str, claims: Arc<dyn Claims>) -> World {
    let settings = Settings {
        volumes: parse_volumes_of(volumes).unwrap(),
        provision: None,
        prefix: "app-0".to_owned(),
        resize_wait: Duration::from_secs(20),
    };
    World::over(Arc::new(Pod::new(settings, machine, claims)))
}

type Script = Box<dyn FnMut(usize, &Method, &mut Value) -> Reply + Send>;

/// What comes of asking for 4 GiB where the API server does that.
async fn resized(script: Script) -> (u16, Value, String) {
    let (cluster, server) = Server::start(claim(), script);
    let world = world(&linux::machine(), "data=/proc,pvc=data,size=2Gi", Arc::new(cluster));
    let answer = world.ask("POST", "/volumes/data/resize", r#"{"size":4096}"#).await;
    (answer.status.as_u16(), answer.json(), server.request())
}

#[tokio::test(start_paused = true)]
async fn a_resize_is_answered_as_kubernetes_did() {
    let done = |state: &str| {
        let object = json!({"id": "data", "quota_mb": 4096, "previous_mb": 2048, "state": state});
        let mut body = object.clone();
        body["success"] = json!(true);
        body["data"] = object;
        body
    };
    let (status, body, request) = resized(Box::new(|number, _, claim| {
        if number == 5 {
            claim["status"]["capacity"] = json!({"storage": "4Gi"});
        }
        Reply::Properly
    }))
    .await;
    assert_eq!((status, body, request.as_str()), (200, done("completed"), "4Gi"));

    let (status, body, request) = resized(Box::new(|_, _, _| Reply::Properly)).await;
    assert_eq!((status, body, request.as_str()), (202, done("pending"), "4Gi"));

    let no = "persistentvolumeclaims \"data\" is forbidden: User \"x\" cannot patch";
    let (status, body, request) = resized(Box::new(move |_, method, _| match *method {
        Method::PATCH => Reply::Failure(403, no),
        _ => Reply::Properly,
    }))
    .await;
    assert_eq!((status, body, request.as_str()), (403, json!({ "error": no }), "2Gi"));

    let (status, body, request) = resized(Box::new(|number, _, claim| {
        if number == 4 {
            let message = "rpc error: code = OutOfRange desc = 1Gi is left in pool default";
            claim["status"]["conditions"] = json!([{"type": "NodeResizeError", "status": "True", "message": message}]);
            changed(claim);
        }
        Reply::Properly
    }))
    .await;
    let reason = body["reason"].as_str().unwrap().to_owned();
    assert_eq!((status, &body), (507, &json!({"error": "Insufficient host disk space", "reason": reason})));
    assert!(reason.contains("1Gi is left") && reason.contains("lowered"), "{reason}");
    assert_eq!(request, "2097156Ki", "the least that the API server takes");

    let (status, body, _) = resized(Box::new(|_, _, _| Reply::Failure(404, "not found"))).await;
    assert_eq!((status, &body["code"]), (409, &json!("claim_not_found")));
    let (status, body, _) = resized(Box::new(|_, _, _| Reply::Failure(500, "no"))).await;
    assert_eq!((status, body["error"].is_string()), (500, true));
}

#[tokio::test]
async fn a_volume_that_hangs_from_the_start_keeps_nobody_waiting() {
    let (stuck, machine) = Stuck::at("/sys");
    let claims: Arc<dyn Claims> = Arc::new(Cluster::new());
    let world = world(&machine, "hung=/sys;data=/proc,size=1Gi", claims);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve::serve(vec![listener], world.router.clone(), pending()));
    // Less than who looks at a volume waits for it.
    let quick = Duration::from_millis(1500);
    for _ in 0..3 {
        for path in ["/volumes", "/volumes/data", "/volumes/hung", "/volumes/data/quota", "/volumes/none"] {
            let (begin, status) = (Instant::now(), if path.ends_with("none") { 404 } else { 200 });
            assert_eq!(world.get(path).await.status, status, "{path}");
            assert!(begin.elapsed() < quick, "{path}: {:?}", begin.elapsed());
        }
        for word in ["any", "data", "hung"] {
            let begin = Instant::now();
            connect_async(format!("ws://{address}/ws/{word}?token={}", world.token)).await.unwrap();
            assert!(begin.elapsed() < quick, "{word}: {:?}", begin.elapsed());
        }
    }
    assert_eq!(world.get("/volumes/hung").await.json()["quota_mb"], 0, "nobody knows");
    // Who asks for it waits for a moment, and hears why.
    let asked = world.get("/volumes/hung/quota").await;
    assert_eq!(asked.status, 500);
    assert!(asked.text.contains("does not answer"), "{}", asked.text);
    // What is handed out is the one that answers.
    assert_eq!(world.ask("POST", "/volumes", "").await.json()["id"], "data");
    drop(stuck);
}
