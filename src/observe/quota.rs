//! The numbers of the quota API: what is asked, what is told, and how soon. No label holds what a client chose.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::model::VolumeId;

/// The quota API at one moment.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct QuotaSnapshot {
    /// How many sockets are open.
    pub clients: u64,
    /// How many frames went out.
    pub frames: u64,
    /// How many came in that were no JSON object.
    pub malformed: u64,
    /// How many sockets closed, by code.
    pub closes: Vec<(u16, u64)>,
    /// From the look that saw a volume become full to the alert's frame on a socket.
    pub delays: Distribution,
    /// How long it took to measure.
    pub looks: Distribution,
    /// The volumes that are watched.
    pub volumes: Vec<WatchedSample>,
    /// Requests, by what was answered.
    pub requests: Vec<RequestSample>,
}

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

/// Requests that were answered alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestSample {
    /// The method; `other` where it is none that is served.
    pub method: &'static str,
    /// The route as it is written in the program, so no volume's name; `none` where there is none.
    pub route: String,
    /// The status.
    pub status: u16,
    /// How many.
    pub count: u64,
}

/// Where a snapshot comes from; it may block.
pub type QuotaSource = Arc<dyn Fn() -> QuotaSnapshot + Send + Sync>;

/// Asks the source at each scrape.
pub(super) struct QuotaNow(pub(super) QuotaSource);

/// A name, and what it is.
type Name = (&'static str, &'static str);

/// How a number of a volume is had.
type Value<T> = fn(&WatchedSample) -> T;

impl Collector for QuotaNow {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let QuotaSnapshot { clients, frames, malformed, closes, delays, looks, volumes, requests } = (self.0)();
        let to = &mut encoder;
        one(to, ("ullage_alert_clients", "Open WebSockets"), &ConstGauge::new(clients))?;
        one(to, ("ullage_alert_frames", "Frames sent on WebSockets"), &ConstCounter::new(frames))?;
        let malformed = ConstCounter::new(malformed);
        one(to, ("ullage_alert_malformed_frames", "Frames received that are no JSON object"), &malformed)?;
        let closes = closes.into_iter().map(|(code, count)| ([("code", code.to_string())], ConstCounter::new(count)));
        each(to, ("ullage_alert_closes", "WebSockets that closed, by code"), closes)?;
        one(
            to,
            ("ullage_alert_delay_seconds", "From the look that saw a volume full to the alert on a socket"),
            &delays,
        )?;
        one(to, ("ullage_sample_seconds", "How long it took to measure a volume"), &looks)?;
        let requests = requests.into_iter().map(|RequestSample { method, route, status, count }| {
            let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
            (labels, ConstCounter::new(count))
        });
        each(to, ("ullage_http_requests", "Requests to the quota API, by route and status"), requests)?;
        watched(to, &volumes)
    }
}

fn watched(to: &mut DescriptorEncoder<'_>, volumes: &[WatchedSample]) -> fmt::Result {
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

fn one(to: &mut DescriptorEncoder<'_>, (name, help): Name, metric: &impl EncodeMetric) -> fmt::Result {
    metric.encode(to.encode_descriptor(name, help, None, metric.metric_type())?)
}

/// One family; without a member there is nothing to say of it.
fn each<L: EncodeLabelSet, M: EncodeMetric>(
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

impl fmt::Debug for QuotaNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuotaNow")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::{Metrics, Snapshot};

    fn snapshot() -> QuotaSnapshot {
        let ms = Duration::from_millis;
        let watched = |name: &str, age| WatchedSample {
            volume: VolumeId::from_name(name),
            warnings: 3,
            fulls: 2,
            looks: 10,
            age,
            took: age.map(|_| ms(4)),
            is_lost: age.is_none(),
            is_hung: false,
        };
        QuotaSnapshot {
            clients: 2,
            frames: 7,
            malformed: 1,
            closes: vec![(1001, 4), (4401, 0)],
            delays: Distribution { bounds: &[0.01, 0.1], counts: vec![5, 1, 2], sum: ms(2500) },
            looks: Distribution::default(),
            volumes: vec![watched("a", Some(ms(1500))), watched("b", None)],
            requests: vec![RequestSample { method: "GET", route: "/volumes/{id}".into(), status: 404, count: 9 }],
        }
    }

    #[test]
    fn the_numbers_are_openmetrics() {
        let text = Metrics::new(Arc::new(Snapshot::default)).with_quota(Arc::new(snapshot)).text().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for line in [
            "# TYPE ullage_alert_clients gauge",
            "ullage_alert_clients 2",
            "# TYPE ullage_alert_frames counter",
            "ullage_alert_frames_total 7",
            "ullage_alert_malformed_frames_total 1",
            "ullage_alert_closes_total{code=\"1001\"} 4",
            "ullage_alert_closes_total{code=\"4401\"} 0",
            "# TYPE ullage_alert_delay_seconds histogram",
            "ullage_alert_delay_seconds_sum 2.5",
            "ullage_alert_delay_seconds_count 8",
            "ullage_alert_delay_seconds_bucket{le=\"0.01\"} 5",
            "ullage_alert_delay_seconds_bucket{le=\"0.1\"} 6",
            "ullage_alert_delay_seconds_bucket{le=\"+Inf\"} 8",
            "ullage_sample_seconds_bucket{le=\"+Inf\"} 0",
            "ullage_alerts_total{volume=\"a\",level=\"warning\"} 3",
            "ullage_alerts_total{volume=\"b\",level=\"full\"} 2",
            "ullage_samples_total{volume=\"a\"} 10",
            "ullage_sample_age_seconds{volume=\"a\"} 1.5",
            "ullage_sample_last_seconds{volume=\"a\"} 0.004",
            "ullage_volume_lost{volume=\"a\"} 0",
            "ullage_volume_lost{volume=\"b\"} 1",
            "ullage_volume_hung{volume=\"a\"} 0",
            "ullage_http_requests_total{method=\"GET\",route=\"/volumes/{id}\",status=\"404\"} 9",
        ] {
            assert!(lines.contains(&line), "{line}\nis not in\n{text}");
        }
        assert!(!text.contains("ullage_sample_age_seconds{volume=\"b\""), "{text}");
    }
}
