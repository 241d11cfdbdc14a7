//! Pools on disks of their own: one that comes when the driver runs already (docs/operations.md, "Preparing disks"), and one
//! that is full.

use std::fs;
use std::path::Path;

use crate::cluster::{drivers, is_existing, nodes, restarts, so, try_run, wait_for};
use crate::nodes::capacities;
use crate::place::Place;
use crate::shapes::{Claim, Pod};

/// The pool `late`, which only a cluster of the tests' own has; and what is mounted there.
const POOL: &str = "/srv/late";
const IMAGE: &str = "/srv/late.img";

/// An image on a loop device, mounted in this node as its host would; dropped, it is gone.
struct Disk;

fn run(program: &str, args: &[&str]) -> String {
    try_run(program, args, "").unwrap_or_else(|error| panic!("{error}"))
}

impl Disk {
    fn mounted() -> Self {
        let disk = Self;
        fs::File::create(IMAGE).unwrap().set_len(1 << 30).unwrap();
        run("mkfs.xfs", &["-q", IMAGE]);
        run("mount", &["-o", "loop", IMAGE, POOL]);
        disk
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The driver has it open until it sees that the disk is gone.
        let _ = try_run("umount", &["--lazy", POOL], "");
        let _ = fs::remove_file(IMAGE);
    }
}

/// The drivers that run, and how often each was started again.
fn running() -> Vec<(String, u64)> {
    drivers().into_iter().map(|(_, pod)| (pod.clone(), restarts(&pod))).collect()
}

/// What the scheduler knew was too old, and it has chosen a node that has no room: played by choosing by hand.
fn the_other_node_is_tried(place: &Place, without: &str, with: &str) {
    let claim = Claim::new("other", "ullage-late", "320Mi").yaml_for(without);
    place.apply(&(claim + &Pod::new("other", "other").yaml()));
    place.event("ProvisioningFailed", "other", &["ResourceExhausted", "pool 'late' is not served"], 30);
    place.ready_within("other", 120);
    assert_eq!(place.node_of("other"), with);
    place.delete_pod("other");
    place.delete_claim("other");
}

/// Each node of the tests' own has a disk of 1 GiB for the pool `small` (`tests/e2e/node`): this one's is filled, and a scheduler
/// that has not heard of it yet, which is played by choosing by hand, chooses it.
#[test]
fn a_node_that_is_full_says_so_in_numbers_and_the_claim_goes_to_the_other_one() {
    let nodes = nodes();
    let [full, other, ..] = &nodes[..] else { return };
    if is_existing() {
        return;
    }
    let place = Place::new("full");
    let selector = format!("nodeSelector: {{ kubernetes.io/hostname: {full} }}");
    let filler = Pod { spec: &selector, ..Pod::new("filler", "filler") };
    place.apply(&(Claim::new("filler", "ullage-small", "600Mi").yaml() + &filler.yaml()));
    place.ready("filler");
    let claim = Claim::new("data", "ullage-small", "600Mi").yaml_for(full);
    place.apply(&(claim + &Pod::new("app", "data").yaml()));
    place.event("ProvisioningFailed", "data", &["pool 'small' is full: 600Mi asked for, ", " free, "], 30);
    place.ready_within("app", 120);
    assert_eq!(place.node_of("app"), *other);
    for name in ["app", "filler"] {
        place.delete_pod(name);
    }
    for name in ["data", "filler"] {
        place.delete_claim(name);
    }
}

/// Only where the tests run in the first node, which is the cluster of their own.
#[test]
fn a_disk_that_is_mounted_late_is_served_without_a_restart() {
    if is_existing() {
        return;
    }
    let (place, node, before) = (Place::new("late"), &nodes()[0], running());
    let capacity = || capacities(node).into_iter().find(|(class, _)| class == "ullage-late").map(|(_, size)| size);
    wait_for("the pool has nothing to give", 60, || so(capacity().as_deref() == Some("0"), capacity()));
    fs::create_dir_all(POOL).unwrap();
    place.apply(&(Claim::new("data", "ullage-late", "320Mi").yaml() + &Pod::new("app", "data").yaml()));
    place.event("FailedScheduling", "app", &["did not have enough free storage"], 30);

    assert_eq!(fs::read_dir(POOL).unwrap().count(), 0, "nothing is written below the disk");
    let disk = Disk::mounted();
    // The provisioner asks for capacity once a minute.
    place.ready_within("app", 120);
    assert_eq!(place.node_of("app"), *node, "the other one has no such disk");
    let volume = place.volume_of("data");
    assert!(Path::new(POOL).join("volumes").join(&volume).join("image").exists());
    place.shell("app", "echo there >/data/file; sync");
    assert_eq!(running(), before);
    if let [_, without, ..] = &nodes()[..] {
        the_other_node_is_tried(&place, without, node);
    }

    place.delete_pod("app");
    place.delete_claim("data");
    assert!(!Path::new(POOL).join("volumes").join(&volume).exists());
    drop(disk);
    wait_for("the disk is let go", 60, || {
        let loops = run("losetup", &["-nO", "BACK-FILE"]);
        so(!loops.contains(IMAGE), loops)
    });
    assert_eq!(fs::read_dir(POOL).unwrap().count(), 0);
    wait_for("there is nothing to give any more", 120, || so(capacity().as_deref() == Some("0"), capacity()));
}
