//! The objects of the volumes' routes, as they are written in JSON. MB are MiB, as in Lightd.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::api::answer::Problem;
use crate::api::volumes::{Create, Resized, Volume};
use crate::model::{Backend, Bytes, FsKind, Level, PoolName, Reading};
use crate::monitor::Status;

/// A volume that is asked for.
#[derive(Deserialize, ToSchema)]
pub(super) struct CreateBody {
    /// Its size in MB; 1024 unless said.
    #[schema(example = 2048, minimum = 20)]
    size: Option<u64>,
    /// Its name. On one machine only, as all that follows.
    #[schema(example = "db")]
    name: Option<String>,
    #[schema(value_type = Option<String>, example = "ext4")]
    fs: Option<FsKind>,
    /// The pool it lies in.
    pool: Option<String>,
    /// Whether space is taken as it is used.
    sparse: Option<bool>,
}

/// The size that a volume shall have.
#[derive(Deserialize, ToSchema)]
pub(super) struct ResizeBody {
    /// In MB.
    #[schema(example = 4096, minimum = 20)]
    pub(super) size: u64,
}

/// A volume.
#[derive(Serialize, ToSchema)]
pub(super) struct VolumeBody {
    #[schema(example = "550e8400-e29b-41d4-a716-446655440000")]
    id: String,
    /// The same.
    volume_id: String,
    /// Where it is mounted.
    #[schema(value_type = Option<String>)]
    path: Option<PathBuf>,
    /// In seconds since 1970.
    created_at: i64,
    quota_mb: u64,
    name: String,
    claim: Option<String>,
    namespace: Option<String>,
    /// How it is made, `loop` or `quota`; none where that cannot be told.
    #[schema(value_type = Option<String>)]
    backend: Option<Backend>,
    /// The filesystem in it; none in a block device.
    #[schema(value_type = Option<String>)]
    fs: Option<FsKind>,
}

/// How full a volume is.
#[derive(Serialize, ToSchema)]
pub(super) struct QuotaBody {
    size_mb: u64,
    /// `size_mb - available_mb`: what the filesystem needs itself counts as used.
    used_mb: u64,
    /// What can still be written.
    available_mb: u64,
    /// With two decimals.
    percentage_used: f64,
    size_bytes: u64,
    used_bytes: u64,
    available_bytes: u64,
    inodes_total: u64,
    inodes_used: u64,
    inodes_free: u64,
    #[schema(value_type = String, example = "ok")]
    state: Level,
    out_of_space: bool,
    resize_pending: bool,
    /// When it was measured.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    timestamp: OffsetDateTime,
}

/// A volume that was resized, or will be.
#[derive(Serialize, ToSchema)]
pub(super) struct ResizedBody {
    id: String,
    quota_mb: u64,
    previous_mb: u64,
    #[schema(example = "completed")]
    state: &'static str,
}

/// The smallest volume that can be asked for here, in MB.
const SMALLEST_MB: u64 = 20;

const MB: u64 = 1 << 20;

/// A size in MB, as it was asked for.
pub(super) fn size(mb: u64) -> Result<Bytes, Problem> {
    if mb < SMALLEST_MB {
        return Err(Problem::Body(format!("size {mb} is too small: at least {SMALLEST_MB} MB")));
    }
    let bytes = mb.checked_mul(MB).filter(|bytes| i64::try_from(*bytes).is_ok());
    bytes.map(Bytes::new).ok_or_else(|| Problem::Body(format!("size {mb} is too large: it is in MB")))
}

impl CreateBody {
    pub(super) fn wish(self) -> Result<Create, Problem> {
        let pool = self.pool.map(|name| PoolName::parse(&name).map_err(|error| Problem::Body(error.to_string())));
        let size = self.size.map(size).transpose()?;
        Ok(Create { size, name: self.name, fs: self.fs, pool: pool.transpose()?, sparse: self.sparse })
    }
}

impl From<&Volume> for VolumeBody {
    fn from(volume: &Volume) -> Self {
        Self {
            id: volume.id.to_string(),
            volume_id: volume.id.to_string(),
            path: volume.path.clone(),
            created_at: volume.created.unix_timestamp(),
            quota_mb: volume.size.get() / MB,
            name: volume.name.clone(),
            claim: volume.claim.clone(),
            namespace: volume.namespace.clone(),
            backend: volume.backend,
            fs: volume.fs,
        }
    }
}

impl QuotaBody {
    pub(super) fn new(status: &Status, reading: Reading, resize_pending: bool) -> Self {
        let (size_mb, available_mb) = (reading.size.get() / MB, reading.available.get() / MB);
        Self {
            size_mb,
            used_mb: size_mb.saturating_sub(available_mb),
            available_mb,
            percentage_used: reading.percentage(),
            size_bytes: reading.size.get(),
            used_bytes: reading.used().get(),
            available_bytes: reading.available.get(),
            inodes_total: reading.inodes.total,
            inodes_used: reading.inodes.used,
            inodes_free: reading.inodes.free,
            state: status.level,
            out_of_space: status.level == Level::Full,
            resize_pending,
            timestamp: status.at,
        }
    }
}

impl ResizedBody {
    pub(super) fn new(volume: &Volume, resized: Resized) -> Self {
        Self {
            id: volume.id.to_string(),
            quota_mb: resized.size.get() / MB,
            previous_mb: resized.previous.get() / MB,
            state: if resized.is_pending { "pending" } else { "completed" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_in_mb_and_has_bounds() {
        assert_eq!(size(20), Ok(Bytes::mib(20)));
        assert_eq!(size(4096), Ok(Bytes::gib(4)));
        for (mb, reason) in [
            (0, "size 0 is too small: at least 20 MB"),
            (19, "size 19 is too small: at least 20 MB"),
            (1 << 43, "size 8796093022208 is too large: it is in MB"),
            (u64::MAX, "size 18446744073709551615 is too large: it is in MB"),
        ] {
            assert_eq!(size(mb), Err(Problem::Body(reason.to_owned())), "{mb}");
        }
    }
}
