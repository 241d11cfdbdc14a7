use std::sync::Arc;

use crate::api::alerts::{Press, counters};
use crate::api::tally::{Answered, Tally};
use crate::engine::{Engine, PoolStatus, Sample};
use crate::model::{Backend, Claim, Reading, Usage};
use crate::monitor::{self, Monitor, Numbers, VolumeNumbers};
use crate::observe::metrics::{
    Distribution, PoolSample, QuotaSnapshot, RequestSample, Snapshot, Source, VolumeSample, WatchSnapshot,
    WatchedSample,
};
use crate::store::Phase;

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
    let Sample { record, allocated, usage, files_left } = sample;
    let is_image = record.backend() == Backend::Loop;
    let spec = &record.spec;
    let is_reserved = is_image && !spec.sparse && record.phase == Phase::Ready;
    VolumeSample {
        volume: record.id.clone(),
        claim: spec.claim.clone(),
        pool: Some(spec.pool.clone()),
        size: spec.size,
        allocated,
        unreserved: allocated.filter(|_| is_reserved).map(|allocated| spec.size.saturating_sub(allocated)),
        usage,
        warn_percent: spec.warn_percent,
        files_left,
    }
}

fn pool(status: PoolStatus) -> PoolSample {
    let room = status.room.ok();
    PoolSample {
        pool: status.config.name,
        total: room.map(|room| room.total),
        free: room.map(|room| room.free),
        available: room.map(|room| room.available),
        serving: room.is_some(),
        mended: status.mended,
    }
}

/// The numbers of volumes that somebody else has made.
pub(super) fn watched(monitor: &Monitor) -> Snapshot {
    let volumes = monitor.statuses().into_iter().filter_map(|status| {
        let reading = status.reading?;
        let Reading { size, available, inodes } = reading;
        let usage = Some(Usage { total: size, used: reading.used(), available, inodes });
        let (volume, claim) = (status.id.clone(), Claim::default());
        Some(VolumeSample {
            volume,
            claim,
            pool: None,
            size,
            allocated: None,
            unreserved: None,
            usage,
            warn_percent: None,
            files_left: None,
        })
    });
    Snapshot { volumes: volumes.collect(), pools: Vec::new() }
}

/// The numbers of the quota API.
pub(super) fn quota(monitor: &Monitor, press: &Press, tally: &Tally) -> QuotaSnapshot {
    let counters = press.counters();
    let delays = counters.delays();
    QuotaSnapshot {
        clients: counters.clients(),
        frames: counters.frames(),
        malformed: counters.malformed(),
        closes: counters.closes().to_vec(),
        delays: Distribution { bounds: &counters::BOUNDS, counts: delays.buckets().to_vec(), sum: delays.sum() },
        watch: watch(monitor),
        requests: tally.read().into_iter().map(request).collect(),
    }
}

/// The numbers of what is watched.
pub(super) fn watch(monitor: &Monitor) -> WatchSnapshot {
    let Numbers { volumes, durations } = monitor.numbers();
    WatchSnapshot {
        looks: Distribution { bounds: &monitor::BOUNDS, counts: durations.counts.to_vec(), sum: durations.sum },
        volumes: volumes.into_iter().map(watched_sample).collect(),
    }
}

fn watched_sample(numbers: VolumeNumbers) -> WatchedSample {
    let VolumeNumbers { id, level, warnings, fulls, samples, age, took, is_lost, is_hung } = numbers;
    WatchedSample { volume: id, level, warnings, fulls, looks: samples, age, took, is_lost, is_hung }
}

fn request(answered: Answered) -> RequestSample {
    let Answered { route, method, status, count } = answered;
    RequestSample { method, route, status, count }
}
