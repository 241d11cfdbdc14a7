//! docs/operations.md, followed to the letter, and the README's short way: most of it disturbs others, and is part of `last`.

use std::path::PathBuf;

use serde_json::Value;

use crate::api;
use crate::cluster::{
    DRIVER, RELEASE, SYSTEM, drivers, files_of, helm, is_existing, kubectl, nodes, patience, project, so, sockets_of,
    ullage, wait_for,
};
use crate::install::{is_rolled_out, more};
use crate::nodes::capacities;
use crate::page::{Example, installing};
use crate::place::{Place, volume_is_gone};
use crate::shapes::{Claim, Pod, app_image};
use crate::snippets::{KUBERNETES, OPERATIONS, README, filled, follow, take, try_follow};

#[test]
fn an_operator_looks_at_it_as_the_page_says() {
    let place = Place::new("page-looking");
    place.apply(&(Claim::new("data", "ullage-sparse", "320Mi").yaml() + &Pod::new("app", "data").yaml()));
    place.ready("app");
    let (node, volume) = (place.node_of("app"), place.volume_of("data"));
    let (_, pod) = drivers().into_iter().find(|(of, _)| *of == node).expect("each node has a driver");
    let look = take(OPERATIONS, "Looking at it", "ullage volume inspect");
    let said = follow(&filled(&look, &[("POD", &pod), ("pvc-...", &volume)]));
    assert!(said.contains(&node) && said.matches(&volume).count() >= 2, "{said}");
    place.delete_pod("app");
    place.delete_claim("data");
}

/// The README's block as a whole, by somebody who has nothing yet.
pub(crate) fn the_short_way_of_the_readme_works() {
    let example = Example;
    let values = project("tests/e2e/values.yaml");
    let commands = take(README, "On Kubernetes", "helm install");
    let own = more();
    let said = follow(&installing(&commands, values.to_str().unwrap(), &own));
    assert!(said.contains("persistentvolumeclaim/data patched") && said.contains("NAME"), "{said}");
    example.has_grown();
}

/// An application that is made anew where it was: its pod is `NAME-0`.
fn stateful(name: &str, claim: &str, node: &str) -> String {
    let image = app_image();
    format!(
        "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{ name: {name} }}
spec:
  serviceName: {name}
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {{ kubernetes.io/hostname: {node} }}
      containers:
        - name: app
          image: {image}
          command: [sh, -c, \"trap 'exit 0' TERM; while :; do sleep 1; done\"]
          volumeMounts: [{{ name: data, mountPath: /data }}]
      volumes: [{{ name: data, persistentVolumeClaim: {{ claimName: {claim} }} }}]
"
    )
}

/// Only in a cluster of the tests' own: in another one somebody's applications are on its nodes.
pub(crate) fn a_drained_node_keeps_its_volumes_and_a_removed_one_leaves_no_objects() {
    let nodes = nodes();
    let [_, node, ..] = &nodes[..] else { return };
    if is_existing() {
        return;
    }
    let place = Place::new("removed");
    for claim in ["data", "other"] {
        place.apply(&(Claim::new(claim, "ullage-sparse", "320Mi").yaml() + &stateful(claim, claim, node)));
    }
    ["data-0", "other-0"].iter().for_each(|pod| place.ready(pod));
    place.shell("data-0", "echo there >/data/file; sync");
    is_drained(&place, node);
    is_removed(&place, node);
}

fn is_drained(place: &Place, node: &str) {
    let spoken = |words: &str| filled(&take(OPERATIONS, "Cordon and drain", words), &[("NODE", node)]);
    follow(&spoken("kubectl cordon NODE"));
    assert_eq!(place.shell("data-0", "cat /data/file").trim(), "there", "what runs goes on");

    // A pod without an owner keeps a node from being drained.
    wait_for("no other test has a pod there", 60, || {
        let on = |pod: &&Value| pod["spec"]["nodeName"] == node && pod["metadata"]["ownerReferences"].is_null();
        let pods = api::items("/api/v1/pods");
        so(
            pods.iter().filter(on).count() == 0,
            pods.iter().filter(on).map(|pod| &pod["metadata"]["name"]).collect::<Vec<_>>(),
        )
    });
    follow(&spoken("kubectl drain NODE"));
    place.event("FailedScheduling", "data-0", &[], 60);
    let volume = place.volume_of("data");
    wait_for("the volume is there, and mounted nowhere", 60, || {
        let said = ullage(node, &["volume", "inspect", &volume, "-o", "json"]);
        so(serde_json::from_str::<Value>(&said).expect(&said)["mounts"] == serde_json::json!([]), said)
    });

    follow(&spoken("kubectl uncordon NODE"));
    ["data-0", "other-0"].iter().for_each(|pod| place.ready(pod));
    assert_eq!(place.shell("data-0", "cat /data/file").trim(), "there");
}

/// One claim is deleted before the node, as it should be; the other one is what is forgotten.
fn is_removed(place: &Place, node: &str) {
    let (deleted, left) = (place.volume_of("data"), place.volume_of("other"));
    let names = [("NODE", node), ("NAMESPACE", &place.name), ("CLAIM", "data")];
    let said = follow(&filled(&take(OPERATIONS, "Removing a node", "kubectl delete node"), &names));
    assert!(said.contains(&deleted) && said.contains(&left), "{said}");
    assert!(!nodes().contains(&node.to_owned()));
    volume_is_gone(&deleted);
    assert_eq!(files_of(node, "/var/lib/ullage", &deleted), [] as [PathBuf; 0]);

    wait_for("its driver is gone", 180, || so(drivers().iter().all(|(of, _)| of != node), drivers()));
    // Of a node that is gone the pod's object goes by force, and its containers some time later: until then they delete what
    // they are asked to.
    wait_for("its driver takes no more calls", 180, || so(sockets_of(node).is_empty(), sockets_of(node)));
    wait_for("what it said of its room is gone", 60, || so(capacities(node).is_empty(), capacities(node)));
    let names = [("NAMESPACE", place.name.as_str()), ("CLAIM", "other"), ("PV", &left)];
    follow(&filled(&take(OPERATIONS, "Removing a node", "kubectl delete pv PV"), &names));
    volume_is_gone(&left);
}

/// Refused: and what the page says of how to go on from there.
pub(crate) fn an_uninstall_is_refused_and_taken_back(volume: &str) {
    let uninstall = take(OPERATIONS, "Uninstalling", "helm uninstall ullage -n ullage-system");
    let timeout = format!(" --timeout={}s", patience(60).as_secs());
    let refused = try_follow(&(uninstall + &timeout)).expect_err("there is a volume");
    // Helm prints what the Job says: nobody has to look for its log.
    assert!(refused.contains("would be left without a driver") && refused.contains(volume), "{refused}");

    let history = helm(&["history", RELEASE, "-n", SYSTEM]);
    let last = history.lines().last().and_then(|line| line.split_whitespace().next()).expect(&history);
    follow(&filled(&take(OPERATIONS, "Uninstalling", "helm history"), &[("REVISION", last)]));
    let status = helm(&["status", RELEASE, "-n", SYSTEM]);
    assert!(status.contains("STATUS: deployed"), "{status}");
    is_rolled_out();
    follow(&take(OPERATIONS, "Uninstalling", "delete job ullage-uninstall"));
}

/// The table of what stays.
pub(crate) fn what_stays_after_uninstalling_goes() {
    follow(&take(OPERATIONS, "Uninstalling", "kubectl label nodes"));
    let labels = kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.labels}"]);
    assert!(!labels.contains("csi.ullage.dev"), "{labels}");
    follow(&take(OPERATIONS, "Uninstalling", "delete lease"));
    let rmdir = take(OPERATIONS, "Uninstalling", "rmdir");
    // The tests run in the first node of their own cluster; the files of the others are in reach.
    if !is_existing() {
        let state = std::env::var("E2E_STATE").expect("tests/e2e/run says where the nodes are");
        for node in nodes() {
            follow(&rmdir.replace("/var/lib/kubelet", &format!("{state}/{node}/var/lib/kubelet")));
            assert_eq!(files_of(&node, "/var/lib/kubelet", DRIVER), [] as [PathBuf; 0]);
        }
    }
    follow(&take(OPERATIONS, "Uninstalling", "kubectl delete namespace"));
}

/// Without asking; and the driver that comes back is one without Helm.
pub(crate) fn volumes_outlive_the_driver_and_another_serves_them() {
    // Its images may be elsewhere, and manifests have no values.
    if is_existing() {
        return;
    }
    let place = Place::new("kept");
    place.apply(&(Claim::new("data", "ullage", "320Mi").yaml() + &Pod::new("app", "data").yaml()));
    place.ready("app");
    // Of a class of somebody's, whose name says nothing.
    let class = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: { name: fast }\n\
        volumeBindingMode: WaitForFirstConsumer\nprovisioner: ";
    let claim = Claim::new("other", "fast", "32Mi").yaml_for(&place.node_of("app"));
    place.apply(&format!("{class}{DRIVER}\n{claim}"));
    wait_for("a claim of another class is bound", 30, || {
        so(place.claim("other").unwrap()["status"]["phase"] == "Bound", place.claim("other"))
    });
    follow(&take(OPERATIONS, "Uninstalling", "--no-hooks"));
    wait_for("the driver is gone", 60, || so(drivers().is_empty(), drivers()));
    place.shell("app", "echo there >/data/file; sync");

    follow(&take(KUBERNETES, "Installing", "kubectl apply -k manifests"));
    follow(&take(KUBERNETES, "Installing", "kubectl apply -f manifests/injection.yaml"));
    is_rolled_out();
    place.patch_size("data", "400Mi");
    place.has_size("data", "400Mi", 60);
    follow(&take(OPERATIONS, "Upgrading", "kubectl delete storageclass"));
    is_rolled_out();
    assert_eq!(place.shell("app", "cat /data/file").trim(), "there");
    place.delete_pod("app");
    place.delete_claim("data");

    // As long as anything is found, it may not go.
    let look = take(OPERATIONS, "Uninstalling", "kubectl get pv");
    let (found, volume) = (follow(&look), place.volume_of("other"));
    assert!(found.contains(&volume) && found.lines().count() == 1, "{found}");
    place.delete_claim("other");
    kubectl(&["delete", "storageclass", "fast"]);
    try_follow(&look).expect_err("there is no volume");
    follow(&take(OPERATIONS, "Uninstalling", "kubectl delete -f manifests/injection.yaml"));
    follow(&take(OPERATIONS, "Uninstalling", "kubectl delete -k manifests"));
    wait_for("the driver is gone", 60, || so(drivers().is_empty(), drivers()));
}
