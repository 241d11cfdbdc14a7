//! Many volumes live at once: whether the last is as quick as the first, and what the driver's process takes.

use std::path::Path;
use std::time::Duration;

use ullage::model::{Bytes, FsKind};

use crate::Result;
use crate::floor::Floor;
use crate::life::{Kind, Step, Volume, live};
use crate::remote::Remote;
use crate::report::{self, Verdict};

/// How many at each end are compared.
const ENDS: usize = 20;

/// Where memory is measured.
const MEASURED: usize = 300;

/// The one that takes the least room: the log of a sparse XFS takes 64 MiB, a thousand times.
const KIND: Kind = Kind { fs: FsKind::Ext4, sparse: true };

pub(crate) struct Crowd {
    /// What each volume took, create to publish.
    times: Vec<Duration>,
    /// The same of the floor: before the first, and beside the last.
    floor: [Vec<Duration>; 2],
    empty: Bytes,
    measured: Option<Bytes>,
    full: Bytes,
}

/// Makes so many volumes, and lets them live. They go with the mount namespace.
pub(crate) fn run(root: &Path, count: usize) -> Result<Crowd> {
    let mut driver = Remote::start(root, "crowd")?;
    let mut floor = Floor::new(root)?;
    let empty = driver.resident()?;
    let before = alone(root, &mut floor, "before")?;
    let (mut times, mut measured) = (Vec::with_capacity(count), None);
    for number in 1..=count {
        let volume = Volume::new(root, format!("crowd-{number}"), KIND)?;
        times.push(live(&mut driver, &volume, &Step::UP)?.iter().sum());
        if number == MEASURED {
            measured = Some(driver.resident()?);
        }
    }
    let beside = alone(root, &mut floor, "beside")?;
    Ok(Crowd { times, floor: [before, beside], empty, measured, full: driver.resident()? })
}

/// The floor, up and down again.
fn alone(root: &Path, floor: &mut Floor, name: &str) -> Result<Vec<Duration>> {
    let one = |number| {
        let volume = Volume::new(root, format!("{name}-{number}"), KIND)?;
        let times = live(floor, &volume, &Step::ALL)?;
        Ok(times[..Step::UP.len()].iter().sum())
    };
    (0..ENDS).map(one).collect()
}

impl Crowd {
    fn ends(&self) -> [Duration; 2] {
        let ends = ENDS.min(self.times.len());
        [&self.times[..ends], &self.times[self.times.len() - ends..]].map(report::middle)
    }

    pub(crate) fn report(&self) {
        let Self { empty, full, measured, .. } = self;
        let count = self.times.len();
        println!("\n{count} live volumes ({KIND}), create → publish, p50 of {ENDS}\n");
        println!("|        |    first |     last | ratio |\n|--------|---------:|---------:|------:|");
        report::ends("floor", self.floor.each_ref().map(|times| report::middle(times)));
        report::ends("driver", self.ends());
        let measured = measured.map(|bytes| format!("{bytes} with {MEASURED} volumes, ")).unwrap_or_default();
        println!("\nresident memory of the driver: {empty} at first, {measured}{full} with {count}");
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let [first, last] = self.ends();
        let slower = last.as_secs_f64() / first.as_secs_f64();
        let mut verdicts =
            vec![Verdict::at_most(format!("volume {} live", self.times.len()), slower, 1.2, "× the first")];
        if let Some(measured) = self.measured {
            #[allow(clippy::cast_precision_loss, reason = "a process is smaller than 2^52")]
            let found = measured.get() as f64 / 1e6;
            verdicts.push(Verdict::at_most(format!("memory with {MEASURED} volumes"), found, 20.0, "MB"));
        }
        verdicts
    }
}
