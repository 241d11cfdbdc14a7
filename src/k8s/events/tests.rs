mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;

use super::*;
use crate::k8s::mock::{failure, response};
use serde_json::{Value, json};
use tokio::time::sleep;

/// An API server with events; `script` answers instead of it, where it does. It may hang for ever.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    events: BTreeMap<String, Value>,
    /// The namespaces that permit none.
    closed: BTreeSet<String>,
    /// Method and name, or reason of what was made.
    asked: Vec<String>,
}

type Script = Box<dyn FnMut(usize, &Method) -> Option<Response<Body>> + Send>;

impl Server {
    /// A new process that posts to this server.
    fn process(&self, mut script: Script) -> Events {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let server = self.clone();
        tokio::spawn(async move {
            while let Some((request, answer)) = handle.next_request().await {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let number = server.0.lock().unwrap().asked.len() + 1;
                let instead = script(number, &parts.method);
                let properly = server.answer(&parts.method, parts.uri.path(), &body, instead.is_none());
                answer.send_response(instead.unwrap_or(properly));
            }
        });
        let cluster = Arc::new(Cluster::over(Client::new(service, "unused")));
        Events::start(cluster, reporter())
    }

    fn healthy(&self) -> Events {
        self.process(Box::new(|_, _| None))
    }

    fn answer(&self, method: &Method, path: &str, body: &[u8], is_done: bool) -> Response<Body> {
        let sent: Value = serde_json::from_slice(body).unwrap();
        let path = path.strip_prefix("/apis/events.k8s.io/v1/namespaces/").expect(path);
        let (namespace, name) = path.split_once("/events").expect(path);
        let mut state = self.0.lock().unwrap();
        let word = if method == Method::POST { sent["reason"].as_str().unwrap() } else { name };
        state.asked.push(format!("{method} {word}"));
        if !is_done {
            return response(200, "");
        }
        if state.closed.contains(namespace) {
            return failure(403, "events is forbidden");
        }
        if method == Method::POST {
            let name = sent["metadata"]["name"].as_str().unwrap().to_owned();
            if state.events.contains_key(&name) {
                return failure(409, "it exists");
            }
            state.events.insert(name, sent.clone());
            return response(201, &sent.to_string());
        }
        let Some(event) = state.events.get_mut(&name[1..]) else { return failure(404, "no such event") };
        assert!(sent.as_object().unwrap().keys().all(|key| key == "series"), "{sent}");
        if let Some(series) = sent.get("series") {
            event["series"] = series.clone();
        }
        response(200, &event.to_string())
    }

    /// Reason and count of each event.
    fn events(&self) -> Vec<(String, i64)> {
        let state = self.0.lock().unwrap();
        let one = |event: &Value| {
            (event["reason"].as_str().unwrap().to_owned(), event["series"]["count"].as_i64().unwrap_or(1))
        };
        state.events.values().map(one).collect()
    }

    fn asked(&self) -> Vec<String> {
        self.0.lock().unwrap().asked.clone()
    }
}

fn reporter() -> Reporter {
    Reporter { controller: "csi.ullage.dev".into(), instance: "node-1".into(), is_optional: false }
}

fn subject(name: &str) -> Subject {
    Subject { kind: SubjectKind::Claim, namespace: "shop".into(), name: name.into(), uid: format!("uid-of-{name}") }
}

fn notice(reason: &'static str) -> Notice {
    let (note, topic) = ("97.51 % of 2Gi used".to_owned(), "pvc-1".to_owned());
    Notice { severity: Severity::Warning, reason, action: "Measuring", note, topic, lasts: false }
}

/// Time is not real: the longer the better.
async fn settled() {
    sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_is_what_the_api_server_accepts_and_kubectl_looks_for() {
    let server = Server::default();
    let long = Notice { note: "ü".repeat(600), ..notice("VolumeOutOfStorage") };
    server.healthy().post(subject(&"n".repeat(253)), long);
    settled().await;
    let state = server.0.lock().unwrap();
    let (name, event) = state.events.first_key_value().unwrap();
    assert!(name.len() <= 253 && name.starts_with("nnn") && name[230..].starts_with('.'), "{name}");
    let expected = json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "shop"},
        "type": "Warning",
        "reason": "VolumeOutOfStorage",
        "action": "Measuring",
        "note": "ü".repeat(512),
        "eventTime": event["eventTime"],
        "regarding": {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": "shop",
            "name": "n".repeat(253),
            "uid": format!("uid-of-{}", "n".repeat(253)),
        },
        "reportingController": "csi.ullage.dev",
        "reportingInstance": "node-1",
    });
    assert_eq!(*event, expected);
    let time = event["eventTime"].as_str().unwrap();
    assert!(time.len() == "2026-01-28T12:30:01.500000Z".len() && time.ends_with('Z'), "{time}");
}

#[tokio::test(start_paused = true)]
async fn what_happens_again_is_one_event_with_a_count() {
    let server = Server::default();
    let events = server.healthy();
    for reason in ["A", "A", "B", "A"] {
        events.post(subject("data"), notice(reason));
    }
    events.post(subject("other"), notice("A"));
    settled().await;
    let mut found = server.events();
    found.sort();
    assert_eq!(found, [("A".into(), 1), ("A".into(), 3), ("B".into(), 1)]);
    let asked = server.asked();
    let methods: Vec<&str> = asked.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(methods, ["POST", "PATCH", "POST", "PATCH", "POST"], "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn a_process_goes_on_where_the_one_before_it_ended() {
    let server = Server::default();
    for count in 1..=3 {
        server.healthy().post(subject("data"), notice("A"));
        settled().await;
        // On the edge of a window of time there may be two.
        let found = server.events();
        assert_eq!(found.iter().map(|(_, count)| count).sum::<i64>(), count, "{found:?}");
        assert!(found.len() <= 2, "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_topic_is_another_event_and_another_note_is_not() {
    let server = Server::default();
    let events = server.healthy();
    for (topic, note) in [("x", "1"), ("y", "2"), ("x", "3")] {
        events.post(subject("data"), Notice { topic: topic.into(), note: note.into(), ..notice("A") });
    }
    settled().await;
    let mut found = server.events();
    found.sort();
    assert_eq!(found, [("A".into(), 1), ("A".into(), 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_lasts_is_said_again_before_it_is_forgotten() {
    let server = Server::default();
    let events = server.healthy();
    events.post(subject("data"), notice("A"));
    for _ in 0..12 {
        sleep(Duration::from_secs(300)).await;
        events.post(subject("data"), Notice { lasts: true, ..notice("A") });
    }
    settled().await;
    assert_eq!(server.events(), [("A".into(), 4)]); // in an hour
    assert_eq!(server.asked().len(), 4);
    // The API server has forgotten it all the same.
    server.0.lock().unwrap().events.clear();
    sleep(Duration::from_secs(1200)).await;
    events.post(subject("data"), Notice { lasts: true, ..notice("A") });
    settled().await;
    assert_eq!(server.events(), [("A".into(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn one_object_has_so_many_events_of_a_reason_and_another_its_own() {
    let server = Server::default();
    let events = server.healthy();
    for _ in 0..40 {
        events.post(subject("data"), notice("A"));
    }
    events.post(subject("other"), notice("A"));
    events.post(subject("data"), notice("B"));
    settled().await;
    let mut found = server.events();
    found.sort();
    assert_eq!(found, [("A".into(), 1), ("A".into(), 25), ("B".into(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn where_it_is_not_permitted_nobody_asks_for_a_while() {
    let server = Server::default();
    let events = server.process(Box::new(|number, _| (number == 1).then(|| failure(403, "events is forbidden"))));
    for _ in 0..10 {
        events.post(subject("data"), notice("A"));
        settled().await;
    }
    assert_eq!(server.asked().len(), 1);
    sleep(Duration::from_secs(300)).await;
    events.post(subject("data"), notice("A"));
    settled().await;
    assert_eq!(server.events(), [("A".into(), 1)]);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_gets_the_event_when_it_is_back() {
    let server = Server::default();
    let events = server.process(Box::new(|number, _| (number < 5).then(|| failure(503, "away"))));
    events.post(subject("data"), notice("A"));
    // Whoever posts never waits, and what is too much is dropped.
    for _ in 0..1000 {
        events.post(subject("many"), notice("B"));
    }
    sleep(Duration::from_secs(60)).await;
    let mut found = server.events();
    found.sort();
    assert_eq!(found, [("A".into(), 1), ("B".into(), 25)]);
}

#[tokio::test(start_paused = true)]
async fn an_old_event_is_no_news() {
    type Answer = fn() -> Response<Body>;
    let cases: [(Answer, _); 2] = [(|| failure(500, "broken"), 5..8), (|| response(200, "no API server"), 20..30)];
    for (answer, expected) in cases {
        let server = Server::default();
        let events = server.process(Box::new(move |_, _| Some(answer())));
        events.post(subject("data"), notice("A"));
        sleep(Duration::from_secs(3600)).await;
        let asked = server.asked().len();
        assert!(expected.contains(&asked), "{asked}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_is_dropped_at_once() {
    for code in [404, 422] {
        let server = Server::default();
        let events =
            server.process(Box::new(move |number, _| (number == 1).then(|| failure(code, "refused for a reason"))));
        events.post(subject("data"), notice("A"));
        events.post(subject("data"), notice("B"));
        settled().await;
        assert_eq!(server.events(), [("B".into(), 1)], "{code}");
    }
}

/// Who may only create posts all the same.
#[tokio::test(start_paused = true)]
async fn without_the_right_to_patch_there_is_one_event() {
    let server = Server::default();
    for reason in [None, Some("B")] {
        let no_patch = |_, method: &Method| (method == Method::PATCH).then(|| failure(403, "patch is forbidden"));
        let events = server.process(Box::new(no_patch));
        events.post(subject("data"), notice("A"));
        // That it may not count is no reason to be silent.
        reason.into_iter().for_each(|reason| events.post(subject("data"), notice(reason)));
        settled().await;
    }
    let found = server.events();
    // On the edge of a window of time there may be two of the first.
    assert!((2..=3).contains(&found.len()) && found.contains(&("B".into(), 1)), "{found:?}");
}
