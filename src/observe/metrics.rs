//! Numbers for Prometheus: of calls as they end, of volumes and pools as they are when somebody asks.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::quota::QuotaNow;
pub use super::quota::{QuotaSnapshot, QuotaSource, RequestSample};
use super::samples::{POOL_COUNTERS, POOL_GAUGES, VOLUME_GAUGES};
pub use super::samples::{PoolSample, Snapshot, Source, VolumeSample};
use super::watched::WatchedNow;
pub use super::watched::{Distribution, WatchSnapshot, WatchSource, WatchedSample};

/// Every number that the process shows.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    calls: Family<Call, Counter>,
    seconds: Family<Call, Histogram, fn() -> Histogram>,
}

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A create of a large volume takes seconds, most calls less than a millisecond.
const SECONDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Call {
    method: String,
    code: String,
}

/// Asks the source at each scrape.
struct Now(Source);

impl Metrics {
    /// The numbers of a process whose volumes and pools are those of `source`.
    pub fn new(source: Source) -> Self {
        let (mut registry, calls) = (Registry::default(), Family::default());
        let seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        registry.register("ullage_build", "What is running", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("ullage_rpc", "Calls by method and gRPC code", Family::clone(&calls));
        registry.register("ullage_rpc_seconds", "How long calls took", Family::clone(&seconds));
        registry.register_collector(Box::new(Now(source)));
        Self { registry, calls, seconds }
    }

    /// The same, and those of the quota API.
    pub fn with_quota(mut self, source: QuotaSource) -> Self {
        self.registry.register_collector(Box::new(QuotaNow(source)));
        self
    }

    /// The same, and those of what is watched where there is no quota API.
    pub fn with_watch(mut self, source: WatchSource) -> Self {
        self.registry.register_collector(Box::new(WatchedNow(source)));
        self
    }

    /// Counts a call that has ended.
    pub fn call(&self, method: &str, code: &str, took: Duration) {
        let call = Call { method: method.to_owned(), code: code.to_owned() };
        self.calls.get_or_create(&call).inc();
        self.seconds.get_or_create(&call).observe(took.as_secs_f64());
    }

    /// All numbers as OpenMetrics text. Asks the source, so it may block.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Collector for Now {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Snapshot { volumes, pools } = (self.0)();
        for (name, help, value) in VOLUME_GAUGES {
            let samples = volumes.iter().map(|volume| (volume.labels(), value(volume)));
            gauge(&mut encoder, name, help, samples)?;
        }
        for (name, help, value) in POOL_GAUGES {
            let samples = pools.iter().map(|pool| ([("pool", pool.pool.as_str())], value(pool)));
            gauge(&mut encoder, name, help, samples)?;
        }
        for (name, help, value) in POOL_COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for pool in &pools {
                let labels = [("pool", pool.pool.as_str())];
                ConstCounter::new(value(pool).unwrap_or_default()).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

fn gauge<L: EncodeLabelSet>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = (L, Option<u64>)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        let Some(value) = value else { continue };
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Now")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Bytes, Claim, Inodes, PoolName, Usage, VolumeId};

    fn snapshot() -> Snapshot {
        let pool = PoolName::parse("default").unwrap();
        let usage = Usage {
            total: Bytes::new(90),
            used: Bytes::new(30),
            available: Bytes::new(60),
            inodes: Inodes { total: 8, used: 3, free: 5 },
        };
        let claim = Claim { name: Some("da\"ta".into()), namespace: Some("shop".into()), volume: None };
        let (size, allocated) = (Bytes::new(100), Some(Bytes::new(50)));
        let mounted = VolumeSample {
            volume: VolumeId::from_name("a"),
            claim,
            pool: Some(pool.clone()),
            size,
            allocated,
            unreserved: Some(Bytes::new(50)),
            usage: Some(usage),
            warn_percent: Some(70),
            files_left: Some(3),
        };
        let idle =
            VolumeSample { volume: VolumeId::from_name("b"), claim: Claim::default(), usage: None, ..mounted.clone() };
        let served = PoolSample {
            pool,
            total: Some(Bytes::new(u64::MAX)),
            free: Some(Bytes::new(600)),
            available: Some(Bytes::new(500)),
            serving: true,
            mended: 2,
        };
        let gone = PoolSample {
            pool: PoolName::parse("gone").unwrap(),
            total: None,
            free: None,
            available: None,
            serving: false,
            mended: 0,
        };
        Snapshot { volumes: vec![mounted, idle], pools: vec![served, gone] }
    }

    #[test]
    fn the_numbers_are_openmetrics() {
        let metrics = Metrics::new(Arc::new(snapshot));
        metrics.call("CreateVolume", "Ok", Duration::from_millis(2));
        metrics.call("CreateVolume", "Ok", Duration::from_secs(100));
        let text = metrics.text().unwrap();
        let a = "volume=\"a\",pvc=\"da\\\"ta\",namespace=\"shop\",pool=\"default\"";
        let expected = [
            format!("ullage_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")),
            "# TYPE ullage_rpc counter".to_owned(),
            "ullage_rpc_total{method=\"CreateVolume\",code=\"Ok\"} 2".to_owned(),
            "ullage_rpc_seconds_count{method=\"CreateVolume\",code=\"Ok\"} 2".to_owned(),
            "ullage_rpc_seconds_bucket{le=\"0.0025\",method=\"CreateVolume\",code=\"Ok\"} 1".to_owned(),
            "# TYPE ullage_volume_size_bytes gauge".to_owned(),
            format!("ullage_volume_size_bytes{{{a}}} 100"),
            "ullage_volume_size_bytes{volume=\"b\",pvc=\"\",namespace=\"\",pool=\"default\"} 100".to_owned(),
            format!("ullage_volume_used_bytes{{{a}}} 30"),
            format!("ullage_volume_available_bytes{{{a}}} 60"),
            format!("ullage_volume_inodes{{{a}}} 8"),
            format!("ullage_volume_inodes_used{{{a}}} 3"),
            format!("ullage_volume_allocated_bytes{{{a}}} 50"),
            format!("ullage_volume_unreserved_bytes{{{a}}} 50"),
            "ullage_pool_size_bytes{pool=\"default\"} 18446744073709551615".to_owned(),
            "ullage_pool_free_bytes{pool=\"default\"} 600".to_owned(),
            "ullage_pool_available_bytes{pool=\"default\"} 500".to_owned(),
            "ullage_pool_serving{pool=\"default\"} 1".to_owned(),
            "ullage_pool_serving{pool=\"gone\"} 0".to_owned(),
            format!("ullage_volume_warn_percent{{{a}}} 70"),
            format!("ullage_volume_files_left{{{a}}} 3"),
            "# TYPE ullage_pool_mended counter".to_owned(),
            "ullage_pool_mended_total{pool=\"default\"} 2".to_owned(),
            "# EOF".to_owned(),
        ];
        let lines: Vec<&str> = text.lines().collect();
        for line in &expected {
            assert!(lines.contains(&line.as_str()), "{line}\nis not in\n{text}");
        }
        assert!(!text.contains("ullage_volume_used_bytes{volume=\"b\""), "{text}");
        assert!(!text.contains("ullage_pool_free_bytes{pool=\"gone\""), "{text}");
    }
}
