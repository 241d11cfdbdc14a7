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

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let answer = |what: &'static str| any(async move || Problem::Elsewhere(what));
    let mut router = Router::new();
    for (path, what) in ROUTES {
        router = router.route(path, answer(what)).route(&format!("{path}/{{*rest}}"), answer(what));
    }
    for part in OF_A_VOLUME {
        let what = "kubectl cp and kubectl exec, or the path where the volume is mounted";
        router = router.route(&format!("/volumes/{{id}}/{part}"), answer(what));
        router = router.route(&format!("/volumes/{{id}}/{part}/{{*rest}}"), answer(what));
    }
    router
}
