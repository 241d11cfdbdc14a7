use http::Method;
use serde_json::{Value, json};

use super::super::mock::{Reply, Server, changed, claim};
use super::*;
use crate::k8s::client::PATIENCE;

const WAIT: Duration = Duration::from_secs(20);
const ASKED: Bytes = Bytes::gib(4);

/// Nothing happens by itself.
fn nothing(_: usize, _: &Method, _: &mut Value) -> Reply {
    Reply::Properly
}

/// Every patch is answered so.
async fn growth_where_patch_says(code: u16, message: &'static str) -> Growth {
    let (cluster, server) = Server::start(claim(), move |_, method, _| match *method {
        Method::PATCH => Reply::Failure(code, message),
        _ => Reply::Properly,
    });
    let growth = cluster.grow("data", ASKED, WAIT).await;
    assert_eq!(server.request(), "2Gi");
    growth
}

fn failed(claim: &mut Value, message: &str) {
    claim["status"]["conditions"] = json!([{"type": "NodeResizeError", "status": "True", "message": message}]);
    claim["status"]["allocatedResources"] = json!({"storage": "4Gi"});
    changed(claim);
}

const TOO_LARGE: &str = "rpc error: code = OutOfRange desc = 1Gi is left in pool default";

#[tokio::test(start_paused = true)]
async fn a_growth_that_is_done_in_time_is_completed() {
    let (cluster, server) = Server::start(claim(), |number, _, claim| {
        if number == 5 {
            claim["status"]["capacity"] = json!({"storage": "4Gi"});
        }
        Reply::Properly
    });
    assert_eq!(cluster.grow("data", ASKED, WAIT).await, Growth::Completed(ASKED));
    assert_eq!(server.state().asked, ["GET", "PATCH 4Gi", "GET", "GET", "GET"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_not_done_in_time_is_pending_and_stays_asked_for() {
    let (cluster, server) = Server::start(claim(), |number, _, claim| {
        if number == 4 {
            claim["status"]["conditions"] = json!([{"type": "FileSystemResizePending", "status": "True"}]);
        }
        Reply::Properly
    });
    let begun = Instant::now();
    let growth = cluster.grow("data", ASKED, WAIT).await;
    assert!(matches!(&growth, Growth::Pending(reason) if reason.contains("kubelet")), "{growth:?}");
    assert_eq!((begun.elapsed().as_secs(), server.request().as_str()), (20, "4Gi"));
}

#[tokio::test(start_paused = true)]
async fn what_the_cluster_forbids_is_forbidden_in_its_words() {
    let forbidden = [
        "persistentvolumeclaims \"data\" is forbidden: User \"system:serviceaccount:shop:default\" cannot patch",
        "persistentvolumeclaims \"data\" is forbidden: exceeded quota: storage",
        "persistentvolumeclaims \"data\" is forbidden: only dynamically provisioned pvc can be resized and the \
         storageclass that provisions the pvc must support resize",
    ];
    for message in forbidden {
        assert_eq!(growth_where_patch_says(403, message).await, Growth::Forbidden(message.to_owned()));
    }
    assert!(matches!(growth_where_patch_says(422, "no").await, Growth::Failed(_)));
    assert!(matches!(growth_where_patch_says(500, "no").await, Growth::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_fit_is_taken_back() {
    let (cluster, server) = Server::start(claim(), |number, _, claim| {
        if number == 4 {
            failed(claim, TOO_LARGE);
        }
        Reply::Properly
    });
    let growth = cluster.grow("data", ASKED, WAIT).await;
    assert!(matches!(&growth, Growth::NoRoom(reason) if reason.contains("1Gi is left")), "{growth:?}");
    assert_eq!(server.request(), "2097156Ki"); // 2Gi and 4096 bytes: the API server accepts no less
}

#[tokio::test(start_paused = true)]
async fn what_somebody_asked_for_before_is_what_it_is_taken_back_to() {
    let mut before = claim();
    before["spec"]["resources"]["requests"]["storage"] = json!("3Gi");
    let (cluster, server) = Server::start(before, |number, _, claim| {
        if number == 3 {
            failed(claim, TOO_LARGE);
        }
        Reply::Properly
    });
    assert!(matches!(cluster.grow("data", ASKED, WAIT).await, Growth::NoRoom(_)));
    assert_eq!(server.request(), "3Gi");
}

#[tokio::test(start_paused = true)]
async fn a_larger_request_of_somebody_else_is_never_lowered() {
    // It comes between our reading and our patch, and between the failure and the taking back.
    for when in [2, 5] {
        let (cluster, server) = Server::start(claim(), move |number, _, claim| {
            if number == 4 {
                failed(claim, TOO_LARGE);
            }
            if number == when {
                claim["spec"]["resources"]["requests"]["storage"] = json!("8Gi");
                changed(claim);
            }
            Reply::Properly
        });
        assert!(matches!(cluster.grow("data", ASKED, WAIT).await, Growth::NoRoom(_)));
        assert_eq!(server.request(), "8Gi", "at {when}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_there_is_not_made_again() {
    for request in ["4Gi", "8Gi"] {
        let mut before = claim();
        before["spec"]["resources"]["requests"]["storage"] = json!(request);
        let (cluster, server) = Server::start(before.clone(), nothing);
        assert!(matches!(cluster.grow("data", ASKED, WAIT).await, Growth::Pending(_)));
        assert!(server.state().asked.iter().all(|asked| asked == "GET"));

        before["status"]["capacity"] = json!({"storage": request});
        let (cluster, server) = Server::start(before, nothing);
        assert!(matches!(cluster.grow("data", ASKED, WAIT).await, Growth::Completed(_)));
        assert_eq!(server.state().asked, ["GET"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_before_is_no_answer_until_it_comes_anew() {
    let mut before = claim();
    failed(&mut before, TOO_LARGE);
    let (cluster, server) = Server::start(before.clone(), nothing);
    assert!(matches!(cluster.grow("data", ASKED, WAIT).await, Growth::Pending(_)));
    assert_eq!(server.request(), "4Gi");
    // Asked once more, for the same: now it is the answer.
    assert!(matches!(cluster.grow("data", ASKED, WAIT).await, Growth::NoRoom(_)));

    let (cluster, _) = Server::start(before, |number, _, claim| {
        match number {
            4 => claim["status"]["conditions"] = json!([]),
            6 => failed(claim, TOO_LARGE),
            _ => {}
        }
        Reply::Properly
    });
    assert!(matches!(cluster.grow("data", ASKED, WAIT).await, Growth::NoRoom(_)));
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_tried_again_but_not_for_ever() {
    for (conflicts, completes) in [(3, true), (1000, false)] {
        let mut seen = 0;
        let (cluster, _) = Server::start(claim(), move |_, method, claim| {
            if *method == Method::PATCH && seen < conflicts {
                seen += 1;
                changed(claim);
            } else if seen == conflicts {
                claim["status"]["capacity"] = json!({"storage": "4Gi"});
            }
            Reply::Properly
        });
        let growth = cluster.grow("data", ASKED, WAIT).await;
        assert_eq!(matches!(growth, Growth::Completed(_)), completes, "{growth:?}");
        assert!(completes || matches!(growth, Growth::Failed(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_not_there_is_not_found() {
    for when in [1, 4] {
        let (cluster, _) = Server::start(claim(), move |number, _, _| {
            if number >= when {
                Reply::Failure(404, "persistentvolumeclaims \"data\" not found")
            } else {
                Reply::Properly
            }
        });
        assert_eq!(cluster.grow("data", ASKED, WAIT).await, Growth::NotFound);
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_hangs_is_not_waited_for() {
    let begun = Instant::now();
    for when in [1, 2] {
        let (cluster, _) =
            Server::start(claim(), move |number, _, _| if number >= when { Reply::Hang } else { Reply::Properly });
        let growth = cluster.grow("data", ASKED, WAIT).await;
        assert!(matches!(&growth, Growth::Failed(reason) if reason.contains("did not answer")), "{growth:?}");
    }
    assert_eq!(begun.elapsed(), 2 * PATIENCE);
    // Asked already: the claim is on its way, whatever the API server does now.
    let (cluster, _) = Server::start(claim(), |number, _, _| if number > 3 { Reply::Hang } else { Reply::Properly });
    let growth = cluster.grow("data", ASKED, WAIT).await;
    assert!(matches!(&growth, Growth::Pending(reason) if reason.contains("did not answer")), "{growth:?}");
    assert!(begun.elapsed() < 2 * PATIENCE + WAIT + 2 * PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_sense_is_a_failure() {
    for text in ["<html>no</html>", "[]", "", "{\"metadata\": 7}"] {
        let (cluster, _) = Server::start(claim(), move |_, _, _| Reply::Garbage(text));
        let growth = cluster.grow("data", ASKED, WAIT).await;
        assert!(matches!(growth, Growth::Failed(_)), "{text}: {growth:?}");
    }
    assert!(matches!(growth_where_patch_says(502, "<html>bad gateway</html>").await, Growth::Failed(_)));
}

#[tokio::test(start_paused = true)]
async fn a_new_claim_is_of_its_class_and_named_by_the_server() {
    let (cluster, server) = Server::start(claim(), nothing);
    let new = NewClaim { class: "ullage".to_owned(), size: Bytes::gib(1), prefix: "app".to_owned() };
    let made = cluster.create(&new).await.unwrap();
    assert_eq!((made.name.as_str(), made.request, made.capacity), ("app-x7k2p", Bytes::gib(1), Bytes::ZERO));
    assert_eq!(server.state().asked, ["POST 1Gi"]);
    let sent = serde_json::to_value(manifest(&new)).unwrap();
    assert_eq!(sent["spec"]["storageClassName"], "ullage");
    assert_eq!(sent["spec"]["accessModes"], json!(["ReadWriteOnce"]));
    assert_eq!(sent["metadata"]["labels"]["app.kubernetes.io/managed-by"], "ullage");
}
