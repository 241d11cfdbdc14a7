//! Short words for requests, and for what comes of them.

use tonic::{Code, Response, Status};
use ullage::rpc::csi::volume_capability::access_mode::Mode;
use ullage::rpc::csi::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use ullage::rpc::csi::{
    CapacityRange, CreateVolumeRequest, DeleteVolumeRequest, NodeExpandVolumeRequest, NodeGetVolumeStatsRequest,
    NodePublishVolumeRequest, NodeStageVolumeRequest, NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, Topology,
    Volume, VolumeCapability,
};

use super::server::Server;

pub const GIB: i64 = 1 << 30;
pub const MIB: i64 = 1 << 20;

pub fn mount(mode: Mode) -> VolumeCapability {
    mount_with(mode, "", &[])
}

pub fn mount_with(mode: Mode, fs_type: &str, flags: &[&str]) -> VolumeCapability {
    let mount_flags = flags.iter().map(|flag| flag.to_string()).collect();
    let mount = MountVolume { fs_type: fs_type.into(), mount_flags, volume_mount_group: String::new() };
    VolumeCapability {
        access_type: Some(AccessType::Mount(mount)),
        access_mode: Some(AccessMode { mode: mode.into() }),
    }
}

pub fn block() -> VolumeCapability {
    VolumeCapability {
        access_type: Some(AccessType::Block(BlockVolume {})),
        access_mode: Some(AccessMode { mode: Mode::SingleNodeWriter.into() }),
    }
}

pub fn writer() -> VolumeCapability {
    mount(Mode::SingleNodeWriter)
}

pub fn bytes(required: i64, limit: i64) -> Option<CapacityRange> {
    Some(CapacityRange { required_bytes: required, limit_bytes: limit })
}

pub fn place(key: &str, value: &str) -> Topology {
    Topology { segments: [(key.to_owned(), value.to_owned())].into() }
}

/// 1 GiB, to be mounted.
pub fn create(name: &str) -> CreateVolumeRequest {
    CreateVolumeRequest {
        name: name.into(),
        capacity_range: bytes(GIB, 0),
        volume_capabilities: vec![writer()],
        ..Default::default()
    }
}

pub fn create_with(name: &str, parameters: &[(&str, &str)]) -> CreateVolumeRequest {
    let parameters = parameters.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    CreateVolumeRequest { parameters, ..create(name) }
}

pub fn staging(id: &str) -> String {
    format!("/kubelet/staging/{id}")
}

pub fn target(id: &str) -> String {
    format!("/kubelet/pods/{id}")
}

pub fn stage(id: &str, capability: VolumeCapability) -> NodeStageVolumeRequest {
    NodeStageVolumeRequest {
        volume_id: id.into(),
        staging_target_path: staging(id),
        volume_capability: Some(capability),
        ..Default::default()
    }
}

pub fn unstage(id: &str) -> NodeUnstageVolumeRequest {
    NodeUnstageVolumeRequest { volume_id: id.into(), staging_target_path: staging(id) }
}

pub fn publish(id: &str, capability: VolumeCapability) -> NodePublishVolumeRequest {
    NodePublishVolumeRequest {
        volume_id: id.into(),
        staging_target_path: staging(id),
        target_path: target(id),
        volume_capability: Some(capability),
        ..Default::default()
    }
}

pub fn unpublish(id: &str) -> NodeUnpublishVolumeRequest {
    NodeUnpublishVolumeRequest { volume_id: id.into(), target_path: target(id) }
}

pub fn stats(id: &str, path: &str) -> NodeGetVolumeStatsRequest {
    NodeGetVolumeStatsRequest { volume_id: id.into(), volume_path: path.into(), ..Default::default() }
}

pub fn expand(id: &str, required: i64, limit: i64) -> NodeExpandVolumeRequest {
    NodeExpandVolumeRequest {
        volume_id: id.into(),
        volume_path: target(id),
        capacity_range: bytes(required, limit),
        ..Default::default()
    }
}

impl Server {
    pub async fn create(&mut self, request: CreateVolumeRequest) -> Result<Volume, Status> {
        Ok(self.controller.create_volume(request).await?.into_inner().volume.unwrap())
    }

    /// Made, staged and published.
    pub async fn published(&mut self, request: CreateVolumeRequest) -> Volume {
        let capability = request.volume_capabilities[0].clone();
        let volume = self.create(request).await.unwrap();
        self.node.node_stage_volume(stage(&volume.volume_id, capability.clone())).await.unwrap();
        self.node.node_publish_volume(publish(&volume.volume_id, capability)).await.unwrap();
        volume
    }

    /// Down the whole staircase, every step twice.
    pub async fn take_down(&mut self, id: &str) {
        for _ in 0..2 {
            self.node.node_unpublish_volume(unpublish(id)).await.unwrap();
        }
        for _ in 0..2 {
            self.node.node_unstage_volume(unstage(id)).await.unwrap();
        }
        self.delete(id).await;
    }

    /// Twice.
    pub async fn delete(&mut self, id: &str) {
        for _ in 0..2 {
            let request = DeleteVolumeRequest { volume_id: id.into(), ..Default::default() };
            self.controller.delete_volume(request).await.unwrap();
        }
    }
}

/// Checks the code of a refusal, and what its text says.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(answer: Result<Response<T>, Status>, code: Code, text: &str) {
    let status = answer.unwrap_err();
    assert_eq!((status.code(), status.message().contains(text)), (code, true), "{text}: {status:?}");
}
