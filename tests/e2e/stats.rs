//! What the kubelet itself measures.

use crate::api;
use crate::cluster::{so, wait_for};
use crate::place::Place;
use crate::shapes::{Claim, Pod};

#[test]
fn the_kubelet_shows_bytes_and_inodes() {
    let place = Place::new("stats");
    place.apply(&(Claim::new("data", "ullage-sparse", "320Mi").yaml() + &Pod::new("app", "data").yaml()));
    place.ready("app");
    place.shell("app", "dd if=/dev/zero of=/data/some bs=1M count=100 2>/dev/null; touch /data/a /data/b; sync");
    let said = place.shell("app", "stat -f -c '%b %f %c %d %S' /data");
    let said: Vec<f64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [blocks, free, inodes, inodes_free, block] = said[..] else { panic!("{said:?}") };
    let path = format!("/api/v1/nodes/{}/proxy/metrics", place.node_of("app"));
    let right = [
        ("capacity_bytes", blocks * block),
        ("available_bytes", free * block),
        ("used_bytes", (blocks - free) * block),
        ("inodes", inodes),
        ("inodes_free", inodes_free),
        ("inodes_used", inodes - inodes_free),
    ];
    wait_for("the kubelet's metrics are those of the volume", 40, || {
        let page = api::text(&path);
        let own = r#"{namespace="stats",persistentvolumeclaim="data"} "#;
        let seen: Vec<_> = page.lines().filter(|line| line.contains(own) && line.contains("volume_stats")).collect();
        let shows = |(name, value): &(&str, f64)| {
            let name = format!("kubelet_volume_stats_{name}{own}");
            let line = seen.iter().find_map(|line| line.strip_prefix(&name));
            // A filesystem changes a little by itself.
            line.is_some_and(|number| (number.parse::<f64>().unwrap() - value).abs() <= value * 0.02)
        };
        so(right.iter().all(shows), (&seen, right))
    });
}
