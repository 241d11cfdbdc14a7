//! What others would notice: one step after the other, when everything else is done. The driver is killed, upgraded, kept
//! from a node, and uninstalled, while a pod writes; then it comes back in the other ways that the pages know.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::api;
use crate::cluster::{
    DRIVER, RELEASE, SYSTEM, drivers, files_of, helm, is_existing, kubectl, nodes, patience, project, restarts, so,
    try_run, wait_for,
};
use crate::install::{is_rolled_out, more, with_values};
use crate::life::wrote_all;
use crate::operations::{
    a_drained_node_keeps_its_volumes_and_a_removed_one_leaves_no_objects, an_uninstall_is_refused_and_taken_back,
    the_short_way_of_the_readme_works, volumes_outlive_the_driver_and_another_serves_them,
    what_stays_after_uninstalling_goes,
};
use crate::place::Place;
use crate::shapes::{Claim, Pod};
use crate::snippets::{OPERATIONS, every_command_was_followed, filled, follow, take};

#[test]
fn step_0_nobody_was_refused_what_they_need() {
    nothing_was_forbidden();
}

/// The roles are as small as they are: here it shows whether they are too small for something.
fn nothing_was_forbidden() {
    for (_, pod) in drivers() {
        let log = kubectl(&["logs", "-n", SYSTEM, &pod, "--all-containers", "--prefix"]);
        assert!(log.contains("/provisioner]") && log.contains("/resizer]"), "{log}");
        // Nobody may make anything in a namespace that goes.
        let said: Vec<_> =
            log.lines().filter(|line| line.contains("is forbidden") && !line.contains("being terminated")).collect();
        assert!(said.is_empty(), "{said:#?}");
    }
}

#[test]
fn step_1_a_claim_costs_little_more_than_an_empty_directory_and_grows_in_ten_seconds() {
    crate::crowd::a_claim_costs_little_more_than_an_empty_directory_and_grows_in_ten_seconds();
}

/// A pod on the first node that writes all the time.
fn writer(name: &str) -> Place {
    let place = Place::new(name);
    let node = &nodes()[0];
    let selector = format!("nodeSelector: {{ kubernetes.io/hostname: {node} }}");
    place.apply(
        &(Claim::new("data", "ullage", "320Mi").yaml() + &Pod { spec: &selector, ..Pod::new("app", "data") }.yaml()),
    );
    place.ready("app");
    place.shell("app", "touch /tmp/write");
    place
}

/// It wrote all the while, ten lines a second; and what it has can still grow, and be given back.
fn goes_on(place: &Place) {
    let said = place.shell("app", "echo $(($(date +%s) - $(stat -c %Y /tmp/write)))");
    let seconds: u64 = said.trim().parse().expect(&said);
    let lines = wrote_all(place, "app") + 1;
    assert!(lines >= 5 * seconds, "only {lines} lines in {seconds} s: it stood still");
    place.patch_size("data", "400Mi");
    place.has_size("data", "400Mi", 60);
    place.delete_pod("app");
    place.delete_claim("data");
}

#[test]
fn step_2_the_driver_is_killed_under_a_writing_pod() {
    let place = writer("killed");
    let node = place.node_of("app");
    let (_, pod) = drivers().into_iter().find(|(of, _)| *of == node).expect("each node has a driver");
    let before = restarts(&pod);
    if is_existing() {
        kubectl(&["delete", "pod", "-n", SYSTEM, &pod, "--grace-period=0", "--force"]);
    } else {
        try_run("pkill", &["-KILL", "-f", "^ullage driver "], "").expect("the driver runs in these namespaces");
        wait_for("the driver is started again", 60, || so(restarts(&pod) > before, restarts(&pod)));
    }
    is_rolled_out();
    goes_on(&place);
}

#[test]
fn step_3_an_upgrade_under_a_writing_pod_loses_no_write() {
    let place = writer("upgraded");
    let before = drivers();
    // Of an earlier version the image is not here.
    let tag = concat!("image.tag=", env!("CARGO_PKG_VERSION"));
    upgrade(&previous(), &["--set", "podAnnotations.step=previous", "--set-string", tag]);
    let previous = drivers();
    // So that there is something to roll out where nothing else differs.
    let reuse = "--reset-then-reuse-values";
    let commands = take(OPERATIONS, "Upgrading", "helm upgrade ullage");
    follow(&filled(&commands, &[(reuse, &format!("{reuse} --set podAnnotations.step=this"))]));
    let now = drivers();
    assert!(now.iter().all(|pod| !before.contains(pod) && !previous.contains(pod)), "{before:?} {previous:?} {now:?}");
    follow(&take(OPERATIONS, "Upgrading", "helm rollback ullage -n ullage-system"));
    is_rolled_out();
    goes_on(&place);
}

/// To the chart of a tree of this project, with the values of the tests there.
fn upgrade(tree: &Path, settings: &[&str]) {
    let (chart, values) = (tree.join("charts/ullage"), tree.join("tests/e2e/values.yaml"));
    let own = more();
    let words = [&["upgrade", RELEASE, chart.to_str().unwrap()], settings].concat();
    helm(&with_values(&words, values.to_str().unwrap(), &own));
    is_rolled_out();
}

/// The chart, and the tests' values for it, as the commit before this one has them. Where none has (the first one, or a copy
/// without history), this one's: then all is upgraded to the same with other annotations, and said so.
fn previous() -> PathBuf {
    let (root, to) = (project(""), project("target/e2e/previous"));
    let _ = std::fs::remove_dir_all(&to);
    std::fs::create_dir_all(&to).unwrap();
    let script = "git -C \"$0\" archive HEAD~1 charts/ullage tests/e2e/values.yaml | tar -x -C \"$1\"";
    let unpacked = try_run("sh", &["-c", script, root.to_str().unwrap(), to.to_str().unwrap()], "");
    if to.join("charts/ullage/Chart.yaml").exists() {
        return to;
    }
    // Not by a macro, whose words a test that passes keeps to itself.
    let _ = writeln!(
        std::io::stderr(),
        "no chart of the commit before this one, so this one is upgraded from: {unpacked:?}"
    );
    root
}

/// The parameters of a class cannot be changed: an upgrade makes it anew, and volumes keep what they have.
#[test]
fn step_4_an_upgrade_changes_what_cannot_be_changed() {
    let class = || {
        api::get("/apis/storage.k8s.io/v1/storageclasses/ullage-ext4").map(|class| class["parameters"]["fs"].clone())
    };
    assert_eq!(class(), Some(Value::from("ext4")));
    let place = Place::new("changed");
    place.apply(&(Claim::new("data", "ullage-ext4", "64Mi").yaml() + &Pod::new("app", "data").yaml()));
    place.ready("app");
    upgrade(&project(""), &["--set", "storageClasses[2].parameters.fs=xfs"]);
    assert_eq!(class(), Some(Value::from("xfs")));
    assert!(place.shell("app", "grep ' /data ' /proc/mounts").contains(" ext4 "));
    place.delete_pod("app");
    place.delete_claim("data");
}

#[test]
fn step_5_a_node_that_is_gone_takes_its_capacity_with_it() {
    crate::nodes::a_node_that_is_gone_takes_its_capacity_with_it();
}

/// What stays in the kubelet's directory, by the page: both are empty.
const KEPT: [&str; 2] =
    ["var/lib/kubelet/plugins/csi.ullage.dev", "var/lib/kubelet/plugins/kubernetes.io/csi/csi.ullage.dev"];

#[test]
fn step_6_uninstalling_is_refused_while_there_are_volumes_and_then_leaves_nothing() {
    let place = writer("uninstalled");
    let volume = place.volume_of("data");
    an_uninstall_is_refused_and_taken_back(&volume);
    goes_on(&place);
    nothing_was_forbidden();

    let uninstall = take(OPERATIONS, "Uninstalling", "helm uninstall ullage -n ullage-system");
    follow(&format!("{uninstall} --wait --timeout={}s", patience(60).as_secs()));
    wait_for("the driver is gone", 60, || so(drivers().is_empty(), drivers()));
    let label = "app.kubernetes.io/instance=ullage";
    let kinds = "all,configmap,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding,csidriver,storageclass,\
        resourcequota,mutatingadmissionpolicy,mutatingadmissionpolicybinding";
    let left = kubectl(&["get", kinds, "-n", SYSTEM, "-l", label, "-o", "name"]);
    assert_eq!(left.trim(), "", "what helm has made is gone");
    // These are the sidecars' own.
    let left = || kubectl(&["get", "csistoragecapacity,lease", "-n", SYSTEM, "-o", "name"]);
    let lease = "lease.coordination.k8s.io/external-resizer-csi-ullage-dev";
    wait_for("of what the sidecars made the lease is left", 30, || so(left().trim() == lease, left()));
    for node in nodes() {
        wait_for("no kubelet knows the driver", 30, || {
            let known = api::get(&format!("/apis/storage.k8s.io/v1/csinodes/{node}")).unwrap_or_default();
            so(!known["spec"].to_string().contains(DRIVER), &known["spec"])
        });
        // The tests' own cluster alone can be looked into.
        let kept: &[&str] = if is_existing() { &[] } else { &KEPT };
        let mut left = files_of(&node, "/var/lib/kubelet", DRIVER);
        left.sort();
        let is_kept = |(path, kept): (&PathBuf, &&str)| path.ends_with(kept);
        assert!(left.len() == kept.len() && left.iter().zip(kept).all(is_kept), "{left:?}");
        assert_eq!(files_of(&node, "/var/lib/ullage", "/image"), [] as [PathBuf; 0]);
    }
    what_stays_after_uninstalling_goes();
}

#[test]
fn step_7_the_short_way_of_the_readme_works() {
    the_short_way_of_the_readme_works();
}

#[test]
fn step_8_a_drained_node_keeps_its_volumes_and_a_removed_one_leaves_no_objects() {
    a_drained_node_keeps_its_volumes_and_a_removed_one_leaves_no_objects();
}

#[test]
fn step_9_volumes_outlive_the_driver_and_another_serves_them() {
    volumes_outlive_the_driver_and_another_serves_them();
}

/// After all the others; of some of them it would say that the rest was forgotten.
#[test]
fn then_every_command_of_the_pages_was_followed() {
    if std::env::var_os("E2E_ALL").is_some() && !is_existing() {
        every_command_was_followed();
    }
}
