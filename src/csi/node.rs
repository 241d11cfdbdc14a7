use std::path::Path;

use tonic::{Request, Response, Status, async_trait};

use super::convert::{self, Capability};
use super::{Error, Service};
use crate::backend;
use crate::engine::{self, PublishRequest, StageRequest};
use crate::model::{Content, Usage};
use crate::rpc::csi::node_server::Node;
use crate::rpc::csi::node_service_capability::{Rpc, Type, rpc::Type as Kind};
use crate::rpc::csi::volume_usage::Unit;
use crate::rpc::csi::{
    NodeExpandVolumeRequest, NodeExpandVolumeResponse, NodeGetCapabilitiesRequest, NodeGetCapabilitiesResponse,
    NodeGetInfoRequest, NodeGetInfoResponse, NodeGetStorageHealthRequest, NodeGetStorageHealthResponse,
    NodeGetVolumeHealthRequest, NodeGetVolumeHealthResponse, NodeGetVolumeStatsRequest, NodeGetVolumeStatsResponse,
    NodePublishVolumeRequest, NodePublishVolumeResponse, NodeServiceCapability, NodeStageVolumeRequest,
    NodeStageVolumeResponse, NodeUnpublishVolumeRequest, NodeUnpublishVolumeResponse, NodeUnstageVolumeRequest,
    NodeUnstageVolumeResponse, VolumeUsage,
};

const CAPABILITIES: [Kind; 6] = [
    Kind::StageUnstageVolume,
    Kind::GetVolumeStats,
    Kind::ExpandVolume,
    Kind::GetVolumeHealth,
    Kind::GetStorageHealth,
    Kind::SingleNodeMultiWriter,
];

#[async_trait]
impl Node for Service {
    async fn node_stage_volume(
        &self,
        request: Request<NodeStageVolumeRequest>,
    ) -> Result<Response<NodeStageVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            convert::required("volume_id", &request.volume_id)?;
            let staging = convert::path("staging_target_path", &request.staging_target_path)?;
            let capability = Capability::new(request.volume_capability.as_ref())?;
            let id = convert::volume_id(&request.volume_id)?;
            // SINGLE_NODE_READER_ONLY is staged with writes and published without: a growth has to be finished here.
            let (access, options) = (capability.access, capability.options);
            door.engine.stage(&id, &StageRequest { staging, access, options })?;
            Ok(NodeStageVolumeResponse {})
        });
        work.await
    }

    async fn node_unstage_volume(
        &self,
        request: Request<NodeUnstageVolumeRequest>,
    ) -> Result<Response<NodeUnstageVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            convert::required("volume_id", &request.volume_id)?;
            let staging = convert::path("staging_target_path", &request.staging_target_path)?;
            door.engine.unstage(&convert::volume_id(&request.volume_id)?, &staging)?;
            Ok(NodeUnstageVolumeResponse {})
        });
        work.await
    }

    async fn node_publish_volume(
        &self,
        request: Request<NodePublishVolumeRequest>,
    ) -> Result<Response<NodePublishVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            convert::required("volume_id", &request.volume_id)?;
            let target = convert::path("target_path", &request.target_path)?;
            let Capability { access, read_only, exclusive, .. } = Capability::new(request.volume_capability.as_ref())?;
            if request.staging_target_path.is_empty() {
                return Err(Error::NotStaged);
            }
            let staging = convert::path("staging_target_path", &request.staging_target_path)?;
            let id = convert::volume_id(&request.volume_id)?;
            let read_only = read_only || request.readonly;
            let pod = convert::pod(&request.volume_context);
            door.engine.publish(&id, &PublishRequest { staging, target, access, read_only, exclusive, pod })?;
            Ok(NodePublishVolumeResponse {})
        });
        work.await
    }

    async fn node_unpublish_volume(
        &self,
        request: Request<NodeUnpublishVolumeRequest>,
    ) -> Result<Response<NodeUnpublishVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            convert::required("volume_id", &request.volume_id)?;
            let target = convert::path("target_path", &request.target_path)?;
            door.engine.unpublish(&convert::volume_id(&request.volume_id)?, &target)?;
            Ok(NodeUnpublishVolumeResponse {})
        });
        work.await
    }

    async fn node_get_volume_stats(
        &self,
        request: Request<NodeGetVolumeStatsRequest>,
    ) -> Result<Response<NodeGetVolumeStatsResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            convert::required("volume_id", &request.volume_id)?;
            let path = Path::new(convert::required("volume_path", &request.volume_path)?);
            let id = convert::volume_id(&request.volume_id)?;
            let not_at = || Error::NotAt { volume: id.to_string(), path: request.volume_path.clone() };
            if !path.is_absolute() {
                return Err(not_at()); // no volume is mounted at a path that depends on who asks
            }
            let (usage, record) = door.engine.usage(&id, path).map_err(|error| match error {
                engine::Error::Backend(backend::Error::NotMounted { .. } | backend::Error::ForeignMount { .. }) => {
                    not_at()
                }
                error => error.into(),
            })?;
            Ok(NodeGetVolumeStatsResponse { usage: stats(record.spec.content, &usage) })
        });
        work.await
    }

    async fn node_get_volume_health(
        &self,
        request: Request<NodeGetVolumeHealthRequest>,
    ) -> Result<Response<NodeGetVolumeHealthResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            convert::required("volume_id", &request.volume_id)?;
            convert::optional_path("volume_publish_path", &request.volume_publish_path)?;
            convert::optional_path("staging_target_path", &request.staging_target_path)?;
            let id = convert::volume_id(&request.volume_id)?;
            let faults = door.engine.health(&id)?;
            Ok(NodeGetVolumeHealthResponse { volume_health: Some(convert::health(&id, &faults)) })
        });
        work.await
    }

    async fn node_get_storage_health(
        &self,
        request: Request<NodeGetStorageHealthRequest>,
    ) -> Result<Response<NodeGetStorageHealthResponse>, Status> {
        let work = self.0.answer(request, |door, _| {
            let pools = door.engine.pools().into_iter();
            let faults: Vec<_> = pools.map(|pool| (pool.config.name.clone(), door.engine.pool_faults(&pool))).collect();
            Ok(NodeGetStorageHealthResponse { backend_health: convert::storage_health(&faults) })
        });
        work.await
    }

    async fn node_expand_volume(
        &self,
        request: Request<NodeExpandVolumeRequest>,
    ) -> Result<Response<NodeExpandVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            convert::required("volume_id", &request.volume_id)?;
            convert::required("volume_path", &request.volume_path)?;
            let id = convert::volume_id(&request.volume_id)?;
            let record = door.engine.record(&id)?;
            let path = convert::path("volume_path", &request.volume_path)?;
            if request.volume_capability.is_some() {
                Capability::new(request.volume_capability.as_ref())?.fits(record.spec.content)?;
            }
            let range = convert::expansion(request.capacity_range.as_ref())?;
            let expanded = door.engine.expand(&id, Some(&path), range);
            if let Err(error) = &expanded
                && matches!(error.kind(), engine::Kind::SizeRefused | engine::Kind::RefusedAgain)
            {
                (door.refused)(&id, range.at_least, &error.to_string());
            }
            let size = expanded?;
            Ok(NodeExpandVolumeResponse { capacity_bytes: size.signed() })
        });
        work.await
    }

    async fn node_get_capabilities(
        &self,
        request: Request<NodeGetCapabilitiesRequest>,
    ) -> Result<Response<NodeGetCapabilitiesResponse>, Status> {
        let work = self.0.answer(request, |_, _| {
            let capability =
                |kind: Kind| NodeServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: kind.into() })) };
            Ok(NodeGetCapabilitiesResponse { capabilities: CAPABILITIES.map(capability).into() })
        });
        work.await
    }

    async fn node_get_info(
        &self,
        request: Request<NodeGetInfoRequest>,
    ) -> Result<Response<NodeGetInfoResponse>, Status> {
        let work = self.0.answer(request, |door, _| {
            Ok(NodeGetInfoResponse {
                node_id: door.node_name.clone(),
                max_volumes_per_node: 0, // as many as there is room for
                accessible_topology: Some(door.here().topology()),
            })
        });
        work.await
    }
}

/// Of a block device only the size is known; a filesystem that makes inodes as needed has no number of them.
fn stats(content: Content, usage: &Usage) -> Vec<VolumeUsage> {
    let Usage { total, used, available, inodes } = *usage;
    let unit = Unit::Bytes.into();
    let mut stats =
        vec![VolumeUsage { available: available.signed(), total: total.signed(), used: used.signed(), unit }];
    if content != Content::Block && inodes.total > 0 {
        let [available, total, used] =
            [inodes.free, inodes.total, inodes.used].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
        stats.push(VolumeUsage { available, total, used, unit: Unit::Inodes.into() });
    }
    stats
}
