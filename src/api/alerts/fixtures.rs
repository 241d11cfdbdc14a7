//! What the tests of several files are about.

use std::sync::Arc;

use time::OffsetDateTime;
use time::macros::datetime;

use crate::model::{Bytes, Level, Reading, VolumeId};
use crate::monitor::Status;

/// The time in every example.
pub(super) const AT: OffsetDateTime = datetime!(2026-01-28 12:30:01.5 UTC);

/// A volume of 2 GiB with so much available, which was full so many times.
pub(super) fn status(volume: &str, available: u64, level: Level, entered_full: u64) -> Arc<Status> {
    let reading = Reading { size: Bytes::mib(2048), available: Bytes::mib(available), ..Reading::default() };
    let id = VolumeId::from_name(volume);
    Arc::new(Status { reading: Some(reading), level, at: AT, entered_full, ..Status::new(id) })
}
