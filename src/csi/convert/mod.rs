//! From messages to what the engine takes, and back. Pure: every bad request ends here.

pub(super) mod admin;
mod answer;
mod capability;
mod create;
mod health;
mod page;
mod pod;
mod topology;
mod validate;

pub(super) use answer::volume;
pub(super) use capability::Capability;
pub(super) use create::{Capacity, create, expansion};
pub(super) use health::{health, storage_health};
pub(super) use page::Page;
pub(super) use pod::pod;
pub(super) use topology::Here;
pub(super) use validate::validate;

use std::path::PathBuf;

use super::Error;
use crate::model::VolumeId;

/// A text that must be there.
pub(super) fn required<'a>(field: &'static str, value: &'a str) -> Result<&'a str, Error> {
    if value.is_empty() { Err(Error::Required(field)) } else { Ok(value) }
}

/// The id of a volume that may be there. One that cannot be ours is that of no volume.
pub(super) fn volume_id(value: &str) -> Result<VolumeId, Error> {
    VolumeId::parse(required("volume_id", value)?).map_err(|_| Error::NoVolume(value.to_owned()))
}

/// A path that must be there, and absolute.
pub(super) fn path(field: &'static str, value: &str) -> Result<PathBuf, Error> {
    let path = PathBuf::from(required(field, value)?);
    match path.is_absolute() && !value.contains('\0') {
        true => Ok(path),
        false => Err(Error::Relative { field, value: value.to_owned() }),
    }
}

/// A path that must be absolute where it is given.
pub(super) fn optional_path(field: &'static str, value: &str) -> Result<(), Error> {
    if value.is_empty() { Ok(()) } else { path(field, value).map(|_| ()) }
}
