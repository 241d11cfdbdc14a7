//! A namespace of a test's own, and what a user does in it.

use serde_json::Value;

use crate::api;
use crate::cluster::{SYSTEM, drivers, kubectl, so, try_kubectl, try_run, wait_for};

/// A namespace that goes with the test. A test that fails shows first what is in it.
pub(crate) struct Place {
    pub(crate) name: String,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        kubectl(&["create", "namespace", name]);
        Self { name: name.to_owned() }
    }

    /// One that lets in no pod which Pod Security *restricted* would not.
    pub(crate) fn restricted(name: &str) -> Self {
        let place = Self::new(name);
        kubectl(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted"]);
        place
    }

    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        try_kubectl(&[&["-n", &self.name], args].concat())
    }

    pub(crate) fn apply(&self, yaml: &str) {
        try_run("kubectl", &["-n", &self.name, "apply", "-f", "-"], yaml).unwrap_or_else(|error| panic!("{error}"));
    }

    /// A shell's words in a pod.
    pub(crate) fn shell(&self, pod: &str, script: &str) -> String {
        self.try_shell(pod, script).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn try_shell(&self, pod: &str, script: &str) -> Result<String, String> {
        self.try_kubectl(&["exec", pod, "-c", "app", "--", "sh", "-c", script])
    }

    fn path(&self, kind: &str, name: &str) -> String {
        format!("/api/v1/namespaces/{}/{kind}/{name}", self.name)
    }

    pub(crate) fn claim(&self, name: &str) -> Option<Value> {
        api::get(&self.path("persistentvolumeclaims", name))
    }

    pub(crate) fn pod(&self, name: &str) -> Option<Value> {
        api::get(&self.path("pods", name))
    }

    pub(crate) fn ready(&self, pod: &str) {
        self.ready_within(pod, 60);
    }

    pub(crate) fn ready_within(&self, name: &str, seconds: u64) {
        wait_for(&format!("pod {}/{name} is ready", self.name), seconds, || {
            let status = self.pod(name).map(|pod| pod["status"].clone()).unwrap_or_default();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            so(conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"), &status)
        });
    }

    /// The node that a pod runs on.
    pub(crate) fn node_of(&self, pod: &str) -> String {
        self.pod(pod).unwrap()["spec"]["nodeName"].as_str().unwrap().to_owned()
    }

    /// The volume that a claim is bound to.
    pub(crate) fn volume_of(&self, claim: &str) -> String {
        self.claim(claim).unwrap()["spec"]["volumeName"].as_str().unwrap().to_owned()
    }

    pub(crate) fn patch_size(&self, claim: &str, size: &str) {
        let patch = format!(r#"{{"spec":{{"resources":{{"requests":{{"storage":"{size}"}}}}}}}}"#);
        self.kubectl(&["patch", "pvc", claim, "-p", &patch]);
    }

    /// What the claim says that it has.
    pub(crate) fn has_size(&self, claim: &str, size: &str, seconds: u64) {
        wait_for(&format!("claim {claim} has {size}"), seconds, || {
            let status = self.claim(claim).unwrap()["status"].clone();
            so(status["capacity"]["storage"] == size, &status)
        });
    }

    pub(crate) fn delete_pod(&self, pod: &str) {
        self.kubectl(&["delete", "pod", pod, "--wait=false"]);
        wait_for(&format!("pod {pod} is gone"), 60, || {
            self.pod(pod).map_or(Ok(()), |pod| Err(pod["status"].to_string()))
        });
    }

    /// Deletes a claim; its volume is gone when this returns.
    pub(crate) fn delete_claim(&self, claim: &str) {
        let volume = self.volume_of(claim);
        self.kubectl(&["delete", "pvc", claim, "--wait=false"]);
        volume_is_gone(&volume);
    }

    /// Waits for an event in this namespace: of a reason, about an object, with some words.
    pub(crate) fn event(&self, reason: &str, object: &str, words: &[&str], seconds: u64) -> Value {
        let path = format!("/api/v1/namespaces/{}/events", self.name);
        wait_for(&format!("event {reason} on {object} with {words:?}"), seconds, || {
            let events = api::items(&path);
            let text =
                |event: &Value, at: &str| event.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
            let fits = |event: &&Value| {
                let message = text(event, "/message");
                text(event, "/reason") == reason
                    && text(event, "/involvedObject/name") == object
                    && words.iter().all(|word| message.contains(word))
            };
            let all = || {
                events
                    .iter()
                    .map(|one| format!("\n{} {} {}", one["involvedObject"]["name"], one["reason"], one["message"]))
            };
            events.iter().find(fits).cloned().ok_or_else(|| all().collect())
        })
    }
}

pub(crate) fn volume_is_gone(volume: &str) {
    wait_for(&format!("volume {volume} is gone"), 60, || {
        let left = api::get(&format!("/api/v1/persistentvolumes/{volume}"));
        left.map_or(Ok(()), |left| Err(left["status"].to_string()))
    });
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let show = |args: &[&str]| {
                eprintln!("$ kubectl {}\n{}", args.join(" "), try_kubectl(args).unwrap_or_else(|error| error))
            };
            show(&["-n", &self.name, "describe", "pods,pvc"]);
            show(&["-n", &self.name, "get", "events", "--sort-by=.lastTimestamp"]);
            for (_, pod) in drivers() {
                show(&["-n", SYSTEM, "logs", &pod, "--all-containers", "--prefix", "--tail=40"]);
            }
        }
        let _ = try_kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
