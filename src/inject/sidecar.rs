use super::claims::Claimed;
use crate::yaml::Value;

/// What the container is called, everywhere.
pub(super) const CONTAINER: &str = "quota-api";
/// The volume with the token.
pub(super) const TOKEN: &str = "ullage-token";
/// Where the token is, in every container.
pub(super) const STATE: &str = "/run/ullage";
/// What the quota API listens at: clients of the pod, and metrics with health.
pub(super) const PORTS: [u16; 2] = [8070, METRICS];

const METRICS: u16 = 9870;
/// Any that is no user of the machine, as long as it is always the same.
const USER: u32 = 65532;

/// The container, native since Kubernetes 1.29: there before the application is, and gone after it. It passes the Pod
/// Security Standard *restricted*.
pub(super) fn container(image: &str, claimed: &[Claimed]) -> Value {
    let volume =
        |Claimed { volume, claim }: &Claimed| Value::text(format!("--volume={volume}=/volumes/{volume},pvc={claim}"));
    let args = std::iter::once(Value::text(CONTAINER)).chain(claimed.iter().map(volume)).collect();
    let ports = Value::map([("name", Value::text("ullage-metrics")), ("containerPort", Value::bare(METRICS))]);
    Value::map([
        ("name", Value::text(CONTAINER)),
        ("image", Value::text(image)),
        ("restartPolicy", Value::text("Always")),
        ("args", Value::List(args)),
        ("env", environment()),
        ("ports", Value::List(vec![ports])),
        // What hangs must not keep the application from starting, so this asks for no volume.
        ("startupProbe", probe("/healthz", 1, 60)),
        ("readinessProbe", probe("/readyz", 5, 3)),
        ("resources", resources()),
        ("securityContext", security()),
        ("volumeMounts", mounts(claimed)),
    ])
}

/// The volume with the token: in memory, and as old as the pod.
pub(super) fn token_volume() -> Value {
    let dir = Value::map([("medium", Value::text("Memory")), ("sizeLimit", Value::text("1Mi"))]);
    Value::map([("name", Value::text(TOKEN)), ("emptyDir", dir)])
}

/// How the application sees it.
pub(super) fn token_mount() -> Value {
    mount(TOKEN, STATE, true)
}

/// Claims of each pod are named with it, and events are posted on it.
fn environment() -> Value {
    let field = |name: &str, path: &str| {
        let source = Value::map([("fieldRef", Value::map([("fieldPath", Value::text(path))]))]);
        Value::map([("name", Value::text(name)), ("valueFrom", source)])
    };
    let fields = [("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace"), ("POD_UID", "metadata.uid")];
    Value::List(fields.map(|(name, path)| field(name, path)).to_vec())
}

fn probe(path: &str, period: u32, failures: u32) -> Value {
    Value::map([
        ("httpGet", Value::map([("path", Value::text(path)), ("port", Value::bare(METRICS))])),
        ("periodSeconds", Value::bare(period)),
        ("failureThreshold", Value::bare(failures)),
    ])
}

fn resources() -> Value {
    Value::map([
        ("requests", Value::map([("cpu", Value::text("5m")), ("memory", Value::text("16Mi"))])),
        ("limits", Value::map([("memory", Value::text("64Mi"))])),
    ])
}

fn security() -> Value {
    Value::map([
        ("runAsNonRoot", Value::bare(true)),
        ("runAsUser", Value::bare(USER)),
        ("runAsGroup", Value::bare(USER)),
        ("allowPrivilegeEscalation", Value::bare(false)),
        ("readOnlyRootFilesystem", Value::bare(true)),
        ("capabilities", Value::map([("drop", Value::List(vec![Value::text("ALL")]))])),
        ("seccompProfile", Value::map([("type", Value::text("RuntimeDefault"))])),
    ])
}

/// Volumes are measured, and nothing else: all are read-only.
fn mounts(claimed: &[Claimed]) -> Value {
    let volumes = claimed.iter().map(|Claimed { volume, .. }| mount(volume, &format!("/volumes/{volume}"), true));
    Value::List(std::iter::once(mount(TOKEN, STATE, false)).chain(volumes).collect())
}

fn mount(volume: &str, path: &str, is_read_only: bool) -> Value {
    let mut entries = vec![("name".to_owned(), Value::text(volume)), ("mountPath".to_owned(), Value::text(path))];
    if is_read_only {
        entries.push(("readOnly".to_owned(), Value::bare(true)));
    }
    Value::Map(entries)
}
