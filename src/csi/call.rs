use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use super::{Door, Error, status};
use crate::observe::trace::Call;
use crate::rpc::{admin, csi};

/// The metadata of an answer in which the id of the call stands. Not in its message: that would defeat the aggregation
/// of events.
pub const TRACE: &str = "x-ullage-trace";

/// A message that asks for something.
pub(super) trait Asks: Send + 'static {
    /// The method's name, in the log and in the metrics.
    const METHOD: &'static str;
    /// Whether it is answered before volumes are recovered.
    const EARLY: bool = false;
    /// Whether it is asked so often that its success is no news.
    const QUIET: bool = false;

    /// The volume that it is about.
    fn volume(&self) -> &str {
        ""
    }
}

impl Door {
    /// Does a call: the work on a thread of its own, which goes on to its end when the client hangs up.
    pub(super) async fn answer<Q: Asks, A: Send + 'static>(
        self: &Arc<Self>,
        request: Request<Q>,
        work: impl FnOnce(&Self, Q) -> Result<A, Error> + Send + 'static,
    ) -> Result<Response<A>, Status> {
        let (door, request, call) = (self.clone(), request.into_inner(), Call::begin(Q::METHOD));
        let trace = call.id().to_owned();
        let done = spawn_blocking(move || door.carry_out(&call, request, work)).await;
        let done = done.unwrap_or_else(|_| Err(Status::unavailable("the process is ending")));
        match done {
            Ok(answer) => {
                let mut response = Response::new(answer);
                sign(response.metadata_mut(), &trace);
                Ok(response)
            }
            Err(mut status) => {
                sign(status.metadata_mut(), &trace);
                Err(status)
            }
        }
    }

    fn carry_out<Q: Asks, A>(
        &self,
        call: &Call,
        request: Q,
        work: impl FnOnce(&Self, Q) -> Result<A, Error>,
    ) -> Result<A, Status> {
        if !request.volume().is_empty() {
            call.about(request.volume());
        }
        let done = match Q::EARLY || self.engine.is_recovered() {
            true => call.run(|| catch_unwind(AssertUnwindSafe(|| work(self, request)))),
            false => Ok(Err(Error::NotRecovered)),
        };
        let done = done.unwrap_or(Err(Error::Panicked)).map_err(|error| status::of(&error));
        self.record::<Q>(call, done.as_ref().err());
        done
    }

    fn record<Q: Asks>(&self, call: &Call, refused: Option<&Status>) {
        let code = format!("{:?}", refused.map_or(Code::Ok, Status::code));
        self.metrics.call(Q::METHOD, &code, call.elapsed());
        match refused {
            None if Q::QUIET => {
                let seconds = call.elapsed().as_secs_f64();
                call.run(|| tracing::debug!(code, seconds, "answered"));
            }
            refused => call.finish(&code, refused.map(Status::message)),
        }
    }
}

fn sign(metadata: &mut MetadataMap, trace: &str) {
    if let Ok(trace) = trace.parse() {
        metadata.insert(TRACE, trace);
    }
}

macro_rules! asks {
    ($($request:ty: $method:literal $(about $volume:ident)? $([$($yes:ident)+])?;)+) => {$(
        impl Asks for $request {
            const METHOD: &'static str = $method;
            $($(const $yes: bool = true;)+)?
            $(fn volume(&self) -> &str {
                &self.$volume
            })?
        }
    )+};
}

asks! {
    csi::GetPluginInfoRequest: "GetPluginInfo" [EARLY QUIET];
    csi::GetPluginCapabilitiesRequest: "GetPluginCapabilities" [EARLY QUIET];
    csi::ProbeRequest: "Probe" [EARLY QUIET];

    csi::CreateVolumeRequest: "CreateVolume" about name;
    csi::DeleteVolumeRequest: "DeleteVolume" about volume_id;
    csi::ValidateVolumeCapabilitiesRequest: "ValidateVolumeCapabilities" about volume_id;
    csi::ListVolumesRequest: "ListVolumes";
    csi::ControllerGetVolumeRequest: "ControllerGetVolume" about volume_id;
    csi::ControllerGetVolumeHealthRequest: "ControllerGetVolumeHealth" about volume_id;
    csi::ControllerListVolumeHealthRequest: "ControllerListVolumeHealth";
    csi::GetCapacityRequest: "GetCapacity";
    csi::ControllerGetCapabilitiesRequest: "ControllerGetCapabilities" [QUIET];

    csi::NodeStageVolumeRequest: "NodeStageVolume" about volume_id;
    csi::NodeUnstageVolumeRequest: "NodeUnstageVolume" about volume_id;
    csi::NodePublishVolumeRequest: "NodePublishVolume" about volume_id;
    csi::NodeUnpublishVolumeRequest: "NodeUnpublishVolume" about volume_id;
    csi::NodeGetVolumeStatsRequest: "NodeGetVolumeStats" about volume_id;
    csi::NodeGetVolumeHealthRequest: "NodeGetVolumeHealth" about volume_id;
    csi::NodeGetStorageHealthRequest: "NodeGetStorageHealth";
    csi::NodeExpandVolumeRequest: "NodeExpandVolume" about volume_id;
    csi::NodeGetCapabilitiesRequest: "NodeGetCapabilities" [QUIET];
    csi::NodeGetInfoRequest: "NodeGetInfo";

    admin::ListVolumesRequest: "Admin.ListVolumes";
    admin::GetVolumeRequest: "Admin.GetVolume" about volume;
    admin::ResizeVolumeRequest: "Admin.ResizeVolume" about volume;
    admin::MountVolumeRequest: "Admin.MountVolume" about volume;
    admin::UnmountVolumeRequest: "Admin.UnmountVolume" about volume;
    admin::ListPoolsRequest: "Admin.ListPools";
    admin::ImportHostletRequest: "Admin.ImportHostlet";
}
