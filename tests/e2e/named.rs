//! Claims that are named after their pods, which have no name yet when the quota API is put beside them.

use serde_json::Value;

use crate::alert::{inject, may_grow, resize};
use crate::api;
use crate::cluster::wait_for;
use crate::place::{Place, volume_is_gone};
use crate::shapes::{RESTRICTED, app_image};

/// The template of a pod whose container `app` has the volume `data`; with these lines more in its metadata and its spec.
fn template(metadata: &str, spec: &str) -> String {
    let image = app_image();
    format!(
        "
  selector: {{ matchLabels: {{ app: named }} }}
  template:
    metadata:
      labels: {{ app: named }}
      {metadata}
    spec:
      terminationGracePeriodSeconds: 1
      {RESTRICTED}
      {spec}
      containers:
        - name: app
          image: {image}
          command: [sh, -c, \"trap 'exit 0' TERM; while :; do sleep 1; done\"]
          securityContext: {{ allowPrivilegeEscalation: false, capabilities: {{ drop: [ALL] }} }}
          volumeMounts: [{{ name: data, mountPath: /data }}]
"
    )
}

const CLAIM: &str =
    "{ storageClassName: ullage-sparse, accessModes: [ReadWriteOnce], resources: { requests: { storage: 320Mi } } }";

/// The application asks the quota API for more of a volume, and its claim has it.
fn grows(place: &Place, pod: &str, claim: &str) {
    place.ready(pod);
    let (status, answer) = resize(place, pod, 400);
    assert!(matches!(status, 200 | 202), "{status} {answer}");
    place.has_size(claim, "400Mi", 60);
}

fn is_deleted(place: &Place, claim: &str) {
    let volume = place.volume_of(claim);
    place.kubectl(&["delete", "deployment,statefulset,pod,pvc", "--all", "--wait=false"]);
    volume_is_gone(&volume);
}

#[test]
fn of_a_stateful_set_through_inject() {
    let place = Place::restricted("named-set");
    let set = format!(
        "---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{ name: db }}
spec:
  serviceName: db{}  volumeClaimTemplates:
    - {{ metadata: {{ name: data }}, spec: {CLAIM} }}
",
        template("", "")
    );
    place.apply(&inject(&(may_grow("data-db-0") + &set)));
    grows(&place, "db-0", "data-db-0");
    is_deleted(&place, "data-db-0");
}

#[test]
fn of_an_ephemeral_volume_through_the_annotation_of_a_deployment() {
    let place = Place::restricted("named-ephemeral");
    let volume = format!("volumes: [{{ name: data, ephemeral: {{ volumeClaimTemplate: {{ spec: {CLAIM} }} }} }}]");
    let deployment = format!(
        "---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: shop }}
spec:{}",
        template("annotations: { ullage.dev/quota-api: \"true\" }", &volume)
    );
    place.apply(&(may_grow("") + &deployment));
    let pod = wait_for("the deployment has a pod", 30, || {
        let pods = api::items(&format!("/api/v1/namespaces/{}/pods", place.name));
        let name = |pod: &Value| pod["metadata"]["name"].as_str().map(str::to_owned);
        pods.first().and_then(name).ok_or_else(|| format!("{pods:?}"))
    });
    grows(&place, &pod, &format!("{pod}-data"));
    is_deleted(&place, &format!("{pod}-data"));
}
