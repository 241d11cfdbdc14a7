//! Two nodes: each has its own volumes, and its own capacity.

use serde_json::Value;

use crate::api;
use crate::cluster::{DRIVER, SYSTEM, drivers, files_of, kubectl, nodes, so, ullage, wait_for};
use crate::place::Place;
use crate::shapes::{Claim, Pod};

/// The capacity that is known for a node: one for each class, with the class and the number.
pub(crate) fn capacities(node: &str) -> Vec<(String, String)> {
    let all = api::items(&format!("/apis/storage.k8s.io/v1/namespaces/{SYSTEM}/csistoragecapacities"));
    let of_node = |capacity: &&Value| {
        let labels = &capacity["nodeTopology"]["matchLabels"];
        labels.as_object().is_some_and(|labels| labels.values().any(|value| value == node))
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter().filter(of_node).map(|one| (text(&one["storageClassName"]), text(&one["capacity"]))).collect()
}

#[test]
fn a_volume_lies_on_the_node_of_its_pod_and_nowhere_else() {
    let place = Place::new("nodes");
    let nodes = nodes();
    for node in &nodes {
        let (claim, selector) = (format!("on-{node}"), format!("nodeName: {node}"));
        // A pod that names its node goes past the scheduler, which would have chosen one for the claim.
        let selector = selector.replace("nodeName", "nodeSelector: { kubernetes.io/hostname") + " }";
        place.apply(&Claim::new(&claim, "ullage-sparse", "320Mi").yaml());
        place.apply(&Pod { spec: &selector, ..Pod::new(&claim, &claim) }.yaml());
    }
    for node in &nodes {
        let claim = format!("on-{node}");
        place.ready(&claim);
        let volume = place.volume_of(&claim);
        let affinity =
            api::get(&format!("/api/v1/persistentvolumes/{volume}")).unwrap()["spec"]["nodeAffinity"].to_string();
        assert!(affinity.contains(&format!("\"{node}\"")), "{affinity}");
        for other in &nodes {
            assert_eq!(ullage(other, &["volume", "list"]).contains(&volume), other == node, "{volume} on {other}");
        }
    }
    // Each deletes its own, and only that.
    let volumes: Vec<_> = nodes.iter().map(|node| place.volume_of(&format!("on-{node}"))).collect();
    place.delete_pod(&format!("on-{}", nodes[0]));
    place.delete_claim(&format!("on-{}", nodes[0]));
    assert!(!ullage(&nodes[0], &["volume", "list"]).contains(&volumes[0]));
    assert!(files_of(&nodes[0], "/var/lib/ullage", &volumes[0]).is_empty());
    if let [_, other, ..] = &nodes[..] {
        assert!(ullage(other, &["volume", "list"]).contains(&volumes[1]));
        place.shell(&format!("on-{other}"), "echo there >/data/file && cat /data/file");
    }
}

/// The capacity belongs to the driver's pod: it goes with it, and comes again.
#[test]
fn a_node_without_a_driver_has_no_capacity() {
    for node in nodes() {
        assert!(capacities(&node).iter().any(|(class, capacity)| class == "ullage" && capacity != "0"), "{node}");
    }
    let owners = api::items(&format!("/apis/storage.k8s.io/v1/namespaces/{SYSTEM}/csistoragecapacities"));
    let pods: Vec<_> = drivers().into_iter().map(|(_, pod)| pod).collect();
    for capacity in owners {
        let owner = &capacity["metadata"]["ownerReferences"][0];
        assert_eq!(owner["kind"], "Pod", "{capacity}");
        assert!(pods.iter().any(|pod| owner["name"] == pod.as_str()), "{owner}, of {pods:?}");
    }
}

/// A node that is gone for good takes its capacity with it: played by keeping the driver from one node.
pub(crate) fn a_node_that_is_gone_takes_its_capacity_with_it() {
    let nodes = nodes();
    let Some(last) = nodes.get(1) else { return };
    let patch = format!(
        r#"{{"spec":{{"template":{{"spec":{{"affinity":{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":[{{"matchExpressions":[{{"key":"kubernetes.io/hostname","operator":"NotIn","values":["{last}"]}}]}}]}}}}}}}}}}}}}}"#
    );
    kubectl(&["patch", "-n", SYSTEM, "daemonset/ullage", "-p", &patch]);
    wait_for("no capacity is left of a node without driver", 60, || so(capacities(last).is_empty(), capacities(last)));
    wait_for("its CSINode has no driver", 60, || {
        let known = api::get(&format!("/apis/storage.k8s.io/v1/csinodes/{last}")).unwrap();
        so(!known["spec"].to_string().contains(DRIVER), &known["spec"])
    });
}
