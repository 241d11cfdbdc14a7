//! A volume from its creation to its deletion, every call made twice.

use std::sync::atomic::Ordering;

use tonic::Code::{AlreadyExists, FailedPrecondition, InvalidArgument};
use ullage::rpc::csi::volume_capability::access_mode::Mode;
use ullage::rpc::csi::volume_usage::Unit;
use ullage::rpc::csi::{
    ControllerGetVolumeRequest, CreateVolumeRequest, DeleteVolumeRequest, NodePublishVolumeRequest,
    TopologyRequirement, ValidateVolumeCapabilitiesRequest, VolumeCapability,
};

use super::ask::*;
use super::refusals::requisite;
use super::server::Server;

#[tokio::test]
async fn every_call_made_again_gives_the_same_answer() {
    let ext4 = CreateVolumeRequest { capacity_range: bytes(100 * MIB, 0), ..create("small") };
    let blocks = CreateVolumeRequest { volume_capabilities: vec![block()], ..create("blocks") };
    for request in [create("db"), ext4, blocks, create_with("thin", &[("sparse", "true"), ("uid", "1000")])] {
        let mut server = Server::start().await;
        let capability = request.volume_capabilities[0].clone();
        let (id, size) = (request.name.clone(), request.capacity_range.unwrap().required_bytes);
        let made = server.create(request.clone()).await.unwrap();
        assert_eq!((made.volume_id.as_str(), made.capacity_bytes), (id.as_str(), size));
        assert_eq!(made.accessible_topology, [place("csi.ullage.dev/node", "n1")]);
        assert_eq!(server.create(request).await.unwrap(), made);
        for _ in 0..2 {
            server.node.node_stage_volume(stage(&id, capability.clone())).await.unwrap();
        }
        for _ in 0..2 {
            server.node.node_publish_volume(publish(&id, capability.clone())).await.unwrap();
        }
        for _ in 0..2 {
            let grown = server.node.node_expand_volume(expand(&id, 2 * GIB, 0)).await.unwrap().into_inner();
            assert_eq!(grown.capacity_bytes, 2 * GIB);
        }
        let request = ControllerGetVolumeRequest { volume_id: id.clone() };
        let found = server.controller.controller_get_volume(request).await.unwrap().into_inner();
        assert!(found.status.is_some());
        assert_eq!(found.volume.unwrap(), ullage::rpc::csi::Volume { capacity_bytes: 2 * GIB, ..made });
        server.take_down(&id).await;
        assert!(server.woken.load(Ordering::SeqCst) > 0);
        server.engine.tend();
        assert_eq!((server.files(), server.fake.attached()), (Vec::<String>::new(), 0));
        let left: Vec<_> = server.fake.paths().into_iter().filter(|path| path.contains(&id)).collect();
        assert_eq!(left, [staging(&id) + "/"], "the staging directory is the caller's, the target is not");
    }
}

#[tokio::test]
async fn the_same_name_means_the_same_volume() {
    let mut server = Server::start().await;
    server.create(create("db")).await.unwrap();
    type Change = fn(&mut CreateVolumeRequest);
    let cases: [(Change, &str); 4] = [
        (|r| r.capacity_range = bytes(2 * GIB, 0), "size is 1Gi, and at least 2Gi was asked for"),
        (|r| r.volume_capabilities = vec![block()], "content is xfs, and block was asked for"),
        (|r| r.parameters = [("sparse".into(), "true".into())].into(), "sparse is false, and true was asked for"),
        (|r| r.parameters = [("fs".into(), "ext4".into())].into(), "content is xfs, and ext4 was asked for"),
    ];
    for (change, text) in cases {
        let mut request = create("db");
        change(&mut request);
        refused(server.controller.create_volume(request).await, AlreadyExists, text);
    }
    let less = CreateVolumeRequest { capacity_range: bytes(500 * MIB, 2 * GIB), ..create("db") };
    assert_eq!(server.create(less).await.unwrap().capacity_bytes, GIB);
}

#[tokio::test]
async fn sizes_are_whole_blocks_within_the_bounds() {
    let mut server = Server::start().await;
    let cases = [(0, 0, GIB), (GIB + 1, 0, GIB + 4096), (20_000_000, 0, 20_000_768), (0, 30_000_000, 29_999_104)];
    for (number, (required, limit, expected)) in cases.into_iter().enumerate() {
        let request = CreateVolumeRequest { capacity_range: bytes(required, limit), ..create(&format!("v{number}")) };
        assert_eq!(server.create(request).await.unwrap().capacity_bytes, expected);
    }
    let unsaid = CreateVolumeRequest { capacity_range: None, ..create("unsaid") };
    assert_eq!(server.create(unsaid).await.unwrap().capacity_bytes, GIB);
}

#[tokio::test]
async fn topology_is_honoured_where_it_is_sent() {
    let mut server = Server::start().await;
    let ours = Some(requisite(&["n2", "n1"]));
    let preferred = Some(TopologyRequirement { requisite: vec![], preferred: requisite(&["n2"]).requisite });
    for (name, accessibility_requirements) in [("ours", ours), ("preferred", preferred)] {
        server.create(CreateVolumeRequest { accessibility_requirements, ..create(name) }).await.unwrap();
    }
}

/// A name that is not safe as a file name has an id of its own.
#[tokio::test]
async fn any_name_makes_a_volume() {
    let mut server = Server::start().await;
    for name in ["../../etc/passwd", "a b", "é", &"n".repeat(300)] {
        let id = server.create(create(name)).await.unwrap().volume_id;
        assert!(id.starts_with("v-sha256-"), "{id}");
        assert_eq!(server.create(create(name)).await.unwrap().volume_id, id);
        server.node.node_stage_volume(stage(&id, writer())).await.unwrap();
        server.take_down(&id).await;
    }
}

#[tokio::test]
async fn a_volume_is_read_only_where_it_is_asked_for() {
    let reader = mount(Mode::SingleNodeReaderOnly);
    let flagged = mount_with(Mode::SingleNodeWriter, "XFS", &["noatime", "ro"]);
    let cases: [(VolumeCapability, bool); 3] = [(writer(), true), (reader, false), (flagged, false)];
    for (capability, readonly) in cases {
        let mut server = Server::start().await;
        server.create(create("db")).await.unwrap();
        server.node.node_stage_volume(stage("db", capability.clone())).await.unwrap();
        let request = NodePublishVolumeRequest { readonly, ..publish("db", capability) };
        for _ in 0..2 {
            server.node.node_publish_volume(request.clone()).await.unwrap();
        }
        let mount = server.engine.inspect(&"db".to_owned().try_into().unwrap()).unwrap().presence.mounts;
        let target = mount.iter().find(|mount| mount.target.starts_with("/kubelet/pods")).unwrap();
        assert!(target.attributes.read_only);
        if readonly {
            let answer = server.node.node_publish_volume(publish("db", writer())).await;
            refused(answer, AlreadyExists, "the volume is there already, read-only, and writable was asked for");
        }
        server.take_down("db").await;
    }
}

#[tokio::test]
async fn a_single_writer_is_alone() {
    let mut server = Server::start().await;
    let single = mount(Mode::SingleNodeSingleWriter);
    server.published(CreateVolumeRequest { volume_capabilities: vec![single.clone()], ..create("db") }).await;
    let second =
        NodePublishVolumeRequest { target_path: "/kubelet/pods/second".into(), ..publish("db", single.clone()) };
    let answer = server.node.node_publish_volume(second.clone()).await;
    refused(answer, FailedPrecondition, "volume 'db' is in use: /kubelet/pods/db");
    server.node.node_publish_volume(publish("db", single)).await.unwrap();
    for mode in [Mode::SingleNodeMultiWriter, Mode::SingleNodeWriter] {
        let many = NodePublishVolumeRequest { volume_capability: Some(mount(mode)), ..second.clone() };
        server.node.node_publish_volume(many).await.unwrap();
    }
}

#[tokio::test]
async fn the_pods_are_known_that_the_kubelet_names() {
    let mut server = Server::start().await;
    server.published(create("db")).await;
    let id = "db".to_owned().try_into().unwrap();
    assert_eq!(server.engine.users(&id).unwrap(), []);
    let said = [("namespace", "shop"), ("name", "db-0"), ("uid", "1f0e")];
    let context = said.map(|(key, value)| (format!("csi.storage.k8s.io/pod.{key}"), value.to_owned()));
    let named = NodePublishVolumeRequest { volume_context: context.into(), ..publish("db", writer()) };
    server.node.node_publish_volume(named).await.unwrap();
    let users = server.engine.users(&id).unwrap();
    assert_eq!(
        users.iter().map(|pod| (&*pod.namespace, &*pod.name, &*pod.uid)).collect::<Vec<_>>(),
        [("shop", "db-0", "1f0e")]
    );
    server.take_down("db").await;
}

#[tokio::test]
async fn what_is_mounted_is_not_deleted() {
    let mut server = Server::start().await;
    server.published(create("db")).await;
    let request = DeleteVolumeRequest { volume_id: "db".into(), ..Default::default() };
    let answer = server.controller.delete_volume(request).await;
    refused(answer, FailedPrecondition, "volume 'db' is in use: /kubelet/staging/db, /kubelet/pods/db");
    assert_eq!(server.woken.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn stats_are_those_of_the_mount() {
    let mut server = Server::start().await;
    server.published(create("db")).await;
    server.published(CreateVolumeRequest { volume_capabilities: vec![block()], ..create("blocks") }).await;
    for path in [target("db"), staging("db")] {
        let usage = server.node.node_get_volume_stats(stats("db", &path)).await.unwrap().into_inner().usage;
        assert_eq!(usage[0].unit(), Unit::Bytes);
        assert_eq!((usage[0].total, usage[0].used, usage[0].available), (GIB, MIB, GIB - MIB));
    }
    for path in [target("blocks"), staging("blocks")] {
        let usage = server.node.node_get_volume_stats(stats("blocks", &path)).await.unwrap().into_inner().usage;
        assert_eq!(usage.len(), 1);
        assert_eq!((usage[0].total, usage[0].used, usage[0].available), (GIB, 0, 0));
    }
}

#[tokio::test]
async fn capabilities_are_confirmed_or_the_reason_is_said() {
    let mut server = Server::start().await;
    let made = server.create(create_with("db", &[("sparse", "true")])).await.unwrap();
    let context = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    let base = ValidateVolumeCapabilitiesRequest {
        volume_id: "db".into(),
        volume_capabilities: vec![writer(), mount_with(Mode::SingleNodeMultiWriter, "xfs", &["noatime"])],
        volume_context: made.volume_context,
        parameters: context("sparse", "true"),
        ..Default::default()
    };
    let answer = server.controller.validate_volume_capabilities(base.clone()).await.unwrap().into_inner();
    let confirmed = answer.confirmed.unwrap();
    assert_eq!(confirmed.volume_capabilities, base.volume_capabilities);
    assert_eq!(
        (confirmed.volume_context, confirmed.parameters),
        (base.volume_context.clone(), base.parameters.clone())
    );
    let plain = ValidateVolumeCapabilitiesRequest { parameters: Default::default(), ..base.clone() };
    let cases = [
        (ValidateVolumeCapabilitiesRequest { volume_capabilities: vec![block()], ..base.clone() }, "holds xfs"),
        (
            ValidateVolumeCapabilitiesRequest {
                volume_capabilities: vec![mount(Mode::MultiNodeMultiWriter)],
                ..base.clone()
            },
            "MULTI_NODE_MULTI_WRITER",
        ),
        (ValidateVolumeCapabilitiesRequest { parameters: context("fs", "ext4"), ..base.clone() }, "do not agree"),
        (ValidateVolumeCapabilitiesRequest { parameters: context("sparse", "0"), ..base.clone() }, "these parameters"),
        (ValidateVolumeCapabilitiesRequest { parameters: context("x", "1"), ..base.clone() }, "options 'x' are not"),
        (
            ValidateVolumeCapabilitiesRequest { volume_context: context("pool", "other"), ..base.clone() },
            "the volume's 'pool' is 'default'",
        ),
        (ValidateVolumeCapabilitiesRequest { mutable_parameters: context("a", "b"), ..plain }, "mutable_parameters"),
    ];
    for (request, text) in cases {
        let answer = server.controller.validate_volume_capabilities(request).await.unwrap().into_inner();
        assert!(answer.confirmed.is_none() && answer.message.contains(text), "{text}: {answer:?}");
    }
}

/// A claim that is bound to what no pod can have waits for ever.
#[tokio::test]
async fn what_can_never_be_staged_is_neither_made_nor_confirmed() {
    let mut server = Server::start().await;
    let discard = mount_with(Mode::SingleNodeWriter, "", &["discard"]);
    let wanted = |request: CreateVolumeRequest| CreateVolumeRequest {
        volume_capabilities: vec![writer(), discard.clone()],
        ..request
    };
    server.create(wanted(create_with("thin", &[("sparse", "true")]))).await.unwrap();
    server.node.node_stage_volume(stage("thin", discard.clone())).await.unwrap();
    let text = "mount option 'discard' would give reserved space away";
    refused(server.controller.create_volume(wanted(create("full"))).await, InvalidArgument, text);
    server.create(create("full")).await.unwrap();
    refused(server.node.node_stage_volume(stage("full", discard.clone())).await, InvalidArgument, text);
    for (id, expected) in [("thin", ""), ("full", text)] {
        let request = ValidateVolumeCapabilitiesRequest {
            volume_id: id.into(),
            volume_capabilities: vec![writer(), discard.clone()],
            ..Default::default()
        };
        let answer = server.controller.validate_volume_capabilities(request).await.unwrap().into_inner();
        assert_eq!((answer.confirmed.is_some(), answer.message.contains(expected)), (expected.is_empty(), true));
    }
}
