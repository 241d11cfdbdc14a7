//! Tables that can be pasted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Result;
use crate::life::{Kind, Step};
use crate::meter::Call;
use crate::race::{KINDS, MAKERS};

/// A target, and what was found.
pub(crate) struct Verdict {
    what: String,
    found: f64,
    limit: f64,
    unit: &'static str,
}

impl Verdict {
    pub(crate) fn at_most(what: String, found: f64, limit: f64, unit: &'static str) -> Self {
        Self { what, found, limit, unit }
    }
}

/// The value below which so many hundredths of all lie.
pub(crate) fn percentile(times: &[Duration], hundredths: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// The one in the middle.
pub(crate) fn middle(times: &[Duration]) -> Duration {
    percentile(times, 50)
}

pub(crate) fn race_header(title: &str, limit: f64) {
    let [floor, engine, driver] = MAKERS;
    println!("\n{title}, 1 GiB, ms; the driver at most {limit} × the floor\n");
    println!("| volume        | {floor} p50 |   p90 | {engine} p50 |   p90 |     × | {driver} p50 |   p90 |     × |");
    println!("|---------------|----------:|------:|-----------:|------:|------:|-----------:|------:|------:|");
}

pub(crate) fn race_row(kind: Kind, makers: &[Vec<Duration>; 3]) {
    let [floor, engine, driver] = makers.each_ref().map(|times| (middle(times), percentile(times, 90)));
    let ratio = |times: (Duration, Duration)| times.0.as_secs_f64() / floor.0.as_secs_f64();
    println!(
        "| {kind:13} | {:9.1} | {:5.1} | {:10.1} | {:5.1} | {:5.2} | {:10.1} | {:5.1} | {:5.2} |",
        ms(floor.0),
        ms(floor.1),
        ms(engine.0),
        ms(engine.1),
        ratio(engine),
        ms(driver.0),
        ms(driver.1),
        ratio(driver),
    );
}

pub(crate) fn steps_header() {
    let [floor, engine, driver] = MAKERS;
    println!("\nsteps, p50 in ms: {floor} / {engine} / {driver}\n");
    let kinds = KINDS.map(|kind| format!("{kind:>21}"));
    println!("| step      | {} |", kinds.join(" | "));
    println!("|-----------|{}|", KINDS.map(|_| "----------------------:").join("|"));
}

pub(crate) fn steps_row(step: Step, [floor, engine, driver]: [[Duration; 4]; 3]) {
    let cells: Vec<_> = (0..KINDS.len())
        .map(|kind| format!("{:5.2} / {:5.2} / {:5.2}", ms(floor[kind]), ms(engine[kind]), ms(driver[kind])))
        .collect();
    println!("| {step:9} | {} |", cells.join(" | "));
}

/// What each call to the machine takes.
pub(crate) fn calls(times: &BTreeMap<Call, Vec<Duration>>, volumes: usize) {
    println!("\nwhat the engine asks of the machine, all kinds of volume together\n");
    println!("| step      | call                     | each volume |  p50 ms | sum a volume |");
    println!("|-----------|--------------------------|------------:|--------:|-------------:|");
    #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
    let each = |count: f64| count / volumes as f64;
    for ((step, call), times) in times {
        #[allow(clippy::cast_precision_loss, reason = "a few thousand")]
        let count = each(times.len() as f64);
        let sum = each(ms(times.iter().sum()));
        println!("| {step:9} | {call:24} | {count:11.2} | {:7.3} | {sum:12.3} |", ms(middle(times)));
    }
}

/// What the first and the last took.
pub(crate) fn ends(name: &str, floor: [Duration; 2], driver: [Duration; 2]) {
    let cell = |[first, last]: [Duration; 2]| {
        format!("{:5.2} {:6.2}  {:5.2} ×", ms(first), ms(last), last.as_secs_f64() / first.as_secs_f64())
    };
    println!("| {name:16} | {:>22} | {:>22} |", cell(floor), cell(driver));
}

/// Which targets hold; an error where one does not.
pub(crate) fn verdicts(verdicts: impl Iterator<Item = Verdict>) -> Result<()> {
    let mut missed = Vec::new();
    println!();
    for Verdict { what, found, limit, unit } in verdicts {
        let word = if found <= limit { "ok    " } else { "MISSED" };
        println!("{word} {what}: {found:.2} {unit}, at most {limit}");
        missed.extend((found > limit).then_some(what));
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("missed: {}", missed.join("; ")).into()) }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
