//! `helm install`, and everything becomes ready: the first part of the tests.

use crate::cluster::{DRIVER, RELEASE, SYSTEM, is_existing, kubectl, nodes, patience, project, so, wait_for};
use crate::{api, page};

/// More pools and their classes, for `disks`. Nodes of somebody else's need not have their directories.
const DISKS: &str = "--set pools[1].name=late,pools[1].path=/srv/late,pools[1].requireMountPoint=true \
    --set pools[2].name=small,pools[2].path=/srv/small,pools[2].requireMountPoint=true \
    --set storageClasses[3].name=ullage-late,storageClasses[3].parameters.pool=late \
    --set storageClasses[4].name=ullage-small,storageClasses[4].parameters.pool=small";

/// What `helm` is told besides the values of the tests: what only a cluster of their own has, or what `E2E_HELM` says.
pub(crate) fn more() -> String {
    if is_existing() { std::env::var("E2E_HELM").unwrap_or_default() } else { DISKS.to_owned() }
}

/// What `helm` is told of the chart: the values of the tests, and [`more`].
pub(crate) fn with_values<'a>(words: &[&'a str], values: &'a str, more: &'a str) -> Vec<&'a str> {
    let mut all = [words, &["-n", SYSTEM, "-f", values]].concat();
    all.extend(more.split_whitespace());
    all
}

#[test]
fn helm_installs_it_and_everything_is_ready() {
    let values = project("tests/e2e/values.yaml");
    let said = page::install(values.to_str().unwrap(), &more());
    assert!(said.contains("STATUS: deployed"), "{said}");
    is_rolled_out();

    let driver = api::get(&format!("/apis/storage.k8s.io/v1/csidrivers/{DRIVER}")).expect("there is a CSIDriver");
    assert_eq!(driver["spec"]["storageCapacity"], true, "{driver}");
    for node in nodes() {
        knows_driver(&node);
    }
}

/// What is tested is what a user gets.
#[test]
fn the_chart_names_the_sidecars_of_this_cluster() {
    let read = |path: &str| std::fs::read_to_string(project(path)).unwrap();
    let (values, modules) = (read("charts/ullage/values.yaml"), read("tests/e2e/tools/go.mod"));
    for sidecar in ["provisioner", "resizer"] {
        let module = format!("github.com/kubernetes-csi/external-{sidecar}/");
        let line = modules.lines().find(|line| line.contains(&module) && !line.contains("/cmd/")).expect(&module);
        let version = line.split_whitespace().nth(1).expect(line);
        let image = values.split_once(&format!("/csi-{sidecar}\n")).expect(sidecar).1;
        let tag = image.lines().find_map(|line| line.trim().strip_prefix("tag: ")).expect(image);
        assert_eq!(tag, version, "csi-{sidecar}");
    }
}

/// Every node has a driver that is ready.
pub(crate) fn is_rolled_out() {
    let timeout = format!("--timeout={}s", patience(120).as_secs());
    kubectl(&["rollout", "status", "-n", SYSTEM, &format!("daemonset/{RELEASE}"), &timeout]);
}

/// The driver has registered itself, and made known what can be provisioned.
fn knows_driver(node: &str) {
    wait_for(&format!("{node} has the driver and its topology"), 30, || {
        let known = api::get(&format!("/apis/storage.k8s.io/v1/csinodes/{node}")).ok_or("there is no CSINode")?;
        let drivers = known["spec"]["drivers"].as_array().cloned().unwrap_or_default();
        so(drivers.iter().any(|one| one["name"] == DRIVER && one["nodeID"] == node), &known["spec"])
    });
    wait_for(&format!("the capacity of {node}"), 60, || {
        let capacities = crate::nodes::capacities(node);
        so(capacities.len() == if is_existing() { 3 } else { 5 }, &capacities)
    });
}
