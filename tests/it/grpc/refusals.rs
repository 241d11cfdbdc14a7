//! Every request that is refused: with which code, and in which words.

use tonic::Code::{self, FailedPrecondition, InvalidArgument, NotFound, OutOfRange, ResourceExhausted};
use ullage::rpc::csi::volume_capability::access_mode::Mode;
use ullage::rpc::csi::volume_capability::{AccessMode, AccessType};
use ullage::rpc::csi::volume_content_source::{Type, VolumeSource};
use ullage::rpc::csi::{
    CreateVolumeRequest, NodeExpandVolumeRequest, NodePublishVolumeRequest, NodeStageVolumeRequest,
    TopologyRequirement, VolumeCapability, VolumeContentSource,
};

use super::ask::*;
use super::server::Server;

type Case<T> = (fn(&mut T), Code, &'static str);

fn with_group(capability: &mut VolumeCapability) {
    if let Some(AccessType::Mount(mount)) = &mut capability.access_type {
        mount.volume_mount_group = "1000".into();
    }
}

fn parameter(request: &mut CreateVolumeRequest, key: &str, value: &str) {
    request.parameters.insert(key.into(), value.into());
}

const CREATE: [Case<CreateVolumeRequest>; 34] = [
    (|r| r.name.clear(), InvalidArgument, "name is required"),
    (|r| r.volume_capabilities.clear(), InvalidArgument, "volume_capabilities is required"),
    (|r| r.volume_capabilities[0].access_mode = None, InvalidArgument, "access_mode is required"),
    (
        |r| r.volume_capabilities[0].access_mode = Some(AccessMode { mode: 0 }),
        InvalidArgument,
        "access_mode is required",
    ),
    (
        |r| r.volume_capabilities[0].access_mode = Some(AccessMode { mode: 99 }),
        InvalidArgument,
        "access_mode is required",
    ),
    (|r| r.volume_capabilities[0].access_type = None, InvalidArgument, "access_type is required"),
    (|r| r.volume_capabilities.push(block()), InvalidArgument, "a volume is one or the other"),
    (|r| r.volume_capabilities = vec![mount(Mode::MultiNodeReaderOnly)], InvalidArgument, "MULTI_NODE_READER_ONLY"),
    (|r| r.volume_capabilities = vec![mount(Mode::MultiNodeSingleWriter)], InvalidArgument, "MULTI_NODE_SINGLE_WRITER"),
    (|r| r.volume_capabilities.push(mount(Mode::MultiNodeMultiWriter)), InvalidArgument, "MULTI_NODE_MULTI_WRITER"),
    (|r| with_group(&mut r.volume_capabilities[0]), InvalidArgument, "volume_mount_group is not supported"),
    (
        |r| r.volume_content_source = Some(VolumeContentSource { r#type: None }),
        InvalidArgument,
        "volume_content_source is not supported",
    ),
    (
        |r| {
            let source = Type::Volume(VolumeSource { volume_id: "db".into() });
            r.volume_content_source = Some(VolumeContentSource { r#type: Some(source) });
        },
        InvalidArgument,
        "volume_content_source is not supported",
    ),
    (
        |r| r.mutable_parameters = [("iops".into(), "1".into())].into(),
        InvalidArgument,
        "mutable_parameters are not supported: iops",
    ),
    (
        |r| r.capacity_range = bytes(-1, 0),
        InvalidArgument,
        "required bytes '-1' and limit bytes '0' cannot be negative",
    ),
    (|r| r.capacity_range = bytes(2, 1), InvalidArgument, "limit bytes '1' are less than required bytes '2'"),
    (
        |r| r.capacity_range = bytes(19_000_000, 0),
        OutOfRange,
        "requested size '19000000' is smaller than minimum allowed 20MB",
    ),
    (|r| r.capacity_range = bytes(GIB + 1, GIB + 1), OutOfRange, "more than the limit of '1073741825'"),
    (|r| r.capacity_range = bytes(i64::MAX, 0), OutOfRange, "larger than any volume can be"),
    (
        |r| {
            r.capacity_range = bytes(299 * MIB, 0);
            parameter(r, "fs", "xfs");
        },
        OutOfRange,
        "is smaller than the minimum of 300Mi for xfs",
    ),
    (|r| r.capacity_range = bytes(200 * GIB, 0), ResourceExhausted, "pool 'default' is full: 200Gi asked for, "),
    (|r| parameter(r, "fs", "foo"), InvalidArgument, "only xfs and ext4 filesystems are supported, 'foo' requested"),
    (
        |r| r.volume_capabilities = vec![mount_with(Mode::SingleNodeWriter, "btrfs", &[])],
        InvalidArgument,
        "only xfs and ext4 filesystems are supported, 'btrfs' requested",
    ),
    (
        |r| {
            parameter(r, "fs", "xfs");
            r.volume_capabilities = vec![mount_with(Mode::SingleNodeWriter, "ext4", &[])];
        },
        InvalidArgument,
        "filesystems do not agree",
    ),
    (|r| parameter(r, "pool", "other"), InvalidArgument, "pool 'other' is not among those of this node: default"),
    (
        |r| parameter(r, "backend", "zfs"),
        InvalidArgument,
        "only the backends loop and quota are supported, 'zfs' requested",
    ),
    (|r| parameter(r, "sparse", "yes"), InvalidArgument, "'sparse' option should be one of 1, t, T"),
    (
        |r| r.volume_capabilities.push(mount_with(Mode::SingleNodeWriter, "", &["noatime,discard"])),
        InvalidArgument,
        "mount option 'discard' would give reserved space away",
    ),
    (|r| parameter(r, "uid", "-1"), InvalidArgument, "'uid' option should be >= 0 but received '-1'"),
    (|r| parameter(r, "gid", "x"), InvalidArgument, "cannot parse 'gid' option value 'x' as an integer"),
    (
        |r| parameter(r, "mode", "0"),
        InvalidArgument,
        "mode value '0' does not fall between 0 and 7777 in octal encoding",
    ),
    (
        |r| {
            parameter(r, "y", "1");
            parameter(r, "x", "1");
        },
        InvalidArgument,
        "options 'x, y' are not among supported ones: backend",
    ),
    (
        |r| r.accessibility_requirements = Some(requisite(&["n2", "n3"])),
        ResourceExhausted,
        "none of the requisite topologies is that of this node, csi.ullage.dev/node=n1",
    ),
    (
        |r| {
            let requisite = vec![place("topology.kubernetes.io/zone", "a")];
            r.accessibility_requirements = Some(TopologyRequirement { requisite, preferred: vec![] });
        },
        ResourceExhausted,
        "none of the requisite topologies",
    ),
];

pub fn requisite(nodes: &[&str]) -> TopologyRequirement {
    let requisite = nodes.iter().map(|node| place("csi.ullage.dev/node", node)).collect();
    TopologyRequirement { requisite, preferred: vec![] }
}

#[tokio::test]
async fn a_create_that_cannot_be_done_leaves_nothing() {
    let mut server = Server::start().await;
    for (change, code, text) in CREATE {
        let mut request = create("db");
        change(&mut request);
        refused(server.controller.create_volume(request).await, code, text);
    }
    assert_eq!(server.files(), Vec::<String>::new());
}

/// For every one of them there is a volume `db`, made and no more.
const STAGE: [Case<NodeStageVolumeRequest>; 10] = [
    (|r| r.volume_id.clear(), InvalidArgument, "volume_id is required"),
    (|r| r.volume_id = "gone".into(), NotFound, "volume 'gone' does not exist"),
    (|r| r.volume_id = "../../etc".into(), NotFound, "volume '../../etc' does not exist"),
    (|r| r.staging_target_path.clear(), InvalidArgument, "staging_target_path is required"),
    (|r| r.staging_target_path = "a/b".into(), InvalidArgument, "staging_target_path 'a/b' is not an absolute path"),
    (|r| r.staging_target_path = "/a\0b".into(), InvalidArgument, "is not an absolute path"),
    (|r| r.volume_capability = None, InvalidArgument, "volume_capability is required"),
    (|r| r.volume_capability = Some(mount(Mode::MultiNodeMultiWriter)), InvalidArgument, "MULTI_NODE_MULTI_WRITER"),
    (
        |r| r.volume_capability = Some(mount_with(Mode::SingleNodeWriter, "ext4", &[])),
        InvalidArgument,
        "volume 'db' holds xfs, and ext4 was asked for",
    ),
    (|r| r.volume_capability = Some(block()), InvalidArgument, "holds xfs, and a block device was asked for"),
];

const PUBLISH: [Case<NodePublishVolumeRequest>; 8] = [
    (|r| r.volume_id.clear(), InvalidArgument, "volume_id is required"),
    (|r| r.volume_id = "gone".into(), NotFound, "volume 'gone' does not exist"),
    (|r| r.target_path.clear(), InvalidArgument, "target_path is required"),
    (|r| r.target_path = "pods/db".into(), InvalidArgument, "target_path 'pods/db' is not an absolute path"),
    (|r| r.volume_capability = None, InvalidArgument, "volume_capability is required"),
    (|r| r.staging_target_path.clear(), FailedPrecondition, "staging_target_path is required: stage the volume first"),
    (|_| {}, FailedPrecondition, "/kubelet/staging/db: the volume is not mounted there"),
    (|r| r.volume_capability = Some(block()), InvalidArgument, "holds xfs, and a block device was asked for"),
];

const EXPAND: [Case<NodeExpandVolumeRequest>; 9] = [
    (|r| r.volume_id.clear(), InvalidArgument, "volume_id is required"),
    (|r| r.volume_id = "gone".into(), NotFound, "volume 'gone' does not exist"),
    (|r| r.volume_path.clear(), InvalidArgument, "volume_path is required"),
    (|r| r.volume_path = "pods/db".into(), InvalidArgument, "volume_path 'pods/db' is not an absolute path"),
    (|r| r.volume_path = "/kubelet/staging/db".into(), FailedPrecondition, "the volume is not mounted there"),
    (|r| r.capacity_range = bytes(-1, 0), InvalidArgument, "cannot be negative"),
    (|r| r.capacity_range = bytes(0, -1), InvalidArgument, "cannot be negative"),
    (|r| r.capacity_range = bytes(GIB + 1, GIB + 2), OutOfRange, "more than the limit"),
    (|r| r.volume_capability = Some(block()), InvalidArgument, "holds xfs, and the capability asks for a block device"),
];

#[tokio::test]
async fn a_node_call_that_cannot_be_done_changes_nothing() {
    let mut server = Server::start().await;
    server.create(create("db")).await.unwrap();
    let (files, mounts) = (server.fake.paths(), server.fake.mount_targets());
    for (change, code, text) in STAGE {
        let mut request = stage("db", writer());
        change(&mut request);
        refused(server.node.node_stage_volume(request).await, code, text);
    }
    for (change, code, text) in PUBLISH {
        let mut request = publish("db", writer());
        change(&mut request);
        refused(server.node.node_publish_volume(request).await, code, text);
    }
    for (change, code, text) in EXPAND {
        let mut request = expand("db", 2 * GIB, 0);
        change(&mut request);
        refused(server.node.node_expand_volume(request).await, code, text);
    }
    assert_eq!((server.fake.paths(), server.fake.mount_targets()), (files, mounts));
}
