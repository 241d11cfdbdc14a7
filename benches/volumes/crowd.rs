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

#[derive(Default)]
pub(crate) struct Crowd {
    /// What the steps of each volume took, create to publish.
    times: Vec<Vec<Duration>>,
    /// The same of the floor, beside the first and beside the last: what the machine itself takes longer by then.
    floor: [Vec<Vec<Duration>>; 2],
    empty: Bytes,
    measured: Option<Bytes>,
    full: Bytes,
}

/// Makes so many volumes, and lets them live. They go with the mount namespace.
pub(crate) fn run(root: &Path, count: usize) -> Result<Crowd> {
    let mut driver = Remote::start(root, "crowd")?;
    let mut floor = Floor::new(root)?;
    let mut crowd = Crowd { empty: driver.resident()?, ..Crowd::default() };
    for number in 1..=count {
        if number + ENDS == count + 1 {
            nix::unistd::sync(); // what the others have still to write is not what is asked
        }
        let volume = Volume::new(root, format!("crowd-{number}"), KIND)?;
        crowd.times.push(live(&mut driver, &volume, &Step::UP)?);
        // After the driver's, not between them.
        if number == ENDS || number == count {
            let end = usize::from(number > ENDS);
            for beside in 0..ENDS {
                let volume = Volume::new(root, format!("beside-{number}-{beside}"), KIND)?;
                crowd.floor[end].push(live(&mut floor, &volume, &Step::ALL)?);
            }
        }
        if number == MEASURED {
            crowd.measured = Some(driver.resident()?);
        }
    }
    crowd.full = driver.resident()?;
    Ok(crowd)
}

impl Crowd {
    /// Of the driver: the first and the last.
    fn ends(&self) -> [&[Vec<Duration>]; 2] {
        let ends = ENDS.min(self.times.len());
        [&self.times[..ends], &self.times[self.times.len() - ends..]]
    }

    pub(crate) fn report(&self) {
        let Self { empty, full, measured, .. } = self;
        let count = self.times.len();
        println!("\n{count} live volumes ({KIND}), p50 of {ENDS} in ms: the first, and the last\n");
        println!("|                  | {:>22} | {:>22} |", "floor", "driver");
        println!("|------------------|{0}|{0}|", "-----------------------:");
        let floor = self.floor.each_ref().map(Vec::as_slice);
        for step in Step::UP {
            let of = |times: &[Vec<Duration>]| sums(times, &[step]);
            report::ends(&step.to_string(), floor.map(of), self.ends().map(of));
        }
        let of = |times: &[Vec<Duration>]| sums(times, &Step::UP);
        report::ends("create → publish", floor.map(of), self.ends().map(of));
        let measured = measured.map(|bytes| format!("{bytes} with {MEASURED} volumes, ")).unwrap_or_default();
        println!("\nresident memory of the driver: {empty} at first, {measured}{full} with {count}");
    }

    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let slower = |[first, last]: [&[Vec<Duration>]; 2]| {
            sums(last, &Step::UP).as_secs_f64() / sums(first, &Step::UP).as_secs_f64()
        };
        let (found, machine) = (slower(self.ends()), slower(self.floor.each_ref().map(Vec::as_slice)));
        let count = self.times.len();
        let mut verdicts = vec![
            Verdict::at_most(format!("volume {count} live"), found, 1.2, "× the first"),
            Verdict::at_most(
                format!("volume {count} live, beside the floor then"),
                found / machine,
                1.2,
                "× the first",
            ),
        ];
        if let Some(measured) = self.measured {
            #[allow(clippy::cast_precision_loss, reason = "a process is smaller than 2^52")]
            let found = measured.get() as f64 / 1e6;
            verdicts.push(Verdict::at_most(format!("memory with {MEASURED} volumes"), found, 20.0, "MB"));
        }
        verdicts
    }
}

/// What those steps together take of a volume, in the middle.
fn sums(times: &[Vec<Duration>], steps: &[Step]) -> Duration {
    let sums: Vec<_> = times.iter().map(|times| steps.iter().map(|step| times[*step as usize]).sum()).collect();
    report::middle(&sums)
}
