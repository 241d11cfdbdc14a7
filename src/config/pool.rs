use std::path::PathBuf;

use crate::model::{Backend, Bytes, PoolName};
use crate::projects::ProjectRange;

/// A directory in which volumes live, as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolConfig {
    /// Its name.
    pub name: PoolName,
    /// The directory, absolute.
    pub path: PathBuf,
    /// How its volumes are made.
    pub backend: Backend,
    /// Refuse to serve it while its path is not a mount point.
    pub require_mount_point: bool,
    /// What is never handed out.
    pub reserve: Reserve,
    /// How much more than the disk sparse volumes may promise, and all of them where limits hold them.
    pub overcommit: Overcommit,
    /// What only a pool of limits has.
    pub limits: LimitSettings,
}

/// What a pool of limits is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitSettings {
    /// The project ids that its volumes may get.
    pub projects: ProjectRange,
    /// The directory with the machine's `projects` and `projid`.
    pub etc: PathBuf,
    /// Whether its volumes are named there.
    pub writes_names: bool,
    /// The image that is made and mounted for it, where it has no filesystem of its own.
    pub image: Option<PoolImage>,
}

/// A filesystem in a file, for a whole pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolImage {
    /// The file, absolute.
    pub file: PathBuf,
    /// Its size: whole blocks.
    pub size: Bytes,
}

/// Room that is never handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reserve {
    /// A part of the pool's filesystem, in hundredths of a percent.
    Share(u32),
    /// So much.
    Amount(Bytes),
}

/// The sum of the sizes of sparse volumes, against the size of the pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Overcommit {
    /// As much as anybody asks for.
    Unlimited,
    /// At most so many hundredths of the pool's size (200: twice the disk).
    Ratio(u32),
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { projects: ProjectRange::default(), etc: "/etc".into(), writes_names: false, image: None }
    }
}

impl Reserve {
    /// The room it keeps back in a filesystem of that size.
    pub fn of(self, total: Bytes) -> Bytes {
        match self {
            Self::Share(share) => Bytes::new(scaled(total, share, 10_000)),
            Self::Amount(amount) => amount,
        }
    }
}

impl Overcommit {
    /// What is there, and no more.
    pub const NONE: Self = Self::Ratio(100);

    /// What may still be promised of so much, after what is kept back and what is promised already.
    pub fn more_of(self, all: Bytes, reserve: Bytes, promised: Bytes) -> Bytes {
        self.of(all).unwrap_or(all).saturating_sub(reserve).saturating_sub(promised)
    }

    /// What may be promised to sparse volumes in a filesystem of that size; `None`: no bound.
    pub fn of(self, total: Bytes) -> Option<Bytes> {
        match self {
            Self::Unlimited => None,
            Self::Ratio(ratio) => Some(Bytes::new(scaled(total, ratio, 100))),
        }
    }
}

fn scaled(total: Bytes, part: u32, of: u32) -> u64 {
    let scaled = u128::from(total.get()) * u128::from(part) / u128::from(of);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
