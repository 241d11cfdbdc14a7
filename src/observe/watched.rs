//! The numbers of what is watched: how full volumes are, and how they are looked at. One label: the volume's id.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::model::{Level, VolumeId};

/// What is watched, at one moment.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct WatchSnapshot {
    /// How long it took to measure.
    pub looks: Distribution,
    /// The volumes that are watched.
    pub volumes: Vec<WatchedSample>,
}

/// Where such a snapshot comes from; it may block.
pub type WatchSource = Arc<dyn Fn() -> WatchSnapshot + Send + Sync>;

/// Asks the source at each scrape.
pub(super) struct WatchedNow(pub(super) WatchSource);

/// Durations, sorted by length.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Distribution {
    /// Upper bounds in seconds, rising.
    pub bounds: &'static [f64],
    /// How many are at most as long as each bound and longer than the one before; one more: longer than all.
    pub counts: Vec<u64>,
    /// All together.
    pub sum: Duration,
}

/// One volume that is watched.
#[derive(Clone, PartialEq, Debug)]
pub struct WatchedSample {
    /// Which.
    pub volume: VolumeId,
    /// How full it is.
    pub level: Level,
    /// How often it rose to a warning.
    pub warnings: u64,
    /// How often it became full.
    pub fulls: u64,
    /// How often it was measured.
    pub looks: u64,
    /// How long ago that was last; not known before the first time.
    pub age: Option<Duration>,
    /// How long that took.
    pub took: Option<Duration>,
    /// Whether it is not there as it should be.
    pub is_lost: bool,
    /// Whether it does not answer.
    pub is_hung: bool,
}

/// A name, and what it is.
type Name = (&'static str, &'static str);

/// How a number of a volume is had.
type Value<T> = fn(&WatchedSample) -> T;

impl Collector for WatchedNow {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        encode(&mut encoder, &(self.0)())
    }
}

pub(super) fn encode(to: &mut DescriptorEncoder<'_>, WatchSnapshot { looks, volumes }: &WatchSnapshot) -> fmt::Result {
    one(to, ("ullage_sample_seconds", "How long it took to measure a volume"), looks)?;
    let levels = volumes.iter().map(|volume| (label(volume), ConstGauge::new(number(volume.level))));
    each(to, ("ullage_volume_level", "How full a volume is: 0 ok, 1 warning, 2 full"), levels)?;
    let alerts = volumes.iter().flat_map(|volume| {
        [("warning", volume.warnings), ("full", volume.fulls)]
            .map(|(level, count)| ([("volume", volume.volume.as_str()), ("level", level)], ConstCounter::new(count)))
    });
    each(to, ("ullage_alerts", "How often a volume rose to a level since it is watched"), alerts)?;
    let looks = volumes.iter().map(|volume| (label(volume), ConstCounter::new(volume.looks)));
    each(to, ("ullage_samples", "How often a volume was measured"), looks)?;
    let seconds: [(Name, Value<Option<Duration>>); 2] = [
        (("ullage_sample_age_seconds", "How long ago a volume was measured last"), |volume| volume.age),
        (("ullage_sample_last_seconds", "How long that took"), |volume| volume.took),
    ];
    for (name, value) in seconds {
        let known = volumes.iter().filter_map(|volume| Some((volume, value(volume)?)));
        each(to, name, known.map(|(volume, value)| (label(volume), ConstGauge::new(value.as_secs_f64()))))?;
    }
    let states: [(Name, Value<bool>); 2] = [
        (("ullage_volume_lost", "Whether a volume is not there as it should be"), |volume| volume.is_lost),
        (("ullage_volume_hung", "Whether a volume does not say how full it is"), |volume| volume.is_hung),
    ];
    for (name, value) in states {
        each(to, name, volumes.iter().map(|volume| (label(volume), ConstGauge::new(u64::from(value(volume))))))?;
    }
    Ok(())
}

fn label(volume: &WatchedSample) -> [(&'static str, &str); 1] {
    [("volume", volume.volume.as_str())]
}

fn number(level: Level) -> u64 {
    match level {
        Level::Ok => 0,
        Level::Warning => 1,
        Level::Full => 2,
    }
}

pub(super) fn one(to: &mut DescriptorEncoder<'_>, (name, help): Name, metric: &impl EncodeMetric) -> fmt::Result {
    metric.encode(to.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// One family; without a member there is nothing to say of it.
pub(super) fn each<L: EncodeLabelSet, M: EncodeMetric>(
    to: &mut DescriptorEncoder<'_>,
    (name, help): Name,
    members: impl Iterator<Item = (L, M)>,
) -> fmt::Result {
    let mut members = members.peekable();
    let Some((_, first)) = members.peek() else { return Ok(()) };
    let mut family = to.encode_descriptor(name, help, None, first.metric_type())?;
    for (labels, metric) in members {
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

impl EncodeMetric for Distribution {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.counts.iter().copied().chain(std::iter::repeat(0))).collect();
        let count = self.counts.iter().sum();
        encoder.encode_histogram::<[(&str, &str); 0]>(self.sum.as_secs_f64(), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl fmt::Debug for WatchedNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WatchedNow")
    }
}
