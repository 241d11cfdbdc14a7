//! The same volumes, made and taken away in turn by everybody, so that what disturbs one disturbs all.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::syncfs;
use ullage::model::FsKind;

use crate::Result;
use crate::engine::Inside;
use crate::floor::Floor;
use crate::life::{Kind, Maker, Step, Volume, live};
use crate::meter::Meter;
use crate::remote::Remote;
use crate::report::{self, Verdict};

/// In the order in which they are reported.
pub(crate) const KINDS: [Kind; 4] = [
    Kind { fs: FsKind::Ext4, sparse: true },
    Kind { fs: FsKind::Ext4, sparse: false },
    Kind { fs: FsKind::Xfs, sparse: true },
    Kind { fs: FsKind::Xfs, sparse: false },
];

/// The names of those who race, the first being the measure.
pub(crate) const MAKERS: [&str; 3] = ["floor", "engine", "driver"];

/// The limits: create to publish, and unpublish to delete, in hundredths of the floor.
const LIMITS: [(&str, [Step; 3], f64); 2] =
    [("create → publish", Step::UP, 1.3), ("unpublish → delete", Step::DOWN, 1.5)];

/// What everybody took.
pub(crate) struct Races {
    /// By the number of the kind and of the maker: of every round, the six steps.
    times: BTreeMap<(usize, usize), Vec<Vec<Duration>>>,
    meter: Arc<Meter>,
}

/// Lets everybody make every kind of volume so often, and once before to warm up.
pub(crate) fn run(root: &Path, rounds: usize) -> Result<Races> {
    let (mut floor, mut engine, mut driver) = (Floor::new(root)?, Inside::new(root)?, Remote::start(root, "driver")?);
    let meter = engine.meter();
    let makers: [&mut dyn Maker; 3] = [&mut floor, &mut engine, &mut driver];
    let mut times = BTreeMap::<_, Vec<_>>::new();
    for (kind_number, kind) in KINDS.into_iter().enumerate() {
        for round in 0..=rounds {
            for turn in 0..makers.len() {
                let number = (round + turn) % makers.len();
                let name = format!("{}-{}-{round}", kind.fs, if kind.sparse { "sparse" } else { "reserved" });
                meter.count(round > 0);
                let steps = one(root, &mut *makers[number], name, kind)?;
                if round > 0 {
                    times.entry((kind_number, number)).or_default().push(steps);
                }
            }
        }
    }
    Ok(Races { times, meter })
}

/// One volume's whole life. What it left to be written is written before the next begins.
fn one(root: &Path, maker: &mut dyn Maker, name: String, kind: Kind) -> Result<Vec<Duration>> {
    let volume = Volume::new(root, name, kind)?;
    syncfs(File::open(root)?)?;
    let times = live(maker, &volume, &Step::ALL)?;
    maker.settle()?;
    fs::remove_dir(&volume.staging)?;
    Ok(times)
}

impl Races {
    pub(crate) fn report(&self) {
        for (title, steps, limit) in LIMITS {
            report::race_header(title, limit);
            for (number, kind) in KINDS.into_iter().enumerate() {
                let makers = [0, 1, 2].map(|maker| self.sums(number, maker, &steps));
                report::race_row(kind, &makers);
            }
        }
        report::steps_header();
        for step in Step::ALL {
            let of = |maker| [0, 1, 2, 3].map(|kind| report::middle(&self.sums(kind, maker, &[step])));
            report::steps_row(step, [of(0), of(1), of(2)]);
        }
        report::calls(&self.meter.times(), self.volumes());
    }

    /// What the driver took beside the floor.
    pub(crate) fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for (title, steps, limit) in LIMITS {
            for (number, kind) in KINDS.into_iter().enumerate() {
                let [floor, driver] = [0, 2].map(|maker| report::middle(&self.sums(number, maker, &steps)));
                let found = driver.as_secs_f64() / floor.as_secs_f64();
                verdicts.push(Verdict::at_most(format!("{title}, {kind}"), found, limit, "× the floor"));
            }
        }
        verdicts
    }

    /// That no program is run but one `mkfs` for each volume, and that nothing is searched for.
    pub(crate) fn check(&self) -> Result<()> {
        let count = |name: &str| -> usize {
            self.meter.times().iter().filter(|((_, call), _)| *call == name).map(|(_, times)| times.len()).sum()
        };
        if count("tools.format") != self.volumes() || count("tools.grow_offline") > 0 {
            return Err("a program was run beside one mkfs for each volume".into());
        }
        let scans = ["loops.list", "mounts.list", "files.list"].map(|name| (name, count(name)));
        match scans.iter().find(|(_, count)| *count > 0) {
            Some((name, count)) => Err(format!("{name} was called {count} times on the common path").into()),
            None => Ok(()),
        }
    }

    fn volumes(&self) -> usize {
        self.times.iter().filter(|((_, maker), _)| *maker == 1).map(|(_, rounds)| rounds.len()).sum()
    }

    fn sums(&self, kind: usize, maker: usize, steps: &[Step]) -> Vec<Duration> {
        let rounds = self.times.get(&(kind, maker)).map(Vec::as_slice).unwrap_or_default();
        rounds.iter().map(|times| steps.iter().map(|step| times[*step as usize]).sum()).collect()
    }
}
