//! What volumes that a limit holds cost beside the same steps as bare system calls (`make bench`, as root).
//!
//! Two make and take away the same volumes in turn, in one pool, in one run: the engine in this process, and the system calls
//! alone. Synced by both is what must be on disk before an answer: the volume's directories, its record (twice: being made,
//! made; once more when it grows), and that it is gone. Measuring is to ask whether the path shows
//! the volume (`statx(2)` of both), what its project has (`Q_XGETQUOTA`) and what is left in the pool (`statfs(2)`); it is done
//! again and again, as a monitor does it, and one of many is counted. Before a volume is deleted both read the mount table,
//! for one that is mounted anywhere stays.
//!
//! More than the limit is a failure. The pool is an XFS with prjquota in an image of its own, below `ULLAGE_BENCH_DIR` (`/var/tmp`), or
//! `ULLAGE_BENCH_POOL`, an empty directory of such an XFS; a kernel without project quotas ends it at once, and well.
//! `ULLAGE_BENCH_ROUNDS` is how often each volume is made (100).
#![allow(clippy::print_stdout, reason = "a table is what it is for")]

mod engine;
mod floor;
#[path = "../volumes/place.rs"]
mod place;
#[path = "../shared/synced.rs"]
mod synced;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::Inside;
use floor::Floor;
use ullage::host::{Attach, linux};
use ullage::model::{Bytes, FsKind, MountOptions};

/// What broke, in words.
type Failure = Box<dyn std::error::Error + Send + Sync>;
type Result<T, E = Failure> = std::result::Result<T, E>;

const SIZE: Bytes = Bytes::mib(64);
const GROWN: Bytes = Bytes::mib(128);

/// The engine may take so much more than the floor.
const LIMIT: f64 = 1.5;

/// How often a volume is measured in a row.
const LOOKS: u32 = 10;

const STEPS: [&str; 4] = ["create", "expand", "stats", "delete"];

/// Who makes volumes; each call is one step.
trait Maker {
    fn create(&self, name: &str) -> Result<()>;
    /// Not timed: what is measured is mounted there.
    fn show(&self, name: &str, at: &Path) -> Result<()>;
    fn expand(&self, name: &str) -> Result<()>;
    fn stats(&self, name: &str, at: &Path) -> Result<()>;
    /// Not timed.
    fn hide(&self, name: &str, at: &Path) -> Result<()>;
    fn delete(&self, name: &str) -> Result<()>;
    /// What is done behind the calls.
    fn settle(&self) -> Result<()>;
}

fn main() -> ExitCode {
    place::ended(match (std::env::var_os("ULLAGE_BENCH_POOL"), place::inside()) {
        (Some(pool), _) => measure(Path::new(&pool)),
        (None, Some(root)) => measure_in_scratch(&root),
        (None, None) => place::supervise(),
    })
}

fn measure_in_scratch(root: &Path) -> Result<()> {
    place::enter()?;
    match scratch(root)? {
        Some(pool) => measure(&pool),
        None => {
            println!(
                "volumes that a limit holds: not measured, for this kernel has no project quotas (make bench-guest has them)"
            );
            Ok(())
        }
    }
}

/// An XFS with project quotas in an image; `None` where the kernel does not mount one.
fn scratch(root: &Path) -> Result<Option<PathBuf>> {
    let (machine, image, pool) = (linux::machine(), root.join("pool.img"), root.join("pool"));
    fs::create_dir(&pool)?;
    machine.files.create_image(&image, Bytes::gib(1))?;
    machine.tools.format(&image, FsKind::Xfs)?;
    let device = machine.loops.attach(&image, &Attach { tag: "ullage-bench".into(), direct_io: true })?;
    let Ok(mount) = machine.mounts.open(&device, FsKind::Xfs, &MountOptions::from_flags(&["prjquota"])) else {
        return Ok(None);
    };
    mount.attach(&pool)?;
    Ok(Some(pool))
}

fn measure(root: &Path) -> Result<()> {
    let rounds = place::number("ULLAGE_BENCH_ROUNDS", 100)?;
    let place = root.join("shown");
    fs::create_dir_all(&place)?;
    let makers: [Box<dyn Maker>; 2] = [Box::new(Floor::new(root)?), Box::new(Inside::new(root)?)];
    let mut times: [[Vec<Duration>; 4]; 2] = Default::default();
    for round in 0..=rounds {
        for (maker, times) in makers.iter().zip(&mut times) {
            let found = live(maker.as_ref(), &format!("bench-{round}"), &place)?;
            // The first warms up.
            if round > 0 {
                times.iter_mut().zip(found).for_each(|(times, time)| times.push(time));
            }
        }
    }
    report(&times)
}

fn live(maker: &dyn Maker, name: &str, at: &Path) -> Result<[Duration; 4]> {
    let create = timed(|| maker.create(name))?;
    maker.show(name, at)?;
    let expand = timed(|| maker.expand(name))?;
    let stats = timed(|| (0..LOOKS).try_for_each(|_| maker.stats(name, at)))? / LOOKS;
    maker.hide(name, at)?;
    let delete = timed(|| maker.delete(name))?;
    maker.settle()?;
    Ok([create, expand, stats, delete])
}

fn timed(step: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begun = Instant::now();
    step()?;
    Ok(begun.elapsed())
}

fn middle(times: &[Duration]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e3
}

/// The table, and what must hold; an error where it does not.
fn report([floor, engine]: &[[Vec<Duration>; 4]; 2]) -> Result<()> {
    println!(
        "\na volume that a limit holds, p50 in ms of {}; the engine at most {LIMIT} × the floor\n",
        floor[0].len()
    );
    println!("| step   |  floor | engine |     × |");
    println!("|--------|-------:|-------:|------:|");
    let (mut verdicts, mut missed) = (Vec::new(), Vec::new());
    for (step, (floor, engine)) in STEPS.iter().zip(floor.iter().zip(engine)) {
        let (floor, engine) = (middle(floor), middle(engine));
        println!("| {step:6} | {floor:6.3} | {engine:6.3} | {:5.2} |", engine / floor);
        let holds = engine <= LIMIT * floor;
        let word = if holds { "ok    " } else { "MISSED" };
        missed.extend((!holds).then_some(*step));
        verdicts.push(format!("{word} {step}: {:.2} × the floor, at most {LIMIT}", engine / floor));
    }
    println!();
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; ")).into()) }
}
