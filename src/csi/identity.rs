use tonic::{Request, Response, Status, async_trait};

use super::Service;
use crate::rpc::csi::identity_server::Identity;
use crate::rpc::csi::plugin_capability::service::Type as ServiceType;
use crate::rpc::csi::plugin_capability::volume_expansion::Type as Expansion;
use crate::rpc::csi::plugin_capability::{Service as ServiceCapability, Type, VolumeExpansion};
use crate::rpc::csi::{
    GetPluginCapabilitiesRequest, GetPluginCapabilitiesResponse, GetPluginInfoRequest, GetPluginInfoResponse,
    PluginCapability, ProbeRequest, ProbeResponse,
};

#[async_trait]
impl Identity for Service {
    async fn get_plugin_info(
        &self,
        request: Request<GetPluginInfoRequest>,
    ) -> Result<Response<GetPluginInfoResponse>, Status> {
        let work = self.0.answer(request, |door, _| {
            Ok(GetPluginInfoResponse {
                name: door.driver_name.clone(),
                vendor_version: env!("CARGO_PKG_VERSION").to_owned(),
                ..GetPluginInfoResponse::default()
            })
        });
        work.await
    }

    async fn get_plugin_capabilities(
        &self,
        request: Request<GetPluginCapabilitiesRequest>,
    ) -> Result<Response<GetPluginCapabilitiesResponse>, Status> {
        let work = self.0.answer(request, |_, _| {
            let services = [ServiceType::ControllerService, ServiceType::VolumeAccessibilityConstraints];
            let services = services.map(|service| Type::Service(ServiceCapability { r#type: service.into() }));
            let expansion = Type::VolumeExpansion(VolumeExpansion { r#type: Expansion::Online.into() });
            let capabilities = services.into_iter().chain([expansion]);
            let capabilities = capabilities.map(|one| PluginCapability { r#type: Some(one) }).collect();
            Ok(GetPluginCapabilitiesResponse { capabilities })
        });
        work.await
    }

    /// Ready after recovery, while at least one pool is served.
    async fn probe(&self, request: Request<ProbeRequest>) -> Result<Response<ProbeResponse>, Status> {
        let work = self.0.answer(request, |door, _| {
            let ready = door.engine.ready();
            if let Err(reason) = &ready {
                tracing::warn!(reason, "not ready");
            }
            Ok(ProbeResponse { ready: Some(ready.is_ok()) })
        });
        work.await
    }
}
