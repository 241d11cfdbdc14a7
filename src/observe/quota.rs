//! The numbers of the quota API: what is asked, what is told, and how soon. No label holds what a client chose.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::watched::{self, Distribution, WatchSnapshot, each, one};

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
    /// The volumes that are watched.
    pub watch: WatchSnapshot,
    /// Requests, by what was answered.
    pub requests: Vec<RequestSample>,
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

impl Collector for QuotaNow {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let QuotaSnapshot { clients, frames, malformed, closes, delays, watch, requests } = (self.0)();
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
        let requests = requests.into_iter().map(|RequestSample { method, route, status, count }| {
            let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
            (labels, ConstCounter::new(count))
        });
        each(to, ("ullage_http_requests", "Requests to the quota API, by route and status"), requests)?;
        watched::encode(to, &watch)
    }
}

impl fmt::Debug for QuotaNow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QuotaNow")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Level, VolumeId};
    use crate::observe::metrics::{Metrics, Snapshot, WatchedSample};

    fn watch() -> WatchSnapshot {
        let ms = Duration::from_millis;
        let watched = |name: &str, age: Option<Duration>| WatchedSample {
            volume: VolumeId::from_name(name),
            level: if age.is_some() { Level::Full } else { Level::Ok },
            warnings: 3,
            fulls: 2,
            looks: 10,
            age,
            took: age.map(|_| ms(4)),
            is_lost: age.is_none(),
            is_hung: false,
        };
        let volumes = vec![watched("a", Some(ms(1500))), watched("b", None)];
        WatchSnapshot { looks: Distribution::default(), volumes }
    }

    fn snapshot() -> QuotaSnapshot {
        QuotaSnapshot {
            clients: 2,
            frames: 7,
            malformed: 1,
            closes: vec![(1001, 4), (4401, 0)],
            delays: Distribution { bounds: &[0.01, 0.1], counts: vec![5, 1, 2], sum: Duration::from_millis(2500) },
            watch: watch(),
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
            "ullage_volume_level{volume=\"a\"} 2",
            "ullage_volume_level{volume=\"b\"} 0",
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
    #[test]
    fn a_driver_shows_what_it_watches_and_no_sockets() {
        let text = Metrics::new(Arc::new(Snapshot::default)).with_watch(Arc::new(watch)).text().unwrap();
        assert!(text.contains("ullage_volume_level{volume=\"a\"} 2") && !text.contains("clients"), "{text}");
    }
}
