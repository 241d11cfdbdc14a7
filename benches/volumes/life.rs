//! A volume's life, in six steps.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ullage::model::{Bytes, FsKind};

use crate::Result;

/// How large every volume is.
pub(crate) const SIZE: Bytes = Bytes::gib(1);

/// What is done to a volume.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Step {
    Create,
    Stage,
    Publish,
    Unpublish,
    Unstage,
    Delete,
}

impl Step {
    pub(crate) const UP: [Self; 3] = [Self::Create, Self::Stage, Self::Publish];
    pub(crate) const DOWN: [Self; 3] = [Self::Unpublish, Self::Unstage, Self::Delete];
    pub(crate) const ALL: [Self; 6] =
        [Self::Create, Self::Stage, Self::Publish, Self::Unpublish, Self::Unstage, Self::Delete];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}").to_lowercase())
    }
}

/// A kind of volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Kind {
    pub(crate) fs: FsKind,
    pub(crate) sparse: bool,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.fs, if self.sparse { "sparse" } else { "reserved" }))
    }
}

/// One volume, and where it is mounted. The staging path and the directory of the target are there before it, as the
/// kubelet makes them.
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) staging: PathBuf,
    pub(crate) target: PathBuf,
}

impl Volume {
    pub(crate) fn new(root: &Path, name: String, kind: Kind) -> Result<Self> {
        let pod = root.join("pods").join(&name);
        let (staging, target) = (pod.join("staging"), pod.join("mount"));
        std::fs::create_dir_all(&staging)?;
        Ok(Self { name, kind, staging, target })
    }
}

/// Whoever makes volumes.
pub(crate) trait Maker {
    fn name(&self) -> &'static str;

    /// Does a step; this is what is timed.
    fn step(&mut self, step: Step, volume: &Volume) -> Result<()>;

    /// Waits for, or does, what was left to be done behind the answers. Not timed.
    fn settle(&mut self) -> Result<()>;
}

/// Does some steps, and says how long each took.
pub(crate) fn live(maker: &mut dyn Maker, volume: &Volume, steps: &[Step]) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(steps.len());
    for step in steps {
        let begun = Instant::now();
        maker.step(*step, volume).map_err(|failure| format!("{} {step} {}: {failure}", maker.name(), volume.name))?;
        times.push(begun.elapsed());
    }
    Ok(times)
}
