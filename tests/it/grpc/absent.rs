//! What is asked of volumes that are not there, or not where they are looked for.

use tonic::Code::{InvalidArgument, NotFound};
use ullage::rpc::csi::{
    ControllerGetVolumeHealthRequest, ControllerGetVolumeRequest, DeleteVolumeRequest, NodeGetVolumeHealthRequest,
    NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, ValidateVolumeCapabilitiesRequest,
};

use super::ask::*;
use super::server::Server;

#[tokio::test]
async fn taking_down_what_is_not_there_is_refused() {
    let mut server = Server::start().await;
    for (id, path, code, text) in [
        ("", "/t", InvalidArgument, "volume_id is required"),
        ("db", "", InvalidArgument, "path is required"),
        ("db", "t", InvalidArgument, "path 't' is not an absolute path"),
        ("db", "/t", NotFound, "volume 'db' does not exist"),
        ("a/b", "/t", NotFound, "volume 'a/b' does not exist"),
    ] {
        let request = NodeUnpublishVolumeRequest { volume_id: id.into(), target_path: path.into() };
        refused(server.node.node_unpublish_volume(request).await, code, text);
        let request = NodeUnstageVolumeRequest { volume_id: id.into(), staging_target_path: path.into() };
        refused(server.node.node_unstage_volume(request).await, code, text);
    }
    let request = DeleteVolumeRequest::default();
    refused(server.controller.delete_volume(request).await, InvalidArgument, "volume_id is required");
    for id in ["db", "a/b"] {
        let request = DeleteVolumeRequest { volume_id: id.into(), ..Default::default() };
        server.controller.delete_volume(request).await.unwrap();
    }
}

#[tokio::test]
async fn asking_about_what_is_not_there_is_refused() {
    let mut server = Server::start().await;
    for (volume_id, code, text) in [
        ("", InvalidArgument, "volume_id is required"),
        ("db", NotFound, "volume 'db' does not exist"),
        ("a b", NotFound, "volume 'a b' does not exist"),
    ] {
        let volume_id = volume_id.to_owned();
        let request = ControllerGetVolumeRequest { volume_id: volume_id.clone() };
        refused(server.controller.controller_get_volume(request).await, code, text);
        let request = ControllerGetVolumeHealthRequest { volume_id: volume_id.clone(), ..Default::default() };
        refused(server.controller.controller_get_volume_health(request).await, code, text);
        let request = NodeGetVolumeHealthRequest { volume_id: volume_id.clone(), ..Default::default() };
        refused(server.node.node_get_volume_health(request).await, code, text);
        refused(server.node.node_get_volume_stats(stats(&volume_id, "/t")).await, code, text);
        let volume_capabilities = vec![writer()];
        let request = ValidateVolumeCapabilitiesRequest { volume_id, volume_capabilities, ..Default::default() };
        refused(server.controller.validate_volume_capabilities(request).await, code, text);
    }
    let request = ValidateVolumeCapabilitiesRequest { volume_id: "db".into(), ..Default::default() };
    let answer = server.controller.validate_volume_capabilities(request).await;
    refused(answer, InvalidArgument, "volume_capabilities is required");
    let request =
        NodeGetVolumeHealthRequest { volume_id: "db".into(), volume_publish_path: "t".into(), ..Default::default() };
    refused(server.node.node_get_volume_health(request).await, InvalidArgument, "volume_publish_path 't' is not");
}

/// "Volume does not exist [...] on specified `volume_path`."
#[tokio::test]
async fn stats_are_those_of_the_volume_and_not_of_whatever_lies_at_the_path() {
    let mut server = Server::start().await;
    server.published(create("db")).await;
    server.published(create("other")).await;
    let cases = [("some/path", NotFound), ("/nowhere", NotFound), ("/kubelet/pods/other", NotFound)];
    for (path, code) in cases {
        let text = format!("volume 'db' is not at '{path}'");
        refused(server.node.node_get_volume_stats(stats("db", path)).await, code, &text);
    }
    refused(server.node.node_get_volume_stats(stats("db", "")).await, InvalidArgument, "volume_path is required");
}
