use std::sync::Arc;

use crate::engine::{Engine, PoolStatus, Sample};
use crate::observe::metrics::{PoolSample, Snapshot, Source, VolumeSample};

/// The numbers of an engine's volumes and pools, as they are when somebody asks.
pub(super) fn source(engine: Arc<Engine>) -> Source {
    Arc::new(move || {
        let volumes = engine.view().and_then(|view| view.samples()).unwrap_or_else(|error| {
            tracing::warn!(%error, "the volumes cannot be measured");
            Vec::new()
        });
        let volumes = volumes.into_iter().map(volume).collect();
        Snapshot { volumes, pools: engine.pools().into_iter().map(pool).collect() }
    })
}

fn volume(sample: Sample) -> VolumeSample {
    let Sample { record, allocated, usage } = sample;
    let (size, pool, claim) = (record.spec.size, record.spec.pool, record.spec.claim);
    VolumeSample { volume: record.id, claim, pool, size, allocated, usage }
}

fn pool(status: PoolStatus) -> PoolSample {
    let room = status.room.ok();
    PoolSample {
        pool: status.config.name,
        total: room.map(|room| room.total),
        free: room.map(|room| room.free),
        available: room.map(|room| room.available),
        serving: room.is_some(),
    }
}
