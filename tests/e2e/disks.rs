//! A pool's disk that comes when the driver runs already: docs/operations.md, "Preparing disks".

use std::fs;
use std::path::Path;

use crate::api;
use crate::cluster::{SYSTEM, drivers, is_existing, nodes, so, try_run, wait_for};
use crate::nodes::capacities;
use crate::place::Place;
use crate::shapes::{Claim, Pod};

/// The pool `late` of the tests' values.
const POOL: &str = "/srv/late";

/// An image on a loop device, mounted in this node as its host would; dropped, it is gone.
struct Disk;

fn run(program: &str, args: &[&str]) -> String {
    try_run(program, args, "").unwrap_or_else(|error| panic!("{error}"))
}

impl Disk {
    fn mounted() -> Self {
        let image = Path::new("/srv/late.img");
        fs::File::create(image).unwrap().set_len(1 << 30).unwrap();
        run("mkfs.xfs", &["-q", "/srv/late.img"]);
        run("mount", &["-o", "loop", "/srv/late.img", POOL]);
        Self
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The driver has it open until it sees that the disk is gone.
        let _ = try_run("umount", &["--lazy", POOL], "");
        let _ = fs::remove_file("/srv/late.img");
    }
}

fn restarts() -> Vec<String> {
    let pods =
        api::items(&format!("/api/v1/namespaces/{SYSTEM}/pods?labelSelector=app.kubernetes.io/component=driver"));
    let mut all: Vec<_> = pods.iter().map(|pod| pod["status"]["containerStatuses"].to_string()).collect();
    all.retain(|one| !one.contains("\"restartCount\":0"));
    all
}

/// What the scheduler knew was too old, and it has chosen a node that has no room: played by choosing by hand.
fn the_other_node_is_tried(place: &Place, without: &str, with: &str) {
    let chosen =
        format!("metadata: {{ annotations: {{ volume.kubernetes.io/selected-node: {without} }}, name: other }}");
    let claim = Claim::new("other", "ullage-late", "320Mi").yaml().replace("metadata: { name: other }", &chosen);
    assert!(claim.contains("selected-node"), "{claim}");
    place.apply(&(claim + &Pod::new("other", "other").yaml()));
    place.event("ProvisioningFailed", "other", &["ResourceExhausted", "late"], 30);
    place.ready_within("other", 120);
    assert_eq!(place.node_of("other"), with);
    place.delete_pod("other");
    place.delete_claim("other");
}

/// Only where the tests run in the first node, which is the cluster of their own.
#[test]
fn a_disk_that_is_mounted_late_is_served_without_a_restart() {
    if is_existing() {
        return;
    }
    let (place, node, before) = (Place::new("late"), &nodes()[0], (drivers(), restarts()));
    let capacity = || capacities(node).into_iter().find(|(class, _)| class == "ullage-late").map(|(_, size)| size);
    wait_for("the pool has nothing to give", 60, || so(capacity().as_deref() == Some("0"), capacity()));
    fs::create_dir_all(POOL).unwrap();
    place.apply(&(Claim::new("data", "ullage-late", "320Mi").yaml() + &Pod::new("app", "data").yaml()));
    place.event("FailedScheduling", "app", &[], 30);

    assert_eq!(fs::read_dir(POOL).unwrap().count(), 0, "nothing is written below the disk");
    let disk = Disk::mounted();
    // The provisioner asks for capacity once a minute.
    place.ready_within("app", 120);
    assert_eq!(place.node_of("app"), *node, "the other one has no such disk");
    let volume = place.volume_of("data");
    assert!(Path::new(POOL).join("volumes").join(&volume).join("image").exists());
    place.shell("app", "echo there >/data/file; sync");
    assert_eq!((drivers(), restarts()), before);
    if let [_, without, ..] = &nodes()[..] {
        the_other_node_is_tried(&place, without, node);
    }

    place.delete_pod("app");
    place.delete_claim("data");
    assert!(!Path::new(POOL).join("volumes").join(&volume).exists());
    drop(disk);
    wait_for("the disk is let go", 60, || {
        let loops = run("losetup", &["-nO", "BACK-FILE"]);
        so(!loops.contains("/srv/late.img"), loops)
    });
    assert_eq!(fs::read_dir(POOL).unwrap().count(), 0);
    wait_for("there is nothing to give any more", 120, || so(capacity().as_deref() == Some("0"), capacity()));
}
