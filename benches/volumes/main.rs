//! What the driver costs beside the same steps as bare system calls (`make bench`, as root).
//!
//! Three make and take away the same volumes in turn, on one filesystem, in one run:
//!
//! - `floor`: the system calls alone ([`floor`]), with the driver's `mkfs` and the driver's `fsync`s;
//! - `engine`: the engine in this process, each of its calls to the machine timed by name ([`meter`]);
//! - `driver`: the program itself, over gRPC on its socket ([`remote`]). The targets are held against this one.
//!
//! What is missed of the targets is a failure, when all is printed. `ULLAGE_BENCH_DIR` is where the volumes lie
//! (`/var/tmp`), `ULLAGE_BENCH_ROUNDS` how often each is made (24), `ULLAGE_BENCH_CROWD` how many live at once (1000).
#![allow(clippy::print_stdout, reason = "a table is what it is for")]

mod crowd;
mod engine;
mod floor;
mod life;
mod meter;
mod place;
#[path = "../shared/program.rs"]
mod program;
mod race;
mod remote;
mod report;
#[path = "../shared/synced.rs"]
mod synced;

use std::path::Path;
use std::process::ExitCode;

/// What broke, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

fn main() -> ExitCode {
    place::ended(match place::inside() {
        Some(root) => measure(&root),
        None => place::supervise(),
    })
}

fn measure(root: &Path) -> Result<()> {
    place::enter()?;
    let races = race::run(root, place::number("ULLAGE_BENCH_ROUNDS", 24)?)?;
    races.report();
    let crowd = crowd::run(root, place::number("ULLAGE_BENCH_CROWD", 1000)?)?;
    crowd.report();
    let kept = report::verdicts(races.verdicts().into_iter().chain(crowd.verdicts()));
    races.check().and(kept)
}
