//! A volume grows while it is used, or says why it cannot.

use tonic::Code::{FailedPrecondition, OutOfRange};
use ullage::model::Bytes;
use ullage::rpc::csi::volume_capability::access_mode::Mode;
use ullage::rpc::csi::{CreateVolumeRequest, NodeExpandVolumeRequest};

use super::ask::*;
use super::server::Server;

#[tokio::test]
async fn growing_says_why_it_cannot() {
    let mut server = Server::start().await;
    server.published(create("db")).await;
    server.published(create("other")).await;
    let cases = [
        (GIB - 8192, GIB - 4096, "the volume is 1Gi, more than the limit of 1023.9Mi that was asked for"),
        (0, GIB - 1, "the volume is 1Gi, more than the limit of 1023.9Mi that was asked for"),
        (500 * GIB, 0, "the volume cannot grow: pool 'default' is full: 499Gi asked for"),
        (1 << 50, 0, "the volume cannot grow: 1Pi asked for, and the longest file in pool 'default' is 16Ti"),
    ];
    for (required, limit, text) in cases {
        refused(server.node.node_expand_volume(expand("db", required, limit)).await, OutOfRange, text);
    }
    let elsewhere = NodeExpandVolumeRequest { volume_path: target("other"), ..expand("db", 2 * GIB, 0) };
    refused(server.node.node_expand_volume(elsewhere).await, FailedPrecondition, "something else is mounted there");

    // The range is optional: there is nothing to grow to. And a path may be that of the staging.
    let unsaid = NodeExpandVolumeRequest { capacity_range: None, ..expand("db", 0, 0) };
    assert_eq!(server.node.node_expand_volume(unsaid).await.unwrap().into_inner().capacity_bytes, GIB);
    let staged = NodeExpandVolumeRequest {
        volume_path: staging("db"),
        volume_capability: Some(mount_with(Mode::SingleNodeWriter, "xfs", &[])),
        ..expand("db", GIB + 1, 2 * GIB)
    };
    assert_eq!(server.node.node_expand_volume(staged).await.unwrap().into_inner().capacity_bytes, GIB + 4096);
}

/// The order of a kubelet's calls: a pod that starts is published again and again, and grown each time.
#[tokio::test]
async fn a_size_that_does_not_fit_keeps_no_pod_from_starting() {
    let stays = "so the volume stays at 1Gi, and can be used: lower the claim's request to what fits";
    for (size, why) in [(500 * GIB, "pool 'default' is full"), (i64::MAX, "the longest file in pool 'default' is 16Ti")]
    {
        let mut server = Server::start().await;
        server.published(create("db")).await;
        for _ in 0..3 {
            refused(server.node.node_expand_volume(expand("db", size, 0)).await, OutOfRange, why);
        }
        for _ in 0..2 {
            server.node.node_publish_volume(publish("db", writer())).await.unwrap();
            let answer = server.node.node_expand_volume(expand("db", size, 0)).await;
            refused(answer, FailedPrecondition, stays);
        }
        refused(server.node.node_expand_volume(expand("db", 400 * GIB, 0)).await, OutOfRange, "is full");
        let (told, texts): (Vec<_>, Vec<_>) = server.refused.lock().unwrap().iter().cloned().unzip();
        let as_asked = |size| if size == i64::MAX { u64::MAX } else { size as u64 }; // no volume has that
        let asked = |size| ("db".to_owned(), Bytes::new(as_asked(size)));
        assert_eq!(told, [[size; 5].as_slice(), &[400 * GIB]].concat().into_iter().map(asked).collect::<Vec<_>>());
        assert!([&texts[0], &texts[4]].iter().all(|text| text.contains(why)), "{texts:?}");
        assert!(texts[4].contains(stays), "{texts:?}");
        server.node.node_expand_volume(expand("db", 2 * GIB, 0)).await.unwrap();

        server.node.node_unpublish_volume(unpublish("db")).await.unwrap();
        server.node.node_unstage_volume(unstage("db")).await.unwrap();
        server.node.node_stage_volume(stage("db", writer())).await.unwrap();
        server.node.node_publish_volume(publish("db", writer())).await.unwrap();
        refused(server.node.node_expand_volume(expand("db", size, 0)).await, OutOfRange, why);

        let mut server = server.again().await;
        refused(server.node.node_expand_volume(expand("db", size, 0)).await, OutOfRange, why);
        server.node.node_publish_volume(publish("db", writer())).await.unwrap();
        refused(server.node.node_expand_volume(expand("db", size, 0)).await, FailedPrecondition, why);
    }
}

/// Somebody has grown it past the claim: nothing is missing.
#[tokio::test]
async fn a_volume_that_is_larger_already_is_as_it_should_be() {
    let mut server = Server::start().await;
    server.published(CreateVolumeRequest { capacity_range: bytes(4 * GIB, 0), ..create("db") }).await;
    for (required, limit) in [(2 * GIB, 0), (4 * GIB, 0), (2 * GIB, 4 * GIB), (0, 5 * GIB)] {
        let size = server.node.node_expand_volume(expand("db", required, limit)).await.unwrap().into_inner();
        assert_eq!(size.capacity_bytes, 4 * GIB, "{required} {limit}");
    }
    assert_eq!(*server.refused.lock().unwrap(), []);
    let limited = || expand("db", 2 * GIB, 3 * GIB);
    refused(server.node.node_expand_volume(limited()).await, OutOfRange, "more than the limit of 3Gi");
    server.node.node_publish_volume(publish("db", writer())).await.unwrap();
    let stays = "so the volume stays at 4Gi, and can be used: raise the limit";
    refused(server.node.node_expand_volume(limited()).await, FailedPrecondition, stays);
}

/// Its filesystem has yet to follow an earlier growth, and follows though less is asked for now.
#[tokio::test]
async fn a_smaller_size_finishes_an_earlier_growth() {
    let mut server = Server::start().await;
    server.published(CreateVolumeRequest { capacity_range: bytes(100 * MIB, 0), ..create("db") }).await;
    server.fake.refuse_online_ext4(true);
    let answer = server.node.node_expand_volume(expand("db", 4 * GIB, 0)).await;
    refused(answer, FailedPrecondition, "CAP_SYS_RESOURCE is missing");
    server.fake.refuse_online_ext4(false);
    let grown = server.node.node_expand_volume(expand("db", 2 * GIB, 0)).await.unwrap().into_inner();
    assert_eq!(grown.capacity_bytes, 4 * GIB);
    let usage = server.node.node_get_volume_stats(stats("db", &target("db"))).await.unwrap().into_inner().usage;
    assert_eq!(usage[0].total, 4 * GIB);
}

#[tokio::test]
async fn where_the_kernel_does_not_permit_it_the_next_stage_grows() {
    let mut server = Server::start().await;
    server.published(CreateVolumeRequest { capacity_range: bytes(100 * MIB, 0), ..create("db") }).await;
    server.fake.refuse_online_ext4(true);
    let answer = server.node.node_expand_volume(expand("db", GIB, 0)).await;
    refused(answer, FailedPrecondition, "CAP_SYS_RESOURCE is missing");
    server.node.node_unpublish_volume(unpublish("db")).await.unwrap();
    server.node.node_unstage_volume(unstage("db")).await.unwrap();
    server.node.node_stage_volume(stage("db", writer())).await.unwrap();
    server.node.node_publish_volume(publish("db", writer())).await.unwrap();
    let usage = server.node.node_get_volume_stats(stats("db", &target("db"))).await.unwrap().into_inner().usage;
    assert_eq!(usage[0].total, GIB);
    server.node.node_expand_volume(expand("db", GIB, 0)).await.unwrap();
}
