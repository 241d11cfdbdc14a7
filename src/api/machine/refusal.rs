use crate::api::volumes::Error;
use crate::engine::{self, Kind};
use crate::model::Bytes;

/// No volume is smaller.
const SMALLEST: Bytes = Bytes::mib(20);

/// Which refusal of the API an error is: chosen here, and nowhere else.
pub(super) fn refused(error: engine::Error) -> Error {
    let text = error.to_string();
    let because = |code| Error::Refused { code: Some(code), reason: text.clone() };
    match error.kind() {
        // The request has to change.
        Kind::Invalid => Error::Invalid(text),
        Kind::NotFound => Error::NotFound,
        // A volume of that name is another, or is mounted there in another way.
        Kind::Exists => because("exists"),
        // The same again, soon.
        Kind::Busy => because("busy"),
        // What would be had from another node in a cluster: here there is none, and this is no matter of room.
        Kind::Full if matches!(error, engine::Error::NotServed { .. } | engine::Error::NoFilesystem { .. }) => {
            Error::Failed(text)
        }
        Kind::Full | Kind::SizeRefused | Kind::RefusedAgain => {
            tracing::warn!(reason = text, "no room");
            Error::NoRoom { reason: None }
        }
        Kind::ShrinkRefused => because("shrink_refused"),
        // Something has to be done first: close files, unmount.
        Kind::NotNow => because("in_use"),
        Kind::Unavailable | Kind::Failed => Error::Failed(text),
    }
}

pub(super) fn at_least_smallest(size: Bytes) -> Result<(), Error> {
    if size >= SMALLEST { Ok(()) } else { Err(Error::Invalid("size must be at least 20 MB".to_owned())) }
}
