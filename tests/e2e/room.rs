//! Claims and expansions for which there is no room.

use crate::api;
use crate::cluster::{nodes, so, ullage, wait_for};
use crate::nodes::capacities;
use crate::place::Place;
use crate::shapes::{Claim, Pod};

/// More than any machine of these tests has.
const MUCH: &str = "100Ti";

#[test]
fn a_claim_too_large_for_every_node_is_never_tried() {
    let place = Place::new("room-claim");
    place.apply(&(Claim::new("data", "ullage", MUCH).yaml() + &Pod::new("app", "data").yaml()));
    place.event("FailedScheduling", "app", &["did not have enough free storage"], 30);
    for node in nodes() {
        // A number, in bytes or a unit, and the reason why it is not scheduled there.
        let known = capacities(&node);
        assert!(
            known
                .iter()
                .any(|(class, capacity)| class == "ullage" && capacity.starts_with(|c: char| c.is_ascii_digit())),
            "{known:?}"
        );
        assert!(!ullage(&node, &["volume", "list"]).contains(MUCH));
    }
    assert_eq!(place.claim("data").unwrap()["status"]["phase"], "Pending");
}

#[test]
fn an_expansion_too_large_is_said_on_the_claim_and_lowered_takes_effect() {
    let place = Place::new("room-grow");
    place.apply(&(Claim::new("data", "ullage", "320Mi").yaml() + &Pod::new("app", "data").yaml()));
    place.ready("app");
    place.patch_size("data", MUCH);
    place.event("VolumeResizeFailed", "app", &["OutOfRange"], 30);
    place.event("ExpansionRefused", "data", &[], 10);
    place.event("ExpansionRefused", "app", &[], 10);
    refused(&place);

    // Lowered at once: it recovers.
    place.patch_size("data", "400Mi");
    place.has_size("data", "400Mi", 60);
    nothing_is_refused(&place);

    // A pod restarted meanwhile starts, with what it has.
    place.patch_size("data", MUCH);
    refused(&place);
    restart(&place);
    assert_eq!(place.claim("data").unwrap()["status"]["capacity"]["storage"], "400Mi");
    place.shell("app", "echo there >/data/file");

    // That pod's kubelet does not ask again: what is lowered now takes effect when the next one starts.
    place.patch_size("data", "500Mi");
    restart(&place);
    place.has_size("data", "500Mi", 60);
    nothing_is_refused(&place);
    assert_eq!(place.shell("app", "cat /data/file").trim(), "there");
}

fn restart(place: &Place) {
    place.delete_pod("app");
    place.apply(&Pod::new("app", "data").yaml());
    place.ready("app");
}

pub(crate) fn nothing_is_refused(place: &Place) {
    wait_for("nothing is refused any more", 30, || {
        let status = place.claim("data").unwrap()["status"].clone();
        so(!status.to_string().contains("NodeResize"), &status)
    });
}

/// The condition on the claim: it lasts, and has the reason.
fn refused(place: &Place) {
    wait_for("the claim says that the expansion is refused", 30, || {
        let status = place.claim("data").unwrap()["status"].clone();
        let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
        so(conditions.iter().any(|one| one["type"] == "NodeResizeError" && one["status"] == "True"), &status)
    });
}

/// What the scheduler knows may be older than what the node has: then the node refuses with the numbers, and the claim says so.
/// Played by a claim that is bound to a node by hand, as a scheduler would that knows nothing.
#[test]
fn a_node_that_has_no_room_says_how_much_it_has() {
    let place = Place::new("room-stale");
    let node = &nodes()[0];
    place.apply(&Claim::new("data", "ullage", MUCH).yaml_for(node));
    let event = place.event("ProvisioningFailed", "data", &["ResourceExhausted"], 30);
    let message = event["message"].as_str().unwrap();
    assert!(message.chars().filter(char::is_ascii_digit).count() > 4, "{message}");
    // And it gives the choice back to the scheduler.
    wait_for("another node may be chosen", 30, || {
        let annotations = place.claim("data").unwrap()["metadata"]["annotations"].clone();
        so(annotations["volume.kubernetes.io/selected-node"].is_null(), &annotations)
    });
    assert!(
        api::items("/api/v1/persistentvolumes").iter().all(|one| one["spec"]["claimRef"]["namespace"] != "room-stale")
    );
}
