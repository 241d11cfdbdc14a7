//! What Lightd does, and Kubernetes does here.

use axum::Router;
use axum::routing::any;

use crate::api::answer::Problem;

/// Beginnings of Lightd's paths, and what does that now.
const ROUTES: [(&str, &str); 9] = [
    ("/containers", "kubectl, and pods"),
    ("/network", "Services"),
    ("/firewall", "NetworkPolicies"),
    ("/sftp", "kubectl cp"),
    ("/remote", "kubectl with a context"),
    ("/updates", "kubectl rollout"),
    ("/update", "kubectl rollout"),
    ("/billing", "the cluster's metrics"),
    ("/system", "kubectl describe node"),
];

/// Parts of a volume's path.
const OF_A_VOLUME: [&str; 7] = ["files", "folders", "copy", "move", "rename", "compress", "decompress"];

/// What of a volume Lightd does in a path below it, and who does that now.
const FILES: &str = "kubectl cp and kubectl exec, or the path where the volume is mounted";

/// Each route, with all that is below it, and what does that now.
pub(super) fn table() -> Vec<(String, &'static str)> {
    let of_a_volume = OF_A_VOLUME.into_iter().map(|part| (format!("/volumes/{{id}}/{part}"), FILES));
    ROUTES.into_iter().map(|(path, what)| (path.to_owned(), what)).chain(of_a_volume).collect()
}

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let answer = |what: &'static str| any(async move || Problem::Elsewhere(what));
    table().into_iter().fold(Router::new(), |router, (path, what)| {
        router.route(&path, answer(what)).route(&format!("{path}/{{*rest}}"), answer(what))
    })
}
