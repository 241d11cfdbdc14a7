//! `kubectl` and `helm`, and waiting.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api;

/// Where the chart is installed, and as what.
pub(crate) const SYSTEM: &str = "ullage-system";
pub(crate) const RELEASE: &str = "ullage";
pub(crate) const DRIVER: &str = "csi.ullage.dev";

/// Whether the cluster is one that was there before: its kubelet looks once a minute, its machines have other work.
pub(crate) fn is_existing() -> bool {
    std::env::var("E2E_CLUSTER").is_ok_and(|cluster| cluster == "existing")
}

/// How long something may take that should take so many seconds.
pub(crate) fn patience(seconds: u64) -> Duration {
    let factor = if is_existing() { 10 } else { patience_factor() };
    Duration::from_secs(seconds * factor)
}

/// A machine that is busy with other things gets more: `E2E_PATIENCE=3`.
fn patience_factor() -> u64 {
    std::env::var("E2E_PATIENCE").map_or(1, |factor| factor.parse().expect("E2E_PATIENCE is a number"))
}

/// A file of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn kubectl(args: &[&str]) -> String {
    try_run("kubectl", args, "").unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn try_kubectl(args: &[&str]) -> Result<String, String> {
    try_run("kubectl", args, "")
}

pub(crate) fn helm(args: &[&str]) -> String {
    try_run("helm", args, "").unwrap_or_else(|error| panic!("{error}"))
}

/// Runs a program to its end with some input: what it prints, or everything about its failure.
pub(crate) fn try_run(program: &str, args: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}: run it by tests/e2e/run"));
    // Whoever does not read it ends early, and says why.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() {
        return Ok(out.into_owned());
    }
    Err(format!("{program} {}: {}\n{out}{err}{input}", args.join(" "), output.status))
}

/// Looks until something is there; panics with the last word of what was seen instead.
pub(crate) fn wait_for<T>(what: &str, seconds: u64, mut look: impl FnMut() -> Result<T, String>) -> T {
    let (started, patience) = (Instant::now(), patience(seconds));
    loop {
        let seen = match look() {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(started.elapsed() < patience, "not after {} s: {what}; but: {seen}", patience.as_secs());
        sleep(Duration::from_millis(100));
    }
}

/// For [`wait_for`]: whether it is so, and what is so instead.
pub(crate) fn so(holds: bool, seen: impl std::fmt::Debug) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{seen:?}")) }
}

/// The driver's pods: node and name.
pub(crate) fn drivers() -> Vec<(String, String)> {
    let path = format!("/api/v1/namespaces/{SYSTEM}/pods?labelSelector=app.kubernetes.io/component=driver");
    let name = |pod: &Value, at: &str| pod.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
    api::items(&path).iter().map(|pod| (name(pod, "/spec/nodeName"), name(pod, "/metadata/name"))).collect()
}

/// How often the driver in a pod was started again.
pub(crate) fn restarts(pod: &str) -> u64 {
    let pod = api::get(&format!("/api/v1/namespaces/{SYSTEM}/pods/{pod}")).unwrap_or_default();
    let states = pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    states.iter().find(|state| state["name"] == "driver").and_then(|state| state["restartCount"].as_u64()).unwrap_or(0)
}

/// What `ullage` says in the driver's container on a node.
pub(crate) fn ullage(node: &str, args: &[&str]) -> String {
    let drivers = drivers();
    let (_, pod) =
        drivers.iter().find(|(of, _)| of == node).unwrap_or_else(|| panic!("no driver on {node}: {drivers:?}"));
    kubectl(&[&["exec", "-n", SYSTEM, pod, "-c", "driver", "--", "ullage"], args].concat())
}

/// The nodes, by name.
pub(crate) fn nodes() -> Vec<String> {
    let name = |node: &Value| node["metadata"]["name"].as_str().unwrap().to_owned();
    api::items("/api/v1/nodes").iter().map(name).collect()
}

/// What is left of the files of a node, where this machine is the node: below a directory of it, all that has a word in its
/// path.
pub(crate) fn files_of(node: &str, directory: &str, word: &str) -> Vec<PathBuf> {
    let Ok(state) = std::env::var("E2E_STATE") else { return Vec::new() };
    let root = Path::new(&state).join(node).join(directory.trim_start_matches('/'));
    let found = try_run("find", &[&root.to_string_lossy(), "-xdev", "-path", &format!("*{word}*")], "");
    found.unwrap_or_default().lines().map(PathBuf::from).collect()
}

/// The sockets of the driver that are left on a node. Where there is none, it takes no more calls.
pub(crate) fn sockets_of(node: &str) -> Vec<PathBuf> {
    let mut sockets = files_of(node, "/var/lib/kubelet", ".sock");
    sockets.retain(|path| path.to_string_lossy().contains(DRIVER));
    sockets
}
