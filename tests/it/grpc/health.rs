//! What is wrong is said by a stable word, and what is well is left out.

use std::path::Path;

use tonic::Code::{Internal, Unavailable};
use ullage::host::fake::Fake;
use ullage::model::Bytes;
use ullage::rpc::csi::{
    ControllerGetVolumeHealthRequest, ControllerListVolumeHealthRequest, ListVolumesRequest,
    NodeGetStorageHealthRequest, NodeGetVolumeHealthRequest, StorageHealthErrorType, VolumeHealth,
    VolumeHealthErrorType,
};

use super::ask::*;
use super::server::Server;
use crate::world::{POOL, pool};

async fn of_node(server: &mut Server, id: &str) -> VolumeHealth {
    let request = NodeGetVolumeHealthRequest { volume_id: id.into(), ..Default::default() };
    server.node.node_get_volume_health(request).await.unwrap().into_inner().volume_health.unwrap()
}

async fn of_controller(server: &mut Server, id: &str) -> VolumeHealth {
    let request = ControllerGetVolumeHealthRequest { volume_id: id.into(), ..Default::default() };
    server.controller.controller_get_volume_health(request).await.unwrap().into_inner().volume_health.unwrap()
}

fn words(health: &VolumeHealth) -> Vec<(VolumeHealthErrorType, &str)> {
    health.health_statuses.iter().map(|entry| (entry.status(), entry.reason.as_str())).collect()
}

/// Volumes `a` to `d`, and something wrong with all but `b`.
async fn ailing() -> Server {
    let mut server = Server::start().await;
    for name in ["a", "b", "c", "d"] {
        server.create(create(name)).await.unwrap();
    }
    let files = server.fake.machine().files;
    files.rename(Path::new("/pool/volumes/a/image"), Path::new("/pool/volumes/a/was")).unwrap();
    files.set_len(Path::new("/pool/volumes/c/image"), Bytes::mib(1)).unwrap();
    files.write_whole(Path::new("/pool/volumes/d/volume.yaml"), b"no record").unwrap();
    server.again().await
}

#[tokio::test]
async fn a_volume_says_what_is_wrong_with_it() {
    let mut server = ailing().await;
    let cases = [
        ("a", vec![(VolumeHealthErrorType::DataLoss, "ImageMissing")]),
        ("b", vec![]),
        ("c", vec![(VolumeHealthErrorType::DataLoss, "ImageTruncated")]),
        ("d", vec![(VolumeHealthErrorType::Inaccessible, "RecordUnreadable")]),
    ];
    for (id, expected) in cases {
        let health = of_node(&mut server, id).await;
        assert_eq!((health.volume_id.as_str(), words(&health)), (id, expected));
        assert!(health.health_statuses.iter().all(|entry| !entry.message.is_empty()));
        assert_eq!(of_controller(&mut server, id).await, health);
    }
    let answer = server.node.node_stage_volume(stage("a", writer())).await;
    refused(answer, Internal, "/pool/volumes/a/image: the image is missing");
    refused(
        server.node.node_stage_volume(stage("d", writer())).await,
        Internal,
        "the record of volume 'd' cannot be read",
    );
}

#[tokio::test]
async fn only_what_is_wrong_is_listed_in_pages() {
    let mut server = ailing().await;
    let mut list = async |max_entries, token: String| {
        let request = ControllerListVolumeHealthRequest { max_entries, starting_token: token, ..Default::default() };
        let answer = server.controller.controller_list_volume_health(request).await.unwrap().into_inner();
        let ids: Vec<_> = answer.entries.into_iter().map(|entry| entry.volume_id).collect();
        (ids, answer.next_token)
    };
    assert_eq!(list(0, String::new()).await, (["a", "c", "d"].map(String::from).to_vec(), String::new()));
    let (first, token) = list(2, String::new()).await;
    assert_eq!(first, ["a", "c"]);
    assert_eq!(list(2, token).await, (vec!["d".to_owned()], String::new()));
    assert_eq!(list(3, String::new()).await.1, "");
}

/// "The Plugin SHOULD omit volumes with no known adverse health condition": who is left out is well.
#[tokio::test]
async fn the_volumes_of_a_lost_pool_are_not_among_those_that_are_well() {
    let mut server =
        Server::with(Fake::new(Bytes::gib(100)), vec![pool("default", POOL), pool("other", "/other")]).await;
    for (name, pool) in [("a", "other"), ("b", "default"), ("c", "other")] {
        server.published(create_with(name, &[("pool", pool)])).await;
    }
    let files = server.fake.machine().files;
    for name in ["pool.yaml", "volumes"] {
        files.rename(&Path::new("/other").join(name), &Path::new("/kubelet").join(name)).unwrap();
    }
    for noticed in [false, true] {
        let request = ControllerListVolumeHealthRequest::default();
        let sick = server.controller.controller_list_volume_health(request).await.unwrap().into_inner().entries;
        assert_eq!(sick.iter().map(|entry| entry.volume_id.as_str()).collect::<Vec<_>>(), ["a", "c"], "{noticed}");
        for health in &sick {
            assert_eq!(words(health), [(VolumeHealthErrorType::Inaccessible, "PoolNotServed")]);
            assert_eq!(of_controller(&mut server, &health.volume_id).await, *health);
        }
        let listed = server.controller.list_volumes(ListVolumesRequest::default()).await.unwrap().into_inner().entries;
        let listed: Vec<_> = listed.into_iter().map(|entry| entry.volume.unwrap().volume_id).collect();
        assert_eq!(listed, ["b"], "what a volume is stands in its record");
        // No other node has it: RESOURCE_EXHAUSTED would be wrong.
        let text = "volume 'a' was not found, and pool 'other' is not served";
        refused(server.node.node_expand_volume(expand("a", 2 * GIB, 0)).await, Unavailable, text);
        server.engine.tend();
    }
}

#[tokio::test]
async fn the_storage_says_each_fault_once() {
    let fake = Fake::new(Bytes::gib(100));
    let pools = vec![pool("default", POOL), pool("one", "/one"), pool("two", "/two")];
    for path in [POOL, "/one", "/two"] {
        fake.machine().files.create_dir(Path::new(path)).unwrap();
    }
    for path in ["/one/letters", "/two/letters"] {
        fake.machine().files.create_file(Path::new(path)).unwrap();
    }
    let mut server = Server::with(fake, pools).await;
    let health = server.node.node_get_storage_health(NodeGetStorageHealthRequest::default()).await.unwrap();
    let health = health.into_inner().backend_health;
    assert_eq!(health.len(), 1, "no two of one status and reason: {health:?}");
    assert_eq!(
        (health[0].status(), health[0].reason.as_str()),
        (StorageHealthErrorType::StorageUnreachable, "PoolNotServed")
    );
    let expected = "one: the pool is not served: /one has no pool.yaml and is not empty: it holds 'letters'; two: ";
    assert!(health[0].message.starts_with(expected), "{}", health[0].message);

    server.create(create("db")).await.unwrap();
    server.fake.set_capacity_of_disk(Bytes::gib(1));
    let health = server.node.node_get_storage_health(NodeGetStorageHealthRequest::default()).await.unwrap();
    let reasons: Vec<_> =
        health.get_ref().backend_health.iter().map(|entry| (entry.status(), entry.reason.as_str())).collect();
    let expected = [
        (StorageHealthErrorType::StorageDegraded, "PoolNearlyFull"),
        (StorageHealthErrorType::StorageUnreachable, "PoolNotServed"),
    ];
    assert_eq!(reasons, expected);
    let health = of_node(&mut server, "db").await;
    assert_eq!(words(&health), [(VolumeHealthErrorType::Degraded, "PoolNearlyFull")]);
}
