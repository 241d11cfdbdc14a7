//! The alert, in a pod: the quota API beside an application that fills its volume.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::api;
use crate::cluster::{DRIVER, project, so, try_run, wait_for};
use crate::place::Place;
use crate::shapes::{Claim, Pod, RESTRICTED, app_image};

/// What lets a pod grow its own claim, and no other; without a name, those of its namespace.
pub(crate) fn may_grow(claim: &str) -> String {
    format!(
        "---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: grow }}
rules:
  - {{ apiGroups: [\"\"], resources: [persistentvolumeclaims], resourceNames: [{claim}], verbs: [get, patch] }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: grow }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: grow }}
subjects: [{{ kind: ServiceAccount, name: default }}]
"
    )
}

/// As the example does it that a user applies first.
#[test]
fn beside_the_example() {
    let place = Place::restricted("alert-example");
    let example = std::fs::read_to_string(project("manifests/examples/app.yaml")).unwrap();
    place.apply(&example.replace("busybox:1", &app_image()));
    place.ready("app");
    the_alert_is_heard(&place, "app", "data", 2048);
}

/// `ullage inject -f app.yaml | kubectl apply -f -`
#[test]
fn through_inject() {
    the_alert_is_heard(&injected("alert-inject"), "app", "data", 640);
}

/// A pod `app` with the quota API beside its claim `data` of 320 MiB, which it may grow. It is *restricted*.
pub(crate) fn injected(name: &str) -> Place {
    let place = Place::restricted(name);
    let plain = may_grow("data") + &Claim::new("data", "ullage", "320Mi").yaml() + &app().yaml();
    place.apply(&inject(&plain));
    place.ready("app");
    place
}

/// What `ullage inject` makes of manifests.
pub(crate) fn inject(plain: &str) -> String {
    let program = std::env::var("ULLAGE").unwrap_or_else(|_| "ullage".to_owned());
    try_run(&program, &["inject", "-f", "-"], plain).unwrap()
}

fn app() -> Pod<'static> {
    Pod { spec: RESTRICTED, ..Pod::new("app", "data") }
}

/// The annotation alone: the API server puts it in. Its pod is one that the namespace lets in only if it is *restricted*.
#[test]
fn through_the_annotation() {
    let place = Place::restricted("alert-annotation");
    place.apply(&(may_grow("data") + &Claim::new("data", "ullage", "320Mi").yaml()));
    let plain = app().yaml();
    let annotated = plain
        .replace("metadata: { name: app,", "metadata: { annotations: { ullage.dev/quota-api: \"true\" }, name: app,");
    assert_ne!(annotated, plain);
    place.apply(&annotated);
    place.ready("app");
    the_alert_is_heard(&place, "app", "data", 640);
}

/// The whole story: full, heard, an event on claim and pod, grown by the application, heard, and it writes on.
fn the_alert_is_heard(place: &Place, pod: &str, claim: &str, grown_mib: u64) {
    let client = Client::watching(place, pod);
    client.hears("running");
    let full = place.shell(pod, "dd if=/dev/zero of=/data/ballast bs=1M 2>&1; true");
    assert!(full.contains("No space left on device"), "{full}");
    client.hears("System out of storage");
    let node = place.node_of(pod);
    for object in [place.claim(claim), place.pod(pod)] {
        is_warned_of(place, &object.unwrap(), &node);
    }
    let shown = place.kubectl(&["describe", "pvc", claim]);
    assert!(shown.contains("Warning  VolumeOutOfStorage"), "{shown}");

    let (status, answer) = resize(place, pod, grown_mib);
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    client.hears("resized");
    wait_for("the claim has grown", 30, || {
        let status = place.claim(claim).unwrap()["status"].clone();
        so(mib(status["capacity"]["storage"].as_str().unwrap_or_default()) == Some(grown_mib), &status)
    });
    place.shell(pod, "dd if=/dev/zero of=/data/more bs=1M count=100 2>&1");
    place.event("VolumeRecovered", claim, &[], 60);
    place.delete_pod(pod);
    place.delete_claim(claim);
}

/// The driver of the node says it, as a warning, and on the very object: `kubectl describe` asks by uid.
fn is_warned_of(place: &Place, object: &Value, node: &str) {
    let what = format!("the driver says VolumeOutOfStorage on {}", object["metadata"]["name"]);
    let event = wait_for(&what, 30, || {
        let events = api::items(&format!("/api/v1/namespaces/{}/events", place.name));
        let fits = |event: &&Value| {
            event["reason"] == "VolumeOutOfStorage"
                && event["reportingComponent"] == DRIVER
                && event["involvedObject"]["uid"] == object["metadata"]["uid"]
        };
        events.iter().find(fits).cloned().ok_or_else(|| format!("{events:#?}"))
    });
    assert_eq!(event["type"], "Warning", "{event}");
    assert_eq!(event["reportingInstance"], node, "{event}");
    assert_eq!(event["involvedObject"]["name"], object["metadata"]["name"], "{event}");
}

/// The application asks for more: the status, and the answer.
pub(crate) fn resize(place: &Place, pod: &str, mib: u64) -> (u16, Value) {
    let said = place.shell(pod, &RESIZE.replace("SIZE", &mib.to_string()));
    let (answer, status) = said.rsplit_once(' ').expect(&said);
    (status.parse().expect(&said), serde_json::from_str(answer).expect(&said))
}

/// With the token that lies where it can read it.
const RESIZE: &str = "curl -s -w ' %{http_code}' http://localhost:8070/volumes/data/resize -d '{\"size\":SIZE}' \
    -H \"Authorization: Bearer $(cat /run/ullage/token)\" -H 'Accept: application/vnd.pkglatv1+json'";

/// A quantity in MiB, however it is written.
fn mib(quantity: &str) -> Option<u64> {
    let number = |unit: &str| quantity.strip_suffix(unit)?.parse::<u64>().ok();
    let bytes = quantity.parse::<u64>().ok();
    number("Mi")
        .or_else(|| number("Gi").map(|gib| gib << 10))
        .or(number("Ki").map(|kib| kib >> 10))
        .or(bytes.map(|all| all >> 20))
}

/// A client on the WebSocket, in the pod itself.
struct Client {
    process: Child,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Client {
    fn watching(place: &Place, pod: &str) -> Self {
        let words = ["-n", &place.name, "exec", pod, "-c", "quota-api", "--", "ullage", "watch", "--output", "json"];
        let mut process =
            Command::new("kubectl").args(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (lines, into) = (BufReader::new(process.stdout.take().unwrap()).lines(), heard.clone());
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| into.lock().unwrap().push(line)));
        Self { process, heard }
    }

    fn hears(&self, word: &str) {
        wait_for(&format!("the client hears {word}"), 30, || {
            let heard = self.heard.lock().unwrap();
            so(heard.iter().any(|line| line.contains(word)), &heard[heard.len().saturating_sub(5)..])
        });
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
