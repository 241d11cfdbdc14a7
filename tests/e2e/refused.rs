//! What the quota API refuses in a pod, where a real API server and a real kubelet say no.

use serde_json::{Value, json};

use crate::alert::{injected, may_grow, resize};
use crate::cluster::{is_existing, so, wait_for};
use crate::place::Place;
use crate::room::nothing_is_refused;

const MIB: u64 = 1 << 20;

#[test]
fn who_may_not_patch_the_claim_hears_403_and_may_again_with_the_role() {
    let place = injected("refused-role");
    place.kubectl(&["delete", "role", "grow"]);
    // The API server forgets a moment later.
    let account = format!("--as=system:serviceaccount:{}:default", place.name);
    wait_for("the pod may not read its claim", 30, || {
        let said = place.try_kubectl(&["auth", "can-i", "get", "pvc/data", &account]).unwrap_or_else(|error| error);
        so(!said.contains("yes"), said)
    });
    let (status, answer) = resize(&place, "app", 400);
    assert_eq!(status, 403, "{answer}");
    let error = only_error(&answer);
    assert!(error.contains("persistentvolumeclaims \"data\" is forbidden"), "{error}");
    assert_eq!(request(&place), "320Mi", "the claim is as it was");

    place.apply(&may_grow("data"));
    wait_for("the same is granted", 30, || {
        let (status, answer) = resize(&place, "app", 400);
        so(matches!(status, 200 | 202), answer)
    });
    place.has_size("data", "400Mi", 60);
    place.delete_pod("app");
    place.delete_claim("data");
}

#[test]
fn what_no_node_has_is_507_and_the_claim_asks_for_it_no_more() {
    // A kubelet that looks once a minute has not answered after the 20 s that the quota API waits: that is a 202.
    if is_existing() {
        return;
    }
    let place = injected("refused-room");
    // 100 TiB: more than any machine of these tests has.
    let (status, answer) = resize(&place, "app", 100 << 20);
    assert_eq!(status, 507, "{answer}");
    // The API server lowers a claim to no less than this: what the volume has, and 4096 bytes.
    let lowered = 320 * MIB + 4096;
    let reason = answer["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("OutOfRange") && reason.contains(&format!("lowered to {lowered} bytes")), "{answer}");
    assert_eq!(answer, json!({ "error": "Insufficient host disk space", "reason": reason }));
    assert_eq!(request(&place), format!("{}Ki", lowered >> 10));
    // So much it gets, nothing is refused any more, and what fits is granted.
    place.has_size("data", &request(&place), 60);
    nothing_is_refused(&place);
    let (status, answer) = resize(&place, "app", 400);
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    place.has_size("data", "400Mi", 60);
    place.delete_pod("app");
    place.delete_claim("data");
}

/// The body of an error without a `code`, as docs/quota-api.md has it: that and nothing else.
fn only_error(answer: &Value) -> String {
    let error = answer["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(*answer, json!({ "error": error }));
    error
}

fn request(place: &Place) -> String {
    place.claim("data").unwrap()["spec"]["resources"]["requests"]["storage"].as_str().unwrap().to_owned()
}
