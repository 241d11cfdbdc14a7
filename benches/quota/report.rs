//! Numbers as they are printed, and what they must be.

use std::time::Duration;

use crate::Result;

/// What must hold, and what was found.
pub(crate) struct Verdict {
    what: String,
    found: f64,
    limit: Limit,
    unit: &'static str,
}

enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

impl Verdict {
    pub(crate) fn at_most(what: impl Into<String>, found: f64, limit: f64, unit: &'static str) -> Self {
        Self { what: what.into(), found, limit: Limit::AtMost(limit), unit }
    }

    pub(crate) fn at_least(what: impl Into<String>, found: f64, limit: f64, unit: &'static str) -> Self {
        Self { what: what.into(), found, limit: Limit::AtLeast(limit), unit }
    }
}

/// Which of them hold; an error where one does not.
pub(crate) fn verdicts(verdicts: &[Verdict]) -> Result<()> {
    let mut missed = 0;
    println!();
    for Verdict { what, found, limit, unit } in verdicts {
        let (holds, bound) = match limit {
            Limit::AtMost(limit) => (found <= limit, format!("at most {limit}")),
            Limit::AtLeast(limit) => (found >= limit, format!("at least {limit}")),
        };
        missed += u32::from(!holds);
        println!("{} {what}: {found:.3} {unit}, {bound}", if holds { "ok    " } else { "MISSED" });
    }
    if missed == 0 { Ok(()) } else { Err(format!("{missed} of {} were missed", verdicts.len()).into()) }
}

/// The value below which so many hundredths of all lie.
pub(crate) fn percentile(times: &[Duration], hundredths: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * hundredths / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or_default()
}

/// The one in the middle.
pub(crate) fn middle(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// A table's row of times in milliseconds: p50, p99, the longest.
pub(crate) fn times(name: &str, times: &[Duration]) {
    let [p50, p99, max] = [50, 99, 100].map(|hundredths| ms(percentile(times, hundredths)));
    println!("| {name:32} | {p50:8.1} | {p99:8.1} | {max:8.1} |");
}

pub(crate) fn times_header(title: &str) {
    println!("\n{title}\n");
    println!("| ms                               |      p50 |      p99 |      max |");
    println!("|----------------------------------|---------:|---------:|---------:|");
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// For ratios: what is counted here is far below 2^52.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}
