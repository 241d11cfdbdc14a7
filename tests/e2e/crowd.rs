//! A hundred claims in one go; and how long a claim takes.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::api;
use crate::cluster::{nodes, so, ullage, wait_for};
use crate::life::grows_in_ten_seconds;
use crate::place::Place;
use crate::shapes::{Claim, Pod, app_image, pod};

const PODS: usize = 10;
const CLAIMS_OF_EACH: usize = 10;

/// Ten claims for a pod: a hundred pods are too many for a small machine, a hundred volumes are not.
#[test]
fn of_a_hundred_claims_none_is_lost_and_none_is_left() {
    let place = Place::new("crowd");
    let claim = |pod: usize, each: usize| format!("data-{pod}-{each}");
    let mut yaml = String::new();
    for pod in 0..PODS {
        let names: Vec<_> = (0..CLAIMS_OF_EACH).map(|each| claim(pod, each)).collect();
        yaml.extend(names.iter().map(|name| Claim::new(name, "ullage-sparse", "320Mi").yaml()));
        yaml += &with_claims(&format!("app-{pod}"), &names);
    }
    place.apply(&yaml);
    for pod in 0..PODS {
        place.ready_within(&format!("app-{pod}"), 120);
    }
    for pod in 0..PODS {
        let said = place.shell(
            &format!("app-{pod}"),
            "for i in /data-*; do echo there >$i/file; done; grep -c /data- /proc/mounts",
        );
        assert_eq!(said.trim(), CLAIMS_OF_EACH.to_string(), "app-{pod}");
    }
    let volumes = volumes(&place);
    assert_eq!(volumes.len(), PODS * CLAIMS_OF_EACH);
    place.kubectl(&["delete", "pods,pvc", "--all", "--wait=false"]);
    wait_for("all volumes are gone", 120, || so(self::volumes(&place).is_empty(), self::volumes(&place).len()));
    for node in nodes() {
        let list = ullage(&node, &["volume", "list"]);
        assert!(!volumes.iter().any(|volume| list.contains(volume)), "{list}");
    }
}

fn volumes(place: &Place) -> Vec<String> {
    let all = api::items("/api/v1/persistentvolumes");
    let own = all.iter().filter(|volume| volume["spec"]["claimRef"]["namespace"] == place.name.as_str());
    own.map(|volume| volume["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn with_claims(name: &str, claims: &[String]) -> String {
    let mounts: String =
        claims.iter().map(|claim| format!("\n        - {{ name: {claim}, mountPath: /{claim} }}")).collect();
    let volumes: String = claims
        .iter()
        .map(|claim| format!("\n    - {{ name: {claim}, persistentVolumeClaim: {{ claimName: {claim} }} }}"))
        .collect();
    let image = app_image();
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{ name: {name} }}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: app
      image: {image}
      command: [sh, -c, \"trap 'exit 0' TERM; while :; do sleep 1; done\"]
      volumeMounts:{mounts}
  volumes:{volumes}
"
    )
}

/// From nothing to a running pod with its claim, beside the same pod with a directory of the node's; and from a larger claim to
/// what the pod sees of it.
pub(crate) fn a_claim_costs_little_more_than_an_empty_directory_and_grows_in_ten_seconds() {
    let place = Place::new("pace");
    let timed = |round: usize, kind: &str, yaml: String| {
        let started = Instant::now();
        place.apply(&yaml);
        place.ready(&format!("{kind}-{round}"));
        started.elapsed()
    };
    let (mut claims, mut directories) = (Vec::new(), Vec::new());
    for round in 0..3 {
        let (with, without) = (format!("claim-{round}"), format!("directory-{round}"));
        claims.push(timed(
            round,
            "claim",
            Claim::new(&with, "ullage", "320Mi").yaml() + &Pod::new(&with, &with).yaml(),
        ));
        directories.push(timed(round, "directory", pod(&without, "emptyDir: {}", false, "")));
    }
    let (claim, directory) = (median(claims), median(directories));
    let ratio = claim.as_secs_f64() / directory.as_secs_f64();
    // Not by println, which is shown of a failed test only.
    let mut out = std::io::stdout();
    writeln!(
        out,
        "from nothing to a running pod: {claim:.1?} with a claim, {directory:.1?} with emptyDir: {ratio:.1} times"
    )
    .unwrap();
    assert!(ratio < 5.0, "{ratio:.1} times");
    let grown = grows_in_ten_seconds(&place, "claim-0", "claim-0");
    writeln!(out, "from the larger claim to the larger volume in the pod: {grown:.1?}").unwrap();
    place.kubectl(&["delete", "pods,pvc", "--all", "--wait=false"]);
    wait_for("all volumes are gone", 60, || so(volumes(&place).is_empty(), volumes(&place)));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
