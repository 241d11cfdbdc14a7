use std::sync::Arc;

use crate::model::{Bytes, Claim, PoolName, Usage, VolumeId};

/// Volumes and pools at one moment.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Snapshot {
    /// The volumes.
    pub volumes: Vec<VolumeSample>,
    /// The pools.
    pub pools: Vec<PoolSample>,
}

/// One volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VolumeSample {
    /// Which.
    pub volume: VolumeId,
    /// Whose.
    pub claim: Claim,
    /// Where it lies; not known beside a volume that somebody else has made.
    pub pool: Option<PoolName>,
    /// Its size.
    pub size: Bytes,
    /// What its image takes of the pool.
    pub allocated: Option<Bytes>,
    /// What a reserved volume lacks of its reservation: 0 is well. Nothing is reserved for a sparse one.
    pub unreserved: Option<Bytes>,
    /// How full its filesystem is, where that is mounted.
    pub usage: Option<Usage>,
    /// The percentage at which it is nearly full, where it has its own.
    pub warn_percent: Option<u8>,
    /// Its files that are held to no size, where they were counted.
    pub files_left: Option<u64>,
}

/// One pool. What is not known of it (it is not served) is left out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolSample {
    /// Which.
    pub pool: PoolName,
    /// The size of its filesystem.
    pub total: Option<Bytes>,
    /// What is free there.
    pub free: Option<Bytes>,
    /// What a new volume can have.
    pub available: Option<Bytes>,
    /// Whether it is served.
    pub serving: bool,
    /// How often what holds a volume to its size was mended.
    pub mended: u64,
}

/// Where a snapshot comes from; it may block.
pub type Source = Arc<dyn Fn() -> Snapshot + Send + Sync>;

/// The name of a number, what it is, and how it is had.
pub(super) type Gauge<T> = (&'static str, &'static str, fn(&T) -> Option<u64>);

pub(super) const VOLUME_GAUGES: [Gauge<VolumeSample>; 9] = [
    ("ullage_volume_size_bytes", "The size of a volume", |volume| Some(volume.size.get())),
    ("ullage_volume_used_bytes", "What is taken in it", |volume| Some(volume.usage?.used.get())),
    ("ullage_volume_available_bytes", "What can still be written to it", |volume| Some(volume.usage?.available.get())),
    ("ullage_volume_inodes", "The inodes it can have", |volume| Some(volume.usage?.inodes.total)),
    ("ullage_volume_inodes_used", "The inodes it has", |volume| Some(volume.usage?.inodes.used)),
    ("ullage_volume_allocated_bytes", "What its image takes of the pool", |volume| Some(volume.allocated?.get())),
    ("ullage_volume_unreserved_bytes", "What a reserved volume lacks of its reservation", |volume| {
        Some(volume.unreserved?.get())
    }),
    ("ullage_volume_warn_percent", "Where it is nearly full, if not where others are", |volume| {
        Some(volume.warn_percent?.into())
    }),
    ("ullage_volume_files_left", "Its files that no limit holds, by the last audit", |volume| volume.files_left),
];

pub(super) const POOL_GAUGES: [Gauge<PoolSample>; 4] = [
    ("ullage_pool_size_bytes", "The size of a pool's filesystem", |pool| Some(pool.total?.get())),
    ("ullage_pool_free_bytes", "What is free in it", |pool| Some(pool.free?.get())),
    ("ullage_pool_available_bytes", "What a new volume can have of it", |pool| Some(pool.available?.get())),
    ("ullage_pool_serving", "Whether it is served", |pool| Some(pool.serving.into())),
];

pub(super) const POOL_COUNTERS: [Gauge<PoolSample>; 1] =
    [("ullage_pool_mended", "Limits and projects of volumes that were not right, and were mended", |pool| {
        Some(pool.mended)
    })];

impl VolumeSample {
    pub(super) fn labels(&self) -> [(&'static str, &str); 4] {
        [
            ("volume", self.volume.as_str()),
            ("pvc", self.claim.name.as_deref().unwrap_or_default()),
            ("namespace", self.claim.namespace.as_deref().unwrap_or_default()),
            ("pool", self.pool.as_ref().map_or("", PoolName::as_str)),
        ]
    }
}
