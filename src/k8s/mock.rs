//! An API server with one claim, behind the client itself: what is sent is read, and a test says what goes wrong.

use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::Cluster;

/// How a request is answered.
pub(crate) enum Reply {
    /// As an API server does.
    Properly,
    /// With a failure.
    Failure(u16, &'static str),
    /// With that text, and 200.
    Garbage(&'static str),
    /// Never.
    Hang,
}

/// What the server has, and was asked.
#[derive(Clone)]
pub(crate) struct Server(Arc<Mutex<State>>);

pub(crate) struct State {
    pub(crate) claim: Value,
    /// `GET`, or `PATCH` and the size.
    pub(crate) asked: Vec<String>,
}

impl Server {
    /// A server; before each answer `script` sees the number of the request (from 1), and may change the claim.
    pub(crate) fn start(
        claim: Value,
        script: impl FnMut(usize, &Method, &mut Value) -> Reply + Send + 'static,
    ) -> (Cluster, Self) {
        let (service, handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let server = Self(Arc::new(Mutex::new(State { claim, asked: Vec::new() })));
        tokio::spawn(server.clone().serve(handle, script));
        (Cluster::over(Client::new(service, "shop")), server)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What the claim asks for now.
    pub(crate) fn request(&self) -> String {
        self.state().claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap().to_owned()
    }

    async fn serve(
        self,
        mut handle: tower_test::mock::Handle<Request<Body>, Response<Body>>,
        mut script: impl FnMut(usize, &Method, &mut Value) -> Reply,
    ) {
        let mut hanging = Vec::new();
        while let Some((request, answer)) = handle.next_request().await {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let sent: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
            let mut state = self.state();
            let number = state.asked.len() + 1;
            state.asked.push(line(&parts.method, parts.uri.path(), &sent));
            match script(number, &parts.method, &mut state.claim) {
                Reply::Properly => answer.send_response(properly(&parts.method, &sent, &mut state.claim)),
                Reply::Failure(code, message) => answer.send_response(failure(code, message)),
                Reply::Garbage(text) => answer.send_response(response(200, text)),
                Reply::Hang => hanging.push(answer),
            }
        }
    }
}

/// A server that gives these answers in turn, to whatever is asked; and what is asked.
pub(crate) fn scripted(answers: Vec<Response<Body>>) -> (Cluster, Arc<Mutex<Vec<String>>>) {
    let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        for given in answers {
            let Some((request, answer)) = handle.next_request().await else { return };
            seen.lock().unwrap().push(format!("{} {}", request.method(), request.uri()));
            answer.send_response(given);
        }
    });
    (Cluster::over(Client::new(service, "shop")), asked)
}

/// A bound claim of 2 GiB.
pub(crate) fn claim() -> Value {
    json!({
        "metadata": {"name": "data", "resourceVersion": "1"},
        "spec": {"resources": {"requests": {"storage": "2Gi"}}},
        "status": {"phase": "Bound", "capacity": {"storage": "2Gi"}},
    })
}

fn line(method: &Method, path: &str, sent: &Value) -> String {
    assert!(path.starts_with("/api/v1/namespaces/shop/persistentvolumeclaims"), "{path}");
    match sent["spec"]["resources"]["requests"]["storage"].as_str() {
        Some(size) => format!("{method} {size}"),
        None => method.to_string(),
    }
}

fn properly(method: &Method, sent: &Value, claim: &mut Value) -> Response<Body> {
    if method == Method::POST {
        let mut made = sent.clone();
        made["metadata"]["name"] = json!(format!("{}x7k2p", made["metadata"]["generateName"].as_str().unwrap()));
        return response(201, &made.to_string());
    }
    if method == Method::PATCH {
        assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["metadata", "spec"]);
        if sent["metadata"]["resourceVersion"] != claim["metadata"]["resourceVersion"] {
            return failure(409, "the object has been modified; please apply your changes to the latest version");
        }
        claim["spec"] = sent["spec"].clone();
        changed(claim);
    }
    response(200, &claim.to_string())
}

/// Somebody wrote to the claim.
pub(crate) fn changed(claim: &mut Value) {
    let version: u64 = claim["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    claim["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

pub(crate) fn failure(code: u16, message: &str) -> Response<Body> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code});
    response(code, &status.to_string())
}

pub(crate) fn response(code: u16, text: &str) -> Response<Body> {
    Response::builder().status(code).body(Body::from(text.as_bytes().to_vec())).unwrap()
}
