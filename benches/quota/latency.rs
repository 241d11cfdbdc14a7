//! From crossing to frame: volumes are filled at full speed, again and again, and one client listens.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::Volume;
use crate::fill::{fill, free};
use crate::place::number;
use crate::report::{Verdict, middle, ms, percentile, times, times_header};
use crate::server::Server;
use crate::socket::Listener;

/// In MiB: the least room between the threshold and the end among volumes that anybody has.
const SIZE: u64 = 512;

/// How long an alert, or the end of it, may take before something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was said must have come by then.
const SETTLED: Duration = Duration::from_millis(300);

#[derive(Default)]
struct Found {
    alert: Vec<Duration>,
    room: Vec<Duration>,
    speed: Vec<f64>,
    early: usize,
}

pub(crate) fn run(root: &Path) -> Result<Vec<Verdict>> {
    let crossings = number("ULLAGE_BENCH_CROSSINGS", 50)?;
    let server = Server::standalone(root)?;
    let client = server.client();
    let mut kinds = Vec::new();
    for fs in ["ext4", "xfs"] {
        kinds.push((fs, client.create(fs, SIZE, fs, false)?, Found::default()));
    }
    let socket = Listener::open(server.address)?;
    for round in 0..crossings {
        let (_, volume, found) = &mut kinds[round % 2];
        cross(&socket, volume, found).map_err(|failure| format!("crossing {round}: {failure}"))?;
    }
    let all: Vec<_> = kinds.iter().flat_map(|(_, _, found)| found.alert.iter().copied()).collect();
    times_header(&format!("{crossings} crossings, {SIZE} MiB, written at full speed"));
    for (fs, _, found) in &kinds {
        times(&format!("{fs}: crossing to alert"), &found.alert);
        times(&format!("{fs}: crossing to ENOSPC"), &found.room);
    }
    times("all: crossing to alert", &all);
    println!();
    for (fs, _, Found { alert, early, speed, .. }) in &kinds {
        println!("{fs}: {:.0} MiB/s; {early} of {} alerts came before the disk was full", middle(speed), alert.len());
    }
    Ok(vec![Verdict::at_most("alert, p99 from crossing to frame", ms(percentile(&all, 99)), 100.0, "ms")])
}

/// Fills, waits for the alert, frees, waits for its end; there is one alert and no other.
fn cross(socket: &Listener, volume: &Volume, found: &mut Found) -> Result<()> {
    let filled = fill(&volume.path, SIZE << 20)?;
    let mut alerts = 0;
    let mut wait = |what: &str, is_it: &dyn Fn(&crate::socket::Heard) -> bool| {
        let end = Instant::now() + PATIENCE;
        while let Some(heard) = socket.next(end.saturating_duration_since(Instant::now())) {
            alerts += usize::from(heard.is_alert());
            if heard.is_of(&volume.id) && is_it(&heard) {
                return Ok(heard.at);
            }
        }
        Err(format!("{what} did not come within {PATIENCE:?}"))
    };
    let alert = wait("the alert", &crate::socket::Heard::is_alert)?;
    free(&volume.path)?;
    wait("its end", &crate::socket::Heard::is_over)?;
    while let Some(heard) = socket.next(SETTLED) {
        alerts += usize::from(heard.is_alert());
    }
    if alerts != 1 {
        return Err(format!("{alerts} alerts instead of one").into());
    }
    // The watcher looks ten thousand times a second, so the monitor may have been first.
    found.alert.push(alert.saturating_duration_since(filled.crossed));
    found.room.push(filled.full.saturating_duration_since(filled.crossed));
    found.speed.push(filled.mib);
    found.early += usize::from(alert < filled.full);
    Ok(())
}
