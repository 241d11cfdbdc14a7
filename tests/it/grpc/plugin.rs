//! Who the driver is, what it says it can do, and how a call is marked.

use std::path::Path;

use tonic::{Code, Status};
use ullage::csi::TRACE;
use ullage::host::fake::Fake;
use ullage::model::Bytes;
use ullage::rpc::admin::ListPoolsRequest;
use ullage::rpc::csi::controller_service_capability::Type as ControllerType;
use ullage::rpc::csi::node_service_capability::Type as NodeType;
use ullage::rpc::csi::plugin_capability::Type as PluginType;
use ullage::rpc::csi::{
    ControllerExpandVolumeRequest, ControllerGetCapabilitiesRequest, ControllerPublishVolumeRequest,
    CreateSnapshotRequest, GetPluginCapabilitiesRequest, GetPluginInfoRequest, ListVolumesRequest,
    NodeGetCapabilitiesRequest, NodeGetInfoRequest, ProbeRequest,
};

use super::ask::*;
use super::server::Server;
use crate::world::{POOL, pool};

#[tokio::test]
async fn says_who_it_is_and_what_it_can_do() {
    let mut server = Server::start().await;
    let info = server.identity.get_plugin_info(GetPluginInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.name.as_str(), info.vendor_version.as_str()), ("csi.ullage.dev", env!("CARGO_PKG_VERSION")));

    let plugin = server.identity.get_plugin_capabilities(GetPluginCapabilitiesRequest {}).await.unwrap().into_inner();
    let word = |one: &PluginType| match one {
        PluginType::Service(service) => service.r#type().as_str_name(),
        PluginType::VolumeExpansion(expansion) => expansion.r#type().as_str_name(),
    };
    let words: Vec<_> = plugin.capabilities.iter().map(|one| word(one.r#type.as_ref().unwrap())).collect();
    assert_eq!(words, ["CONTROLLER_SERVICE", "VOLUME_ACCESSIBILITY_CONSTRAINTS", "ONLINE"]);

    let controller = server.controller.controller_get_capabilities(ControllerGetCapabilitiesRequest {}).await.unwrap();
    let word = |one: &ControllerType| match one {
        ControllerType::Rpc(rpc) => rpc.r#type().as_str_name(),
    };
    let words: Vec<_> =
        controller.get_ref().capabilities.iter().map(|one| word(one.r#type.as_ref().unwrap())).collect();
    let expected = [
        "CREATE_DELETE_VOLUME",
        "GET_CAPACITY",
        "LIST_VOLUMES",
        "GET_VOLUME",
        "GET_VOLUME_HEALTH",
        "LIST_VOLUME_HEALTH",
        "SINGLE_NODE_MULTI_WRITER",
    ];
    assert_eq!(words, expected);

    let node = server.node.node_get_capabilities(NodeGetCapabilitiesRequest {}).await.unwrap().into_inner();
    let word = |one: &NodeType| match one {
        NodeType::Rpc(rpc) => rpc.r#type().as_str_name(),
    };
    let words: Vec<_> = node.capabilities.iter().map(|one| word(one.r#type.as_ref().unwrap())).collect();
    let expected = [
        "STAGE_UNSTAGE_VOLUME",
        "GET_VOLUME_STATS",
        "EXPAND_VOLUME",
        "GET_VOLUME_HEALTH",
        "GET_STORAGE_HEALTH",
        "SINGLE_NODE_MULTI_WRITER",
    ];
    assert_eq!(words, expected);

    let info = server.node.node_get_info(NodeGetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!((info.node_id.as_str(), info.max_volumes_per_node), ("n1", 0));
    assert_eq!(info.accessible_topology, Some(place("csi.ullage.dev/node", "n1")));
}

/// Ready after recovery, while at least one pool is served.
#[tokio::test]
async fn before_recovery_only_the_identity_answers() {
    let fake = Fake::new(Bytes::gib(100));
    let mut server = Server::unrecovered(fake.clone(), fake.machine(), vec![pool("default", POOL)]).await;
    let ready = async |server: &mut Server| server.identity.probe(ProbeRequest {}).await.unwrap().into_inner().ready;
    assert_eq!(ready(&mut server).await, Some(false));
    server.identity.get_plugin_info(GetPluginInfoRequest {}).await.unwrap();
    let text = "volumes are being recovered";
    refused(server.controller.create_volume(create("db")).await, Code::Unavailable, text);
    refused(server.controller.list_volumes(ListVolumesRequest::default()).await, Code::Unavailable, text);
    refused(server.node.node_stage_volume(stage("db", writer())).await, Code::Unavailable, text);
    refused(server.node.node_get_info(NodeGetInfoRequest {}).await, Code::Unavailable, text);
    refused(server.admin.list_pools(ListPoolsRequest {}).await, Code::Unavailable, text);

    server.engine.recover(); // the pool's directory is not there
    assert_eq!(ready(&mut server).await, Some(false));
    let answer = server.controller.create_volume(create("db")).await;
    refused(answer, Code::ResourceExhausted, "pool 'default' is not served: /pool does not exist");

    fake.machine().files.create_dir(Path::new(POOL)).unwrap();
    server.engine.tend();
    assert_eq!(ready(&mut server).await, Some(true));
    server.create(create("db")).await.unwrap();
}

#[tokio::test]
async fn what_it_cannot_do_is_unimplemented() {
    let mut server = Server::start().await;
    let publish = server.controller.controller_publish_volume(ControllerPublishVolumeRequest::default()).await;
    refused(publish, Code::Unimplemented, "");
    let expand = server.controller.controller_expand_volume(ControllerExpandVolumeRequest::default()).await;
    refused(expand, Code::Unimplemented, "");
    let snapshot = server.controller.create_snapshot(CreateSnapshotRequest::default()).await;
    refused(snapshot, Code::Unimplemented, "");
}

/// To a method that is not served, or that nobody knows: marked and counted as every other, and once.
#[tokio::test]
async fn what_is_unimplemented_is_marked_and_counted() {
    let mut server = Server::start().await;
    let marked = |status: Status| {
        let traces: Vec<_> = status.metadata().get_all(TRACE).iter().collect();
        assert_eq!((status.code(), traces.len(), traces[0].len()), (Code::Unimplemented, 1, 26), "{status:?}");
    };
    let request = CreateSnapshotRequest::default();
    marked(server.controller.create_snapshot(request).await.unwrap_err());
    for path in ["/csi.v1.Controller/Conjure", "/no.such.Service/Conjure"] {
        marked(server.call(path).await.unwrap_err());
    }
    server.controller.list_volumes(ListVolumesRequest::default()).await.unwrap();

    let numbers = server.metrics.text().unwrap();
    let mut counts: Vec<_> = numbers.lines().filter(|line| line.starts_with("ullage_rpc_total")).collect();
    counts.sort_unstable();
    let expected = [
        "ullage_rpc_total{method=\"CreateSnapshot\",code=\"Unimplemented\"} 1",
        "ullage_rpc_total{method=\"ListVolumes\",code=\"Ok\"} 1",
        "ullage_rpc_total{method=\"unknown\",code=\"Unimplemented\"} 2",
    ];
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn every_answer_bears_the_id_of_its_call_and_no_message_does() {
    let mut server = Server::start().await;
    let made = server.controller.create_volume(create("db")).await.unwrap();
    let trace = made.metadata().get(TRACE).unwrap().to_str().unwrap();
    assert_eq!(trace.len(), 26, "{trace} is not a ULID");
    let status: Status = server.controller.create_volume(create("")).await.unwrap_err();
    let other = status.metadata().get(TRACE).unwrap().to_str().unwrap();
    assert_eq!(other.len(), 26, "{other} is not a ULID");
    assert_ne!(trace, other);
    assert_eq!(status.message(), "name is required");

    let numbers = server.metrics.text().unwrap();
    for (code, count) in [("Ok", 1), ("InvalidArgument", 1)] {
        let line = format!("ullage_rpc_total{{method=\"CreateVolume\",code=\"{code}\"}} {count}");
        assert!(numbers.contains(&line), "{line}\nis not in\n{numbers}");
    }
}
