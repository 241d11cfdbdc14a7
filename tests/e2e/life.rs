//! A volume's life: claimed, filled to its size, grown while it is written to, used by the next pod, deleted.

use std::time::{Duration, Instant};

use crate::cluster::{files_of, is_existing, so, try_run, ullage, wait_for};
use crate::place::{Place, volume_is_gone};
use crate::shapes::{Claim, Pod, pod};

const MIB: u64 = 1 << 20;

/// A kind of volume with a filesystem, and of a pod that uses it.
struct Shape {
    name: &'static str,
    class: &'static str,
    access: &'static str,
    /// More of the pod's spec.
    spec: &'static str,
    /// Whether it grows while it is mounted.
    online: bool,
}

const SPARSE: Shape = Shape { name: "sparse", class: "ullage-sparse", access: "ReadWriteOnce", spec: "", online: true };

#[test]
fn an_xfs_grows_under_a_writing_pod() {
    lives(&Shape { name: "xfs", class: "ullage", ..SPARSE }, |_| {});
}

#[test]
fn a_sparse_one_too() {
    lives(&SPARSE, |_| {});
}

#[test]
fn an_ext4_grows_at_the_next_start_where_it_may_not_while_mounted() {
    lives(&Shape { name: "ext4", class: "ullage-ext4", online: can_grow_mounted_ext4(), ..SPARSE }, |_| {});
}

#[test]
fn one_of_a_single_pod_too() {
    lives(&Shape { name: "single", access: "ReadWriteOncePod", ..SPARSE }, |_| {});
}

#[test]
fn a_group_owns_what_its_pod_may_write() {
    let spec = "securityContext: { runAsUser: 1000, runAsGroup: 1000, fsGroup: 2000 }";
    lives(&Shape { name: "group", spec, ..SPARSE }, |place| {
        let said = place.shell("app", "echo mine >/data/file && stat -c %g /data /data/file && id -u");
        assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["2000", "2000", "1000"]);
    });
}

/// The kernel wants CAP_SYS_RESOURCE for that (bit 24), which not every root has.
fn can_grow_mounted_ext4() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).expect("there is a bounding set");
    u64::from_str_radix(mask.trim(), 16).unwrap() >> 24 & 1 == 1
}

/// The whole life; what else is so is looked at in the first pod, when its volume has grown, and in the next one.
fn lives(shape: &Shape, also: impl Fn(&Place)) {
    let place = Place::new(&format!("life-{}", shape.name));
    let pod = Pod { spec: shape.spec, ..Pod::new("app", "data") }.yaml();
    place.apply(&(Claim { access: shape.access, ..Claim::new("data", shape.class, "320Mi") }.yaml() + &pod));
    place.ready("app");
    holds_its_size(&place, "app", 320 * MIB);
    also(&place);

    place.shell("app", "head -c 1000000 /dev/urandom >/data/kept && md5sum /data/kept >/data/sum && touch /tmp/write");
    place.patch_size("data", "640Mi");
    if shape.online {
        // Seen in the pod within 10 s with a kubelet that looks every two seconds.
        wait_for("the pod sees the new size", 10, || so(size(&place, "app") > 560 * MIB, size(&place, "app")));
        place.has_size("data", "640Mi", 15);
    }
    let (node, volume) = (place.node_of("app"), place.volume_of("data"));
    let inspect = || {
        let said = ullage(&node, &["volume", "inspect", &volume, "-o", "json"]);
        serde_json::from_str::<serde_json::Value>(&said).expect(&said)
    };
    // What is mounted next has to be the larger image: the kubelet tells of the size after it has mounted.
    wait_for("the image has grown", 30, || so(inspect()["sizeBytes"] == 640 * MIB, inspect()));
    also(&place);
    let wrote = wrote_all(&place, "app");
    place.delete_pod("app");
    // A kubelet that has the next pod by then keeps the volume staged, and it is not mounted anew.
    wait_for("the volume is not mounted", 60, || so(inspect()["mounts"] == serde_json::json!([]), inspect()));
    place.apply(&pod);
    place.ready("app");
    place.has_size("data", "640Mi", 15);
    wait_for("the next pod sees the new size", 10, || so(size(&place, "app") > 560 * MIB, size(&place, "app")));
    let read = place.shell("app", "md5sum -c /data/sum && tail -n 1 /data/journal");
    assert!(read.contains("OK"), "{read}");
    assert!(read.lines().last().unwrap().parse::<u64>().unwrap() >= wrote, "{read} after {wrote}");
    holds_its_size(&place, "app", 640 * MIB);
    also(&place);
    assert!(is_existing() || !files_of(&node, KUBELET, &handle(&volume)).is_empty(), "it is staged under its hash");
    is_deleted(&place, "app", "data");
}

/// A claim of 320 MiB: ten seconds by the clock, whatever patience the tests are given; the better of two growths, as the
/// machine may be busy with something else.
pub(crate) fn grows_in_ten_seconds(place: &Place, pod: &str, claim: &str) -> Duration {
    let grows = |asked: u64| {
        let started = Instant::now();
        place.patch_size(claim, &format!("{asked}Mi"));
        let least = (asked - 100) * MIB;
        wait_for("the pod sees the new size", 60, || so(size(place, pod) > least, size(place, pod)));
        let took = started.elapsed();
        place.has_size(claim, &format!("{asked}Mi"), 15);
        took
    };
    let took = grows(640).min(grows(800));
    assert!(is_existing() || took < Duration::from_secs(10), "{took:?}");
    took
}

/// The bytes of the filesystem in a pod.
fn size(place: &Place, pod: &str) -> u64 {
    let said = place.shell(pod, "df -k /data | tail -n 1");
    said.split_whitespace().nth(1).and_then(|blocks| blocks.parse::<u64>().ok()).expect(&said) << 10
}

/// Neither more nor much less than was asked for: what is missing is the filesystem's own.
fn holds_its_size(place: &Place, pod: &str, asked: u64) {
    let has = size(place, pod);
    assert!(has <= asked && has > asked / 100 * 75, "{has} of {asked}");
    let full = place.shell(
        pod,
        &format!(
            "dd if=/dev/zero of=/data/full bs=1M count={} 2>&1; stat -c %s /data/full; rm /data/full",
            asked / MIB
        ),
    );
    assert!(full.contains("No space left on device"), "{full}");
    let held: u64 = full.lines().last().unwrap().parse().unwrap();
    assert!(held < asked && held > asked / 100 * 70, "{held} of {asked}");
}

/// What the application has written without a failure or a gap: the last number.
pub(crate) fn wrote_all(place: &Place, pod: &str) -> u64 {
    let journal = place
        .shell(pod, "rm -f /tmp/write; sleep 0.3; sync; cat /tmp/failed 2>/dev/null | head -n 3; cat /data/journal");
    let numbers: Vec<u64> = journal.lines().map(|line| line.parse().expect(line)).collect();
    let expected: Vec<u64> = (0..numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "writes are lost, or have failed");
    *numbers.last().expect("the application writes")
}

/// The claim is deleted, and nothing of it is left on its node: no file, no loop device.
fn is_deleted(place: &Place, pod: &str, claim: &str) {
    let (node, volume) = (place.node_of(pod), place.volume_of(claim));
    let inodes = images(&node, &volume);
    assert!(is_existing() || inodes.len() == 1, "{inodes:?}");
    place.delete_pod(pod);
    place.delete_claim(claim);
    nothing_is_left(&node, &volume, &inodes);
}

fn nothing_is_left(node: &str, volume: &str, inodes: &[String]) {
    assert!(!ullage(node, &["volume", "list"]).contains(volume));
    wait_for("nothing is left on the node", 15, || {
        let of_kubelet = |word: &str| files_of(node, KUBELET, word);
        let files = [files_of(node, "/var/lib/ullage", volume), of_kubelet(volume), of_kubelet(&handle(volume))];
        so(files.concat().is_empty(), &files)
    });
    let loops = try_run("losetup", &["-nO", "BACK-INO"], "").unwrap_or_default();
    assert!(!loops.lines().any(|inode| inodes.iter().any(|own| own == inode.trim())), "{inodes:?} in {loops}");
}

const KUBELET: &str = "/var/lib/kubelet";

/// What the kubelet calls the directory where it stages a volume with a filesystem: the hash of its id.
fn handle(volume: &str) -> String {
    let said = try_run("sha256sum", &[], volume).unwrap();
    said.split_whitespace().next().unwrap().to_owned()
}

/// The inode of a volume's image.
fn images(node: &str, volume: &str) -> Vec<String> {
    let images = files_of(node, "/var/lib/ullage", volume).into_iter().filter(|path| path.ends_with("image"));
    images.map(|path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap()).to_string()).collect()
}

/// Behind what else is written there.
const FIRST_SECTOR: usize = 8192;
/// While there is a file `/tmp/count`, a number each tenth of a second into a sector of its own.
const WRITE_SECTORS: &str = "touch /tmp/count /tmp/lost; (i=0; while [ -e /tmp/count ]; do \
    echo $i | dd of=/dev/data bs=512 seek=$((FIRST + i)) conv=notrunc,fsync 2>/dev/null || echo $i >>/tmp/lost; \
    i=$((i + 1)); echo $i >/tmp/sectors; sleep 0.1; done) >/dev/null 2>&1 &";

#[test]
fn a_block_volume_is_a_device_of_that_size_to_the_byte() {
    let place = Place::new("life-block");
    let claim = Claim { block: true, ..Claim::new("data", "ullage", "64Mi") };
    let app = Pod { block: true, ..Pod::new("app", "data") }.yaml();
    let bytes = |asked: u64| {
        let said = place.shell("app", "blockdev --getsize64 /dev/data");
        so(said.trim() == (asked * MIB).to_string(), said)
    };
    place.apply(&(claim.yaml() + &app));
    place.ready("app");
    bytes(64).unwrap();
    place.shell("app", "head -c 1000000 /dev/urandom >/tmp/kept && dd if=/tmp/kept of=/dev/data conv=fsync 2>&1");
    let sum = place.shell("app", "md5sum </tmp/kept");
    place.shell("app", &WRITE_SECTORS.replace("FIRST", &FIRST_SECTOR.to_string()));
    let full = place.shell("app", "dd if=/dev/zero of=/dev/data bs=1M seek=8 count=64 2>&1; true");
    assert!(full.contains("No space left on device"), "{full}");
    place.patch_size("data", "128Mi");
    wait_for("the pod sees the new size", 10, || bytes(128));
    place.has_size("data", "128Mi", 15);
    let said = place.shell("app", "rm /tmp/count; sleep 1; cat /tmp/lost /tmp/sectors");
    // More than this number, where writes have failed.
    let sectors: usize = said.trim().parse().expect(&said);
    place.delete_pod("app");
    place.apply(&app);
    place.ready("app");
    bytes(128).unwrap();
    assert_eq!(place.shell("app", "head -c 1000000 /dev/data | md5sum"), sum);
    let read = format!("dd if=/dev/data bs=512 skip={FIRST_SECTOR} count={sectors} 2>/dev/null | tr -d '\\0'");
    let expected: Vec<String> = (0..sectors).map(|sector| sector.to_string()).collect();
    assert_eq!(place.shell("app", &read).lines().collect::<Vec<_>>(), expected);
    is_deleted(&place, "app", "data");
}

#[test]
fn read_write_once_pod_lets_one_pod_in() {
    let place = Place::new("life-once");
    let claim = Claim { access: "ReadWriteOncePod", ..Claim::new("data", "ullage-sparse", "320Mi") };
    place.apply(&(claim.yaml() + &Pod::new("first", "data").yaml()));
    place.ready("first");
    place.apply(&Pod::new("second", "data").yaml());
    place.event("FailedScheduling", "second", &["ReadWriteOncePod"], 20);
    place.delete_pod("first");
    place.ready("second");
    is_deleted(&place, "second", "data");
}

#[test]
fn a_generic_ephemeral_volume_goes_with_its_pod() {
    let place = Place::new("life-ephemeral");
    let template = "ephemeral: { volumeClaimTemplate: { spec: { storageClassName: ullage-sparse, \
        accessModes: [ReadWriteOnce], resources: { requests: { storage: 320Mi } } } } }";
    place.apply(&pod("app", template, false, ""));
    place.ready("app");
    holds_its_size(&place, "app", 320 * MIB);
    place.patch_size("app-data", "640Mi");
    wait_for("the pod sees the new size", 10, || so(size(&place, "app") > 560 * MIB, size(&place, "app")));
    place.has_size("app-data", "640Mi", 15);
    holds_its_size(&place, "app", 640 * MIB);
    let (node, volume) = (place.node_of("app"), place.volume_of("app-data"));
    let inodes = images(&node, &volume);
    place.delete_pod("app");
    volume_is_gone(&volume);
    nothing_is_left(&node, &volume, &inodes);
}
