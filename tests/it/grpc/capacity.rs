//! What a node says that it has room for, it has room for.

use std::path::Path;

use tonic::Code::{InvalidArgument, NotFound, ResourceExhausted, Unavailable};
use ullage::config::{Overcommit, PoolConfig};
use ullage::host::fake::Fake;
use ullage::model::Bytes;
use ullage::rpc::csi::volume_capability::access_mode::Mode;
use ullage::rpc::csi::{
    ControllerGetVolumeRequest, CreateVolumeRequest, GetCapacityRequest, GetCapacityResponse, Topology,
};

use super::ask::*;
use super::server::Server;
use crate::world::{POOL, pool};

const TIB: i64 = 1 << 40;

async fn capacity(server: &mut Server, parameters: &[(&str, &str)], place: Option<Topology>) -> GetCapacityResponse {
    let parameters = parameters.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let request = GetCapacityRequest { parameters, accessible_topology: place, ..Default::default() };
    server.controller.get_capacity(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn what_is_said_to_be_there_can_be_had_and_no_more() {
    let mut server = Server::start().await;
    let said = capacity(&mut server, &[], None).await;
    assert_eq!(said.maximum_volume_size, Some(said.available_capacity));
    assert_eq!(said.minimum_volume_size, Some(20_000_768), "20 MB in whole blocks");
    assert!((94 * GIB..=95 * GIB).contains(&said.available_capacity), "a reserve of 5%: {said:?}");

    let all = said.available_capacity;
    let more = CreateVolumeRequest { capacity_range: bytes(all + 1, 0), ..create("more") };
    let text = "pool 'default' is full: ";
    refused(server.controller.create_volume(more).await, ResourceExhausted, text);
    assert_eq!(server.files(), Vec::<String>::new());
    let exactly = CreateVolumeRequest { capacity_range: bytes(all, all), ..create("exactly") };
    assert_eq!(server.create(exactly).await.unwrap().capacity_bytes, all);
    assert_eq!(capacity(&mut server, &[], None).await.available_capacity, 0);
    let least = CreateVolumeRequest { capacity_range: bytes(0, 20_000_768), ..create("least") };
    refused(server.controller.create_volume(least.clone()).await, ResourceExhausted, text);
    server.delete("exactly").await;
    assert_eq!(server.create(least).await.unwrap().capacity_bytes, 20_000_768, "the trash is emptied for it");
}

#[tokio::test]
async fn parameters_count() {
    let mut server = Server::start().await;
    let said = capacity(&mut server, &[("sparse", "true")], None).await;
    assert_eq!((said.available_capacity, said.maximum_volume_size), (16 * TIB, Some(16 * TIB)), "the longest file");
    let said = capacity(&mut server, &[("fs", "xfs")], None).await;
    assert_eq!(said.minimum_volume_size, Some(300 * MIB));
    let request = GetCapacityRequest {
        volume_capabilities: vec![mount_with(Mode::SingleNodeWriter, "xfs", &[])],
        ..Default::default()
    };
    let said = server.controller.get_capacity(request).await.unwrap().into_inner();
    assert_eq!(said.minimum_volume_size, Some(300 * MIB));

    let bad = |key: &str, value: &str| GetCapacityRequest {
        parameters: [(key.to_owned(), value.to_owned())].into(),
        ..Default::default()
    };
    for (request, text) in [
        (bad("pool", "other"), "pool 'other' is not among those of this node: default"),
        (bad("fs", "foo"), "only xfs and ext4 filesystems are supported, 'foo' requested"),
        (bad("x", "1"), "options 'x' are not among supported ones"),
    ] {
        refused(server.controller.get_capacity(request).await, InvalidArgument, text);
    }
    let volume_capabilities = vec![mount(Mode::MultiNodeMultiWriter)];
    let request = GetCapacityRequest { volume_capabilities, ..Default::default() };
    refused(server.controller.get_capacity(request).await, InvalidArgument, "MULTI_NODE_MULTI_WRITER");
}

#[tokio::test]
async fn another_node_has_nothing_here() {
    let mut server = Server::start().await;
    let ours = place("csi.ullage.dev/node", "n1");
    assert!(capacity(&mut server, &[], Some(ours)).await.available_capacity > 0);
    for other in [place("csi.ullage.dev/node", "n2"), place("zone", "a")] {
        let said = capacity(&mut server, &[], Some(other)).await;
        assert_eq!((said.available_capacity, said.maximum_volume_size), (0, Some(0)));
    }
}

#[tokio::test]
async fn each_pool_has_its_own_bound() {
    let bounded = PoolConfig { overcommit: Overcommit::Ratio(200), ..pool("second", "/second") };
    let mut server = Server::with(Fake::new(Bytes::gib(100)), vec![pool("default", POOL), bounded]).await;
    let second = [("pool", "second"), ("sparse", "true")];
    let before = capacity(&mut server, &second, None).await.available_capacity;
    let made = server.create(create_with("thin", &second)).await.unwrap();
    assert_eq!(made.volume_context["pool"], "second");
    assert_eq!(capacity(&mut server, &second, None).await.available_capacity, before - GIB);
    assert!(server.fake.paths().contains(&"/second/volumes/thin/image".to_owned()));
}

#[tokio::test]
async fn a_pool_that_is_not_served_has_nothing_and_hides_what_it_may_hold() {
    let fake = Fake::new(Bytes::gib(100));
    let pools = vec![pool("default", POOL), pool("broken", "/broken")];
    fake.machine().files.create_dir(Path::new("/broken/letters")).unwrap();
    let mut server = Server::with(fake, pools).await;
    assert_eq!(capacity(&mut server, &[("pool", "broken")], None).await.available_capacity, 0);
    assert!(capacity(&mut server, &[], None).await.available_capacity > 0);
    let answer = server.controller.create_volume(create_with("db", &[("pool", "broken")])).await;
    refused(answer, ResourceExhausted, "pool 'broken' is not served: /broken has no pool.yaml and is not empty");
    server.published(create("db")).await;

    let request = ControllerGetVolumeRequest { volume_id: "gone".into() };
    let answer = server.controller.controller_get_volume(request.clone()).await;
    refused(answer, Unavailable, "volume 'gone' was not found, and pool 'broken' is not served");
    server.fake.machine().files.remove_empty(Path::new("/broken/letters")).unwrap();
    server.engine.tend();
    refused(server.controller.controller_get_volume(request).await, NotFound, "volume 'gone' does not exist");
}
