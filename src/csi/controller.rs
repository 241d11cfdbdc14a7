use std::collections::BTreeSet;

use tonic::{Request, Response, Status, async_trait};

use super::convert::{self, Page};
use super::{Door, Error, Service};
use crate::engine::{self, Capacity};
use crate::model::{Bytes, VolumeId};
use crate::rpc::csi::controller_server::Controller;
use crate::rpc::csi::controller_service_capability::{Rpc, Type, rpc::Type as Kind};
use crate::rpc::csi::validate_volume_capabilities_response::Confirmed;
use crate::rpc::csi::{
    ControllerGetCapabilitiesRequest, ControllerGetCapabilitiesResponse, ControllerGetVolumeHealthRequest,
    ControllerGetVolumeHealthResponse, ControllerGetVolumeRequest, ControllerGetVolumeResponse,
    ControllerListVolumeHealthRequest, ControllerListVolumeHealthResponse, ControllerServiceCapability,
    CreateVolumeRequest, CreateVolumeResponse, DeleteVolumeRequest, DeleteVolumeResponse, GetCapacityRequest,
    GetCapacityResponse, ListVolumesRequest, ListVolumesResponse, ValidateVolumeCapabilitiesRequest,
    ValidateVolumeCapabilitiesResponse, VolumeHealth, controller_get_volume_response, list_volumes_response,
};

const CAPABILITIES: [Kind; 7] = [
    Kind::CreateDeleteVolume,
    Kind::GetCapacity,
    Kind::ListVolumes,
    Kind::GetVolume,
    Kind::GetVolumeHealth,
    Kind::ListVolumeHealth,
    Kind::SingleNodeMultiWriter,
];

/// What is not here is not implemented: volumes are published, expanded and modified by no controller.
#[async_trait]
impl Controller for Service {
    async fn create_volume(
        &self,
        request: Request<CreateVolumeRequest>,
    ) -> Result<Response<CreateVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let asked = convert::create(&request, &door.pools, &door.defaults)?;
            door.here().satisfies(request.accessibility_requirements.as_ref())?;
            let record = door.engine.create(&asked)?;
            Ok(CreateVolumeResponse { volume: Some(convert::volume(&record, &door.here())) })
        });
        work.await
    }

    async fn delete_volume(
        &self,
        request: Request<DeleteVolumeRequest>,
    ) -> Result<Response<DeleteVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            match convert::volume_id(&request.volume_id) {
                Ok(id) => door.engine.delete(&id)?,
                // "If a volume corresponding to the specified `volume_id` does not exist [...] MUST reply `0 OK`."
                Err(Error::NoVolume(_)) => return Ok(DeleteVolumeResponse {}),
                Err(error) => return Err(error),
            }
            (door.deleted)();
            Ok(DeleteVolumeResponse {})
        });
        work.await
    }

    async fn validate_volume_capabilities(
        &self,
        request: Request<ValidateVolumeCapabilitiesRequest>,
    ) -> Result<Response<ValidateVolumeCapabilitiesResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            convert::required("volume_id", &request.volume_id)?;
            if request.volume_capabilities.is_empty() {
                return Err(Error::Required("volume_capabilities"));
            }
            let record = door.engine.record(&convert::volume_id(&request.volume_id)?)?;
            let valid = convert::validate(&request, &record, &door.here(), &door.pools, &door.defaults);
            Ok(match valid {
                Ok(()) => {
                    ValidateVolumeCapabilitiesResponse { confirmed: Some(confirm(request)), ..Default::default() }
                }
                Err(message) => ValidateVolumeCapabilitiesResponse { confirmed: None, message },
            })
        });
        work.await
    }

    async fn list_volumes(
        &self,
        request: Request<ListVolumesRequest>,
    ) -> Result<Response<ListVolumesResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let page = Page::new(request.max_entries, &request.starting_token)?;
            let (records, more) = door.engine.list(page.after.as_ref(), page.limit)?;
            let next_token = records.last().filter(|_| more).map(|last| Page::token(&last.id)).unwrap_or_default();
            let volumes = records.iter().map(|record| convert::volume(record, &door.here()));
            let entries = volumes.map(|volume| list_volumes_response::Entry { volume: Some(volume), status: None });
            Ok(ListVolumesResponse { entries: entries.collect(), next_token })
        });
        work.await
    }

    async fn controller_get_volume(
        &self,
        request: Request<ControllerGetVolumeRequest>,
    ) -> Result<Response<ControllerGetVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let record = door.engine.record(&convert::volume_id(&request.volume_id)?)?;
            Ok(ControllerGetVolumeResponse {
                volume: Some(convert::volume(&record, &door.here())),
                status: Some(controller_get_volume_response::VolumeStatus::default()), // "This field is REQUIRED."
            })
        });
        work.await
    }

    async fn controller_get_volume_health(
        &self,
        request: Request<ControllerGetVolumeHealthRequest>,
    ) -> Result<Response<ControllerGetVolumeHealthResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let id = convert::volume_id(&request.volume_id)?;
            let faults = door.engine.health(&id)?;
            Ok(ControllerGetVolumeHealthResponse { volume_health: Some(convert::health(&id, &faults)) })
        });
        work.await
    }

    async fn controller_list_volume_health(
        &self,
        request: Request<ControllerListVolumeHealthRequest>,
    ) -> Result<Response<ControllerListVolumeHealthResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let page = Page::new(request.max_entries, &request.starting_token)?;
            let (entries, next_token) = door.unhealthy(&page)?;
            Ok(ControllerListVolumeHealthResponse { entries, next_token })
        });
        work.await
    }

    async fn get_capacity(
        &self,
        request: Request<GetCapacityRequest>,
    ) -> Result<Response<GetCapacityResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let asked = convert::Capacity::new(&request, &door.pools, &door.defaults)?;
            let is_here = request.accessible_topology.is_none_or(|place| door.here().is_in(&place));
            let capacity = match is_here {
                true => door.capacity(&asked)?,
                false => Capacity { available: Bytes::ZERO, maximum: Bytes::ZERO },
            };
            Ok(GetCapacityResponse {
                available_capacity: capacity.available.signed(),
                maximum_volume_size: Some(capacity.maximum.signed()),
                minimum_volume_size: Some(asked.minimum.signed()),
            })
        });
        work.await
    }

    async fn controller_get_capabilities(
        &self,
        request: Request<ControllerGetCapabilitiesRequest>,
    ) -> Result<Response<ControllerGetCapabilitiesResponse>, Status> {
        let work = self.0.answer(request, |_, _| {
            let capability =
                |kind: Kind| ControllerServiceCapability { r#type: Some(Type::Rpc(Rpc { r#type: kind.into() })) };
            Ok(ControllerGetCapabilitiesResponse { capabilities: CAPABILITIES.map(capability).into() })
        });
        work.await
    }
}

impl Door {
    /// None for a filesystem that the pool cannot make.
    fn capacity(&self, asked: &convert::Capacity) -> Result<Capacity, Error> {
        let pool = &asked.volumes.pool;
        if let Some(fs) = asked.volumes.content.filesystem() {
            let pools = self.engine.pools();
            let mut states = pools.iter().filter(|status| status.config.name == *pool);
            if states.any(|status| status.filesystems.get(&fs).is_some_and(Result::is_err)) {
                return Ok(Capacity { available: Bytes::ZERO, maximum: Bytes::ZERO });
            }
        }
        Ok(self.engine.capacity(pool, asked.volumes.sparse)?)
    }

    /// "The Plugin SHOULD omit volumes with no known adverse health condition."
    fn unhealthy(&self, page: &Page) -> Result<(Vec<VolumeHealth>, String), Error> {
        let mut entries: Vec<VolumeHealth> = Vec::new();
        let mut last = None;
        let view = self.engine.view()?;
        for id in self.known()?.into_iter().filter(|id| page.after.as_ref().is_none_or(|after| id > after)) {
            let faults = match view.health(&id) {
                Err(engine::Error::NoVolume(_) | engine::Error::Unfinished(_)) => continue, // went away meanwhile
                faults => faults?,
            };
            if faults.is_empty() {
                continue;
            }
            if let Some(last) = last.filter(|_| page.is_full(entries.len())) {
                return Ok((entries, Page::token(&last)));
            }
            entries.push(convert::health(&id, &faults));
            last = Some(id);
        }
        Ok((entries, String::new()))
    }

    /// Every volume, with those whose record cannot be read, and those of pools that are out of reach.
    fn known(&self) -> Result<BTreeSet<VolumeId>, Error> {
        let (records, _) = self.engine.list(None, 0)?;
        let aside = self.engine.set_aside();
        let names = aside.iter().filter_map(|aside| aside.path.file_name()?.to_str());
        let aside = names.filter_map(|name| VolumeId::parse(name).ok());
        Ok(records.iter().map(|record| record.id.clone()).chain(aside).chain(self.engine.lost_volumes()).collect())
    }
}

/// "The CO SHALL compare the fields of this message to the originally requested capabilities."
fn confirm(request: ValidateVolumeCapabilitiesRequest) -> Confirmed {
    Confirmed {
        volume_context: request.volume_context,
        volume_capabilities: request.volume_capabilities,
        parameters: request.parameters,
        mutable_parameters: request.mutable_parameters,
    }
}
