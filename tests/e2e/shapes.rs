//! Claims and pods, as YAML.

/// The image of the tests' own pods: busybox and curl.
pub(crate) fn app_image() -> String {
    std::env::var("E2E_APP_IMAGE").unwrap_or_else(|_| "busybox:1".to_owned())
}

/// What Pod Security *restricted* asks of a pod; what it asks of containers, those of these tests have anyway.
pub(crate) const RESTRICTED: &str = "securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, \
    fsGroup: 1000, seccompProfile: { type: RuntimeDefault } }";

/// A claim.
pub(crate) struct Claim<'a> {
    pub(crate) name: &'a str,
    pub(crate) class: &'a str,
    pub(crate) size: &'a str,
    pub(crate) access: &'a str,
    pub(crate) block: bool,
}

impl<'a> Claim<'a> {
    pub(crate) fn new(name: &'a str, class: &'a str, size: &'a str) -> Self {
        Self { name, class, size, access: "ReadWriteOnce", block: false }
    }

    /// As a scheduler leaves it that has chosen a node, and knew too little of it.
    pub(crate) fn yaml_for(&self, node: &str) -> String {
        let (plain, name) = (self.yaml(), self.name);
        let chosen =
            format!("metadata: {{ annotations: {{ volume.kubernetes.io/selected-node: {node} }}, name: {name} }}");
        let yaml = plain.replace(&format!("metadata: {{ name: {name} }}"), &chosen);
        assert_ne!(yaml, plain);
        yaml
    }

    pub(crate) fn yaml(&self) -> String {
        let Self { name, class, size, access, block } = self;
        let mode = if *block { "Block" } else { "Filesystem" };
        format!(
            "---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{ name: {name} }}
spec:
  storageClassName: {class}
  accessModes: [{access}]
  volumeMode: {mode}
  resources: {{ requests: {{ storage: {size} }} }}
"
        )
    }
}

/// What each pod does: while there is a file `/tmp/write`, a line each tenth of a second into a journal in its volume, with a
/// count that goes up; what cannot be written is noted down in `/tmp/failed`.
const APPLICATION: &str = "trap 'exit 0' TERM; i=0; while :; do \
    if [ -e /tmp/write ]; then if echo $i >>/data/journal; then i=$((i + 1)); else echo $i >>/tmp/failed; fi; fi; \
    sleep 0.1; done";

/// A pod whose container `app` has a claim as /data, or as the device /dev/data.
pub(crate) struct Pod<'a> {
    pub(crate) name: &'a str,
    pub(crate) claim: &'a str,
    pub(crate) block: bool,
    /// More of its spec, as lines of YAML.
    pub(crate) spec: &'a str,
}

impl<'a> Pod<'a> {
    pub(crate) fn new(name: &'a str, claim: &'a str) -> Self {
        Self { name, claim, block: false, spec: "" }
    }

    pub(crate) fn yaml(&self) -> String {
        let volume = format!("persistentVolumeClaim: {{ claimName: {} }}", self.claim);
        pod(self.name, &volume, self.block, self.spec)
    }
}

/// A pod with any kind of volume.
pub(crate) fn pod(name: &str, volume: &str, block: bool, spec: &str) -> String {
    let image = app_image();
    let place = match block {
        false => "volumeMounts: [{ name: data, mountPath: /data }]",
        true => "volumeDevices: [{ name: data, devicePath: /dev/data }]",
    };
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{ name: {name}, labels: {{ app: {name} }} }}
spec:
  terminationGracePeriodSeconds: 1
  {spec}
  containers:
    - name: app
      image: {image}
      command: [sh, -c, \"{APPLICATION}\"]
      securityContext: {{ allowPrivilegeEscalation: false, capabilities: {{ drop: [ALL] }} }}
      {place}
  volumes:
    - name: data
      {volume}
"
    )
}
