//! What lies in `manifests/`, as a user applies it.

use crate::cluster::{kubectl, project, so, wait_for};
use crate::place::Place;
use crate::shapes::app_image;

/// The chart, rendered without a value: this API server would take all of it, and finds nothing to warn of in it.
#[test]
fn the_manifests_are_taken() {
    let directory = project("manifests");
    let said = kubectl(&[
        "apply",
        "-k",
        directory.to_str().unwrap(),
        "--dry-run=server",
        "--server-side",
        "--force-conflicts",
    ]);
    assert!(said.contains("daemonset.apps/ullage serverside-applied"), "{said}");
    let injection = directory.join("injection.yaml");
    kubectl(&["apply", "-f", injection.to_str().unwrap(), "--dry-run=server", "--server-side", "--force-conflicts"]);
}

#[test]
fn each_example_becomes_ready() {
    let place = Place::new("examples");
    // app.yaml has a test of its own.
    let (names, images) = (["annotated", "block", "ephemeral", "file", "statefulset"], app_image());
    for name in names {
        let yaml = std::fs::read_to_string(project(&format!("manifests/examples/{name}.yaml"))).unwrap();
        place.apply(&yaml.replace("busybox:1", &images));
    }
    let path = format!("/api/v1/namespaces/{}/pods", place.name);
    wait_for("all pods of the examples are ready", 90, || {
        let pods = crate::api::items(&path);
        let is_ready = |pod: &serde_json::Value| {
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            conditions.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
        };
        let missing: Vec<_> =
            pods.iter().filter(|pod| !is_ready(pod)).map(|pod| pod["metadata"]["name"].to_string()).collect();
        so(pods.len() > names.len() && missing.is_empty(), (pods.len(), missing))
    });
    place.kubectl(&["delete", "deployment,statefulset,pod,pvc", "--all", "--wait=false"]);
    wait_for("nothing of the examples is left", 90, || {
        let claims = crate::api::items(&format!("/api/v1/namespaces/{}/persistentvolumeclaims", place.name));
        so(claims.is_empty(), claims.len())
    });
}
