//! What the quota API costs, and how soon its alerts come (`make bench`, as root).
//!
//! - `latency`: a volume is filled at full speed; from the crossing of the threshold to the frame;
//! - `clients`: ten thousand WebSockets on one process, what each takes, and when the last of them hears;
//! - `requests`: requests a second, beside a bare handler of the same framework, served as the program serves and as the framework does;
//! - `memory`: what `ullage quota-api` has in memory, beside the bare one;
//! - `rest`: the processor time of volumes that nobody writes to.
//!
//! What must hold and does not is a failure, as is an alert too many or too few. `ULLAGE_BENCH_DIR` is where the volumes
//! lie (`/var/tmp`), `ULLAGE_BENCH_ONLY` names the parts to run, with commas; `ULLAGE_BENCH_CROSSINGS` (50),
//! `ULLAGE_BENCH_CLIENTS` (10000) and `ULLAGE_BENCH_SECONDS` (20, of rest) say how much of it.
#![allow(clippy::print_stdout, reason = "a table is what it is for")]

mod bare;
mod client;
mod clients;
mod fill;
mod latency;
mod load;
mod memory;
#[path = "../volumes/place.rs"]
mod place;
#[path = "../shared/program.rs"]
mod program;
mod report;
mod requests;
mod rest;
mod server;
mod socket;

use std::path::Path;
use std::process::ExitCode;

use report::Verdict;

/// What broke, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

/// A part of it: prints its table, and says what must hold.
type Part = (&'static str, fn(&Path) -> Result<Vec<Verdict>>);

const PARTS: [Part; 5] = [
    ("latency", latency::run),
    ("clients", clients::run),
    ("requests", requests::run),
    ("memory", memory::run),
    ("rest", rest::run),
];

fn main() -> ExitCode {
    if let Some(asked) = bare::asked() {
        return place::ended(bare::serve(asked));
    }
    place::ended(match place::inside() {
        Some(root) => measure(&root),
        None => place::supervise(),
    })
}

fn measure(root: &Path) -> Result<()> {
    place::enter()?;
    let only = std::env::var("ULLAGE_BENCH_ONLY").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only.split(',').any(|one| one.trim() == name));
    let mut verdicts = Vec::new();
    for (name, run) in PARTS.iter().filter(|(name, _)| wanted(name)) {
        let root = root.join(name);
        std::fs::create_dir_all(&root)?;
        verdicts.extend(run(&root).map_err(|failure| format!("{name}: {failure}"))?);
    }
    report::verdicts(&verdicts)
}
