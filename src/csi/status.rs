//! Which gRPC code an error is: chosen here, and nowhere else.
//!
//! For external-provisioner `RESOURCE_EXHAUSTED` alone means *try another node*; `ABORTED`, `DEADLINE_EXCEEDED`,
//! `UNAVAILABLE` and `CANCELLED` mean *still running, same node*; all else is final. For the resizer and the kubelet
//! `INVALID_ARGUMENT`, `OUT_OF_RANGE` and `NOT_FOUND` mean *cannot be done*.

use tonic::{Code, Status};

use super::{Error, Refusal};
use crate::engine::Kind;

/// The answer to a call that failed.
pub(super) fn of(error: &Error) -> Status {
    Status::new(code(error), error.to_string())
}

fn code(error: &Error) -> Code {
    match error {
        // Soon over: the caller shall stay with this node.
        Error::NotRecovered => Code::Unavailable,
        // The request means nothing, or something that no volume of ours is: the same again is refused again.
        Error::Required(_)
        | Error::Relative { .. }
        | Error::Negative { .. }
        | Error::Source
        | Error::MutableParameters(_)
        | Error::AccessMode(_)
        | Error::MountGroup
        | Error::BothAccessTypes
        | Error::PoolName(_)
        | Error::HostletState(_)
        | Error::OtherContent { .. } => Code::InvalidArgument,
        // "Invalid `starting_token`": begin again without one.
        Error::Token(_) => Code::Aborted,
        // "Unable to provision in `accessible_topology`": another node can.
        Error::Elsewhere(_) => Code::ResourceExhausted,
        // "Staging target path not set".
        Error::NotStaged => Code::FailedPrecondition,
        // "Volume does not exist", or "does not exist on specified `volume_path`".
        Error::NoVolume(_) | Error::NotAt { .. } => Code::NotFound,
        Error::Panicked => Code::Internal,
        Error::Parameter(error) => of_refusal(error.refusal()),
        Error::Size(error) => of_refusal(error.refusal()),
        Error::Engine(error) => of_kind(error.kind()),
    }
}

fn of_refusal(refusal: Refusal) -> Code {
    match refusal {
        Refusal::InvalidArgument => Code::InvalidArgument,
        Refusal::OutOfRange => Code::OutOfRange,
    }
}

fn of_kind(kind: Kind) -> Code {
    match kind {
        // Final: the request has to change.
        Kind::Invalid => Code::InvalidArgument,
        // "Volume does not exist".
        Kind::NotFound => Code::NotFound,
        // "Volume already exists but is incompatible", "Volume published but is incompatible".
        Kind::Exists => Code::AlreadyExists,
        // "Operation pending for volume": the same call is made again, on the same node.
        Kind::Busy => Code::Aborted,
        // The scheduler tries another node: no other code lets it.
        Kind::Full => Code::ResourceExhausted,
        // "Unsupported `capacity_range`": the user may take the request back. Never RESOURCE_EXHAUSTED on growing.
        Kind::SizeRefused => Code::OutOfRange,
        // The same again, from a kubelet with a pod that waits: any other code would keep it from ever starting.
        Kind::RefusedAgain => Code::FailedPrecondition,
        // "Unsupported", of a size that is smaller. No call of CSI asks for it.
        Kind::ShrinkRefused => Code::OutOfRange,
        // Something has to be done first; on growing the kubelet lets the pod start all the same.
        Kind::NotNow => Code::FailedPrecondition,
        // The volume may well be there: NOT_FOUND would let its owner be told that it is gone.
        Kind::Unavailable => Code::Unavailable,
        // Not the caller's fault; tried again with a growing delay.
        Kind::Failed => Code::Internal,
    }
}
