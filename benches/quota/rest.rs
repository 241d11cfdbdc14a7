//! The processor time of volumes that nobody writes to.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::Result;
use crate::fill::halve;
use crate::place::number;
use crate::report::Verdict;
use crate::server::Server;

/// Making volumes is over by then, and its threads have ended.
const SETTLED: Duration = Duration::from_secs(5);

/// In MiB.
const LARGE: u64 = 10 << 10;
const SMALL: u64 = 64;

/// How many small ones.
const CROWD: usize = 200;

pub(crate) fn run(root: &Path) -> Result<Vec<Verdict>> {
    let lasting = Duration::from_secs(number("ULLAGE_BENCH_SECONDS", 20)? as u64);
    println!("\nprocessor time at rest, over {lasting:?}, % of a core\n");
    let large = Server::standalone(&root.join("large"))?;
    row("standalone without a volume", share(&large, lasting)?);
    let volume = large.client().create("large", LARGE, "xfs", true)?;
    halve(&volume.path, LARGE << 20)?;
    let alone = share(&large, lasting)?;
    row("one half-full volume of 10 GiB", alone);
    drop(large);
    let small = Server::standalone(&root.join("small"))?;
    for number in 0..CROWD {
        let volume = small.client().create(&format!("small-{number}"), SMALL, "ext4", true)?;
        halve(&volume.path, SMALL << 20)?;
    }
    // No limit: so near to full, each of them has to be looked at twenty times a second.
    row("200 half-full volumes of 64 MiB", share(&small, lasting)?);
    Ok(vec![Verdict::at_most("a half-full volume of 10 GiB at rest", alone, 0.1, "% of a core")])
}

fn row(name: &str, share: f64) {
    println!("| {name:34} | {share:8.3} |");
}

/// In hundredths of a core.
fn share(server: &Server, lasting: Duration) -> Result<f64> {
    std::thread::sleep(SETTLED);
    let (before, begun) = (server.processor()?, Instant::now());
    std::thread::sleep(lasting);
    let spent = server.processor()?.saturating_sub(before);
    Ok(spent.as_secs_f64() / begun.elapsed().as_secs_f64() * 100.0)
}
