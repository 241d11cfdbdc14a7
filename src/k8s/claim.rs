use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimStatus};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use time::OffsetDateTime;

use super::quantity::bytes;
use crate::model::Bytes;

/// What matters of a PersistentVolumeClaim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// When it was made.
    pub created: Option<OffsetDateTime>,
    /// What it asks for (`spec.resources.requests.storage`).
    pub request: Bytes,
    /// What its volume has (`status.capacity`); nothing before it is bound.
    pub capacity: Bytes,
    pub(super) version: Option<String>,
    /// The size that the resizer has taken up (`status.allocatedResources`); clusters before 1.34 may not tell.
    allocated: Option<Bytes>,
    /// What went wrong with growing, as it stands there now.
    pub(super) troubles: Vec<Trouble>,
    /// How far it has come, in words.
    progress: Option<String>,
}

/// Something that the resizer or the kubelet reports to have failed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Trouble {
    /// The condition's type, or the state of the resource.
    kind: String,
    message: String,
    since: Option<String>,
}

/// How it stands with a size that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Done,
    /// There is no room for it.
    NoRoom(String),
    /// It will never be, for another reason.
    Never(String),
    /// What it waits for.
    Waiting(String),
}

const STORAGE: &str = "storage";
/// The codes of CSI by which a driver says that there is no room, as they stand in a condition's message.
const NO_ROOM: [&str; 2] = ["OutOfRange", "ResourceExhausted"];
/// Those that are final for another reason.
const FINAL: [&str; 2] = ["InvalidArgument", "NotFound"];

impl Claim {
    pub(super) fn of(found: &PersistentVolumeClaim) -> Self {
        let default = PersistentVolumeClaimStatus::default();
        let status = found.status.as_ref().unwrap_or(&default);
        let requests = found.spec.as_ref().and_then(|spec| spec.resources.as_ref()?.requests.as_ref());
        let storage = |amounts: &std::collections::BTreeMap<String, Quantity>| amounts.get(STORAGE).and_then(bytes);
        Self {
            name: found.metadata.name.clone().unwrap_or_default(),
            uid: found.metadata.uid.clone().unwrap_or_default(),
            created: found
                .metadata
                .creation_timestamp
                .as_ref()
                .and_then(|made| OffsetDateTime::from_unix_timestamp(made.0.as_second()).ok()),
            request: requests.and_then(storage).unwrap_or_default(),
            capacity: status.capacity.as_ref().and_then(storage).unwrap_or_default(),
            version: found.metadata.resource_version.clone(),
            allocated: status.allocated_resources.as_ref().and_then(storage),
            troubles: troubles(status),
            progress: progress(status),
        }
    }

    /// How it stands with growing to `size`, apart from what was wrong before that was asked for.
    pub(super) fn verdict(&self, size: Bytes, stale: &[Trouble]) -> Verdict {
        if self.capacity >= size {
            return Verdict::Done;
        }
        // Of an earlier, smaller wish: the resizer has not taken up this one.
        let is_ours = self.allocated.is_none_or(|allocated| allocated >= size);
        let fresh: Vec<&Trouble> = self.troubles.iter().filter(|trouble| is_ours && !stale.contains(trouble)).collect();
        let has = |codes: [&str; 2]| fresh.iter().find(|t| codes.iter().any(|code| t.message.contains(code)));
        if let Some(trouble) = has(NO_ROOM) {
            return Verdict::NoRoom(trouble.to_string());
        }
        if let Some(trouble) = has(FINAL) {
            return Verdict::Never(trouble.to_string());
        }
        // Without a message: of the three codes that are infeasible, only that of room comes from a size alone.
        if let Some(trouble) = fresh.iter().find(|trouble| is_infeasible(&trouble.kind)) {
            return Verdict::NoRoom(trouble.to_string());
        }
        let trouble = fresh.first().map(ToString::to_string);
        let waiting = trouble.or_else(|| self.progress.clone());
        Verdict::Waiting(waiting.unwrap_or_else(|| "the claim asks for it; nobody has begun to resize yet".to_owned()))
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

fn troubles(status: &PersistentVolumeClaimStatus) -> Vec<Trouble> {
    let conditions = status.conditions.iter().flatten().filter(|condition| {
        condition.status == "True" && matches!(condition.type_.as_str(), "NodeResizeError" | "ControllerResizeError")
    });
    let of_conditions = conditions.map(|condition| Trouble {
        kind: condition.type_.clone(),
        message: condition.message.clone().or_else(|| condition.reason.clone()).unwrap_or_default(),
        since: condition.last_transition_time.as_ref().map(|time| format!("{time:?}")),
    });
    let state = resource_state(status).filter(|state| is_infeasible(state));
    let of_state = state.map(|state| Trouble {
        kind: state.to_owned(),
        message: "the driver says that it cannot be done".to_owned(),
        since: status.allocated_resources.as_ref().and_then(|amounts| Some(amounts.get(STORAGE)?.0.clone())),
    });
    of_conditions.chain(of_state).collect()
}

/// `…Failed` until Kubernetes 1.31, `…Infeasible` since.
fn is_infeasible(kind: &str) -> bool {
    kind.ends_with("ResizeInfeasible") || kind.ends_with("ResizeFailed")
}

fn resource_state(status: &PersistentVolumeClaimStatus) -> Option<&str> {
    status.allocated_resource_statuses.as_ref()?.get(STORAGE).map(String::as_str)
}

fn progress(status: &PersistentVolumeClaimStatus) -> Option<String> {
    let is_on = |name: &str| {
        let mut conditions = status.conditions.iter().flatten();
        conditions.any(|condition| condition.type_ == name && condition.status == "True")
    };
    if is_on("FileSystemResizePending") || resource_state(status).is_some_and(|state| state.starts_with("Node")) {
        return Some("the node has still to grow it (the kubelet looks about once a minute)".to_owned());
    }
    (is_on("Resizing") || resource_state(status).is_some()).then(|| "it is being resized".to_owned())
}

#[cfg(test)]
impl Claim {
    /// One of which nothing else is known.
    pub(crate) fn bare(name: &str, request: Bytes, capacity: Bytes) -> Self {
        let (name, uid, version) = (name.to_owned(), format!("uid-of-{name}"), None);
        let (created, allocated, progress) = (None, None, None);
        Self { name, uid, created, request, capacity, version, allocated, troubles: Vec::new(), progress }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(status: Value) -> Claim {
        Claim::of(&serde_json::from_value(json!({"metadata": {"name": "data"}, "status": status})).unwrap())
    }

    fn failed(kind: &str, message: &str) -> Value {
        json!([{"type": kind, "status": "True", "message": message, "lastTransitionTime": "2026-01-01T00:00:00Z"}])
    }

    #[test]
    fn a_verdict_is_read_from_what_the_claim_shows() {
        let out = "rpc error: code = OutOfRange desc = 3Gi are left";
        let cases = [
            (json!({"capacity": {"storage": "4Gi"}}), "done"),
            (json!({"capacity": {"storage": "2Gi"}}), "waiting"),
            (json!({}), "waiting"),
            (json!({"conditions": failed("NodeResizeError", out)}), "no room"),
            (json!({"conditions": failed("ControllerResizeError", out)}), "no room"),
            (
                json!({"conditions": failed("NodeResizeError", out), "allocatedResources": {"storage": "3Gi"}}),
                "waiting",
            ),
            (json!({"conditions": failed("NodeResizeError", "code = Unavailable")}), "waiting"),
            (json!({"conditions": failed("NodeResizeError", "code = InvalidArgument desc = no")}), "never"),
            (json!({"conditions": failed("FileSystemResizePending", "wait")}), "waiting"),
            (json!({"allocatedResourceStatuses": {"storage": "NodeResizeInfeasible"}}), "no room"),
            (json!({"allocatedResourceStatuses": {"storage": "ControllerResizeFailed"}}), "no room"),
            (json!({"allocatedResourceStatuses": {"storage": "NodeResizeInProgress"}}), "waiting"),
        ];
        for (status, expected) in cases {
            let found = match claim(status.clone()).verdict(Bytes::gib(4), &[]) {
                Verdict::Done => "done",
                Verdict::NoRoom(_) => "no room",
                Verdict::Never(_) => "never",
                Verdict::Waiting(_) => "waiting",
            };
            assert_eq!(found, expected, "{status}");
        }
    }

    #[test]
    fn what_was_wrong_before_is_no_answer() {
        let before = claim(json!({"conditions": failed("NodeResizeError", "code = OutOfRange")}));
        assert!(matches!(before.verdict(Bytes::gib(4), &before.troubles), Verdict::Waiting(_)));
    }
}
