use tonic::{Request, Response, Status, async_trait};

use super::convert::{self, admin as say};
use super::{Door, Error, Service, size};
use crate::engine::{self, MountRequest};
use crate::model::{PoolName, VolumeId, VolumeSpec};
use crate::projects::hostlet::State;
use crate::rpc::admin::admin_server::Admin;
use crate::rpc::admin::{
    GetVolumeRequest, GetVolumeResponse, ImportHostletRequest, ImportHostletResponse, ListPoolsRequest,
    ListPoolsResponse, ListVolumesRequest, ListVolumesResponse, MountVolumeRequest, MountVolumeResponse, Pool,
    ResizeVolumeRequest, ResizeVolumeResponse, UnmountVolumeRequest, UnmountVolumeResponse, Volume,
};
use crate::store::Record;

#[async_trait]
impl Admin for Service {
    async fn list_volumes(
        &self,
        request: Request<ListVolumesRequest>,
    ) -> Result<Response<ListVolumesResponse>, Status> {
        let work = self.0.answer(request, |door, _| {
            let set_aside = door.engine.set_aside().iter().map(say::set_aside).collect();
            Ok(ListVolumesResponse { volumes: door.inspect_all()?, pools: door.list_pools(), set_aside })
        });
        work.await
    }

    async fn get_volume(&self, request: Request<GetVolumeRequest>) -> Result<Response<GetVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let inspection = door.named(&request.volume, |id| door.engine.inspect(id))?;
            Ok(GetVolumeResponse { volume: Some(say::volume(&inspection)) })
        });
        work.await
    }

    async fn resize_volume(
        &self,
        request: Request<ResizeVolumeRequest>,
    ) -> Result<Response<ResizeVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            if request.size_bytes == 0 {
                return Err(Error::Required("size_bytes"));
            }
            let asked = i64::try_from(request.size_bytes).unwrap_or(i64::MAX);
            let size = size::size(asked, 0, VolumeSpec::SMALLEST)?;
            let inspection = door.named(&request.volume, |id| {
                door.engine.resize(id, size)?;
                door.engine.inspect(id)
            })?;
            Ok(ResizeVolumeResponse { volume: Some(say::volume(&inspection)) })
        });
        work.await
    }

    async fn mount_volume(
        &self,
        request: Request<MountVolumeRequest>,
    ) -> Result<Response<MountVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let target = convert::path("path", &request.path)?;
            let wanted = MountRequest { target, read_only: request.read_only };
            let inspection = door.named(&request.volume, |id| {
                door.engine.mount(id, &wanted)?;
                door.engine.inspect(id)
            })?;
            Ok(MountVolumeResponse { volume: Some(say::volume(&inspection)) })
        });
        work.await
    }

    async fn unmount_volume(
        &self,
        request: Request<UnmountVolumeRequest>,
    ) -> Result<Response<UnmountVolumeResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let target = convert::path("path", &request.path)?;
            let inspection = door.named(&request.volume, |id| {
                door.engine.unmount(id, &target)?;
                Ok(door.engine.inspect(id).ok()) // it may be one whose record cannot be read
            })?;
            Ok(UnmountVolumeResponse { volume: inspection.as_ref().map(say::volume) })
        });
        work.await
    }

    async fn list_pools(&self, request: Request<ListPoolsRequest>) -> Result<Response<ListPoolsResponse>, Status> {
        let work = self.0.answer(request, |door, _| Ok(ListPoolsResponse { pools: door.list_pools() }));
        work.await
    }

    async fn import_hostlet(
        &self,
        request: Request<ImportHostletRequest>,
    ) -> Result<Response<ImportHostletResponse>, Status> {
        let work = self.0.answer(request, |door, request| {
            let ImportHostletRequest { pool, state, directory, apply } = request;
            let pool = PoolName::parse(convert::required("pool", &pool)?).map_err(|_| Error::PoolName(pool))?;
            let state = State::parse(&state).map_err(|error| Error::HostletState(error.to_string()))?;
            let base = match directory.as_str() {
                "" => None,
                directory => Some(convert::path("directory", directory)?),
            };
            let items = door.engine.import(&pool, &state, base.as_deref(), apply)?;
            Ok(ImportHostletResponse { items: items.iter().map(say::imported).collect() })
        });
        work.await
    }
}

impl Door {
    /// Does something to the volume of that name, or else of that id. They differ where the name was no safe one.
    fn named<T>(&self, volume: &str, work: impl Fn(&VolumeId) -> engine::Result<T>) -> Result<T, Error> {
        let by_name = VolumeId::from_name(convert::required("volume", volume)?);
        match (work(&by_name), VolumeId::parse(volume)) {
            (Err(engine::Error::NoVolume(_) | engine::Error::NoVolumeHere { .. }), Ok(id)) if id != by_name => {
                Ok(work(&id)?)
            }
            (done, _) => Ok(done?),
        }
    }

    /// A volume that cannot be inspected does not hide the others.
    fn inspect_all(&self) -> Result<Vec<Volume>, Error> {
        let (records, _) = self.engine.list(None, 0)?;
        let view = self.engine.view()?;
        let inspect = |record: &Record| match view.inspect(&record.id) {
            Ok(inspection) => Some(say::volume(&inspection)),
            Err(engine::Error::NoVolume(_)) => None,
            Err(error) => Some(say::uninspected(record, &error)),
        };
        Ok(records.iter().filter_map(|record| inspect(record)).collect())
    }

    fn list_pools(&self) -> Vec<Pool> {
        self.engine.pools().iter().map(say::pool).collect()
    }
}
