use std::path::PathBuf;

use crate::backend;
use crate::host;
use crate::model::{Bytes, FsKind, PoolName, VolumeId};
use crate::projects;
use crate::store;

/// Why the engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it, and the fields are named in them")]
pub enum Error {
    #[error("volume '{0}' does not exist")]
    NoVolume(VolumeId),
    #[error("volume '{id}' was not found, and pool '{pool}' is not served: {reason}")]
    NoVolumeHere { id: VolumeId, pool: PoolName, reason: String },
    #[error("another call on volume '{0}' is under way")]
    Busy(VolumeId),
    #[error("volume '{id}' exists, and is another: {difference}")]
    Conflict { id: VolumeId, difference: String },
    #[error("volume '{0}' is still being made")]
    Unfinished(VolumeId),
    #[error("the record of volume '{id}' cannot be read, so nothing is done to it: {reason}")]
    Unreadable { id: VolumeId, reason: String },
    #[error("there is no pool '{pool}': the pools are {known}")]
    NoPool { pool: PoolName, known: String },
    #[error("pool '{pool}' is not served: {reason}")]
    NotServed { pool: PoolName, reason: String },
    #[error("pool '{pool}' is not served any more: {reason}")]
    PoolGone { pool: PoolName, reason: String },
    #[error(
        "the volumes of pool '{pool}' are images: directories can be taken over by a pool of the backend 'quota' only"
    )]
    NoLimits { pool: PoolName },
    #[error("{}: {reason}", directory.display())]
    NotImportable { directory: PathBuf, reason: String },
    #[error("pool '{pool}' cannot make {fs} filesystems: {reason}")]
    NoFilesystem { pool: PoolName, fs: FsKind, reason: String },
    #[error(
        "pool '{pool}' is full: {asked} asked for, {available} available ({free} free, {reserve} reserve, {pending} promised and not taken yet)"
    )]
    Full { pool: PoolName, asked: Bytes, available: Bytes, free: Bytes, reserve: Bytes, pending: Bytes },
    #[error("pool '{pool}' is full: {asked} asked for, {promised} of at most {bound} promised to sparse volumes")]
    Overcommitted { pool: PoolName, asked: Bytes, promised: Bytes, bound: Bytes },
    #[error(
        "pool '{pool}' ran full while {asked} were taken: others write there too ({free} free now, {reserve} reserve)"
    )]
    RanFull { pool: PoolName, asked: Bytes, free: Bytes, reserve: Bytes },
    #[error("{asked} asked for, and the longest file in pool '{pool}' is {longest}")]
    TooLong { pool: PoolName, asked: Bytes, longest: Bytes },
    #[error("the volume cannot grow: {0}")]
    CannotGrow(#[source] Box<Error>),
    #[error("the volume is {size}, and cannot become {asked}: volumes only grow")]
    Smaller { size: Bytes, asked: Bytes },
    #[error("{refused}; so the volume stays at {size}, and can be used: {}", advice(refused))]
    RefusedAgain { size: Bytes, refused: Box<Error> },
    #[error("the volume is {size}, and cannot shrink to {asked}")]
    Larger { size: Bytes, asked: Bytes },
    #[error("a volume that holds {content} cannot shrink: only one with ext4 can")]
    Unshrinkable { content: String },
    #[error("the volume cannot become {asked}: what is in it needs {least}")]
    TooFull { asked: Bytes, least: Bytes },
    #[error("no volume can become {asked}: that is less than 20MB")]
    TooSmall { asked: Bytes },
    #[error("the volume is {size}, more than the limit of {limit} that was asked for")]
    PastLimit { size: Bytes, limit: Bytes },
    #[error("volume '{id}' is in use: {}", places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", "))]
    InUse { id: VolumeId, places: Vec<PathBuf> },
    #[error("{outcome}; and it is not mounted again at {}, which is tried again behind: {reason}", path.display())]
    NotBack { outcome: String, path: PathBuf, reason: Box<Error> },
    #[error("volume '{id}' holds {content}, and {asked} was asked for")]
    WrongContent { id: VolumeId, content: String, asked: String },
    #[error(transparent)]
    Backend(#[from] backend::Error),
    #[error("no project for the volume: {0}")]
    Projects(#[from] projects::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
    #[error(transparent)]
    Host(#[from] host::Error),
}

/// The result of an engine's call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error means to a caller. Closed: whoever answers a caller has a row for each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The request contradicts itself, or the volume.
    Invalid,
    /// There is no such volume, or it is not at the path that was named.
    NotFound,
    /// There is one of that name, and it is another; or it is mounted there in another way.
    Exists,
    /// Another call on the volume is under way.
    Busy,
    /// There is no room for a new volume here; there may be on another node.
    Full,
    /// The volume cannot have the size that is asked for.
    SizeRefused,
    /// The same, and that was said before it was published last: it stays as it is, and whoever waits for it goes on.
    RefusedAgain,
    /// The volume cannot become smaller, or not by so much.
    ShrinkRefused,
    /// Something has to be done first: unmount, stage, give a capability.
    NotNow,
    /// What is needed is out of reach, and may come back.
    Unavailable,
    /// The machine failed.
    Failed,
}

impl Error {
    /// What it means to a caller.
    pub fn kind(&self) -> Kind {
        match self {
            Self::NoVolume(_) => Kind::NotFound,
            Self::NoPool { .. } | Self::NoLimits { .. } | Self::WrongContent { .. } => Kind::Invalid,
            Self::NotImportable { .. } => Kind::NotNow,
            Self::Busy(_) => Kind::Busy,
            Self::Conflict { .. } => Kind::Exists,
            Self::Full { .. } | Self::Overcommitted { .. } | Self::RanFull { .. } | Self::TooLong { .. } => Kind::Full,
            // Another node may serve the pool; this one may again.
            Self::NotServed { .. } | Self::NoFilesystem { .. } => Kind::Full,
            Self::Projects(projects::Error::Exhausted { .. }) => Kind::Full,
            Self::Projects(projects::Error::Busy { .. }) => Kind::Busy,
            Self::NoVolumeHere { .. } | Self::PoolGone { .. } | Self::Unfinished(_) => Kind::Unavailable,
            Self::CannotGrow(_) | Self::Smaller { .. } | Self::PastLimit { .. } => Kind::SizeRefused,
            Self::RefusedAgain { .. } => Kind::RefusedAgain,
            Self::Larger { .. } | Self::Unshrinkable { .. } | Self::TooFull { .. } | Self::TooSmall { .. } => {
                Kind::ShrinkRefused
            }
            Self::InUse { .. } => Kind::NotNow,
            Self::NotBack { reason, .. } => reason.kind(),
            Self::Unreadable { .. } | Self::Projects(_) | Self::Store(_) | Self::Host(_) => Kind::Failed,
            Self::Backend(error) => kind_of(error),
        }
    }

    /// Whether a filesystem had no room, wherever that was met.
    pub(super) fn is_no_space(&self) -> bool {
        match self {
            Self::Backend(error) => error.is_no_space(),
            Self::Host(error) | Self::Store(store::Error::Host(error)) => error.is_no_space(),
            _ => false,
        }
    }

    /// Whether it says that the limits of a pool hold nobody.
    pub(super) fn is_no_limit(&self) -> bool {
        matches!(self, Self::Backend(backend::Error::NoQuotas { .. } | backend::Error::LimitNotKept { .. }))
    }

    /// A `Full` of any sort, met while growing: the size is refused, on this node and every other. Another node has not the pool
    /// of a volume that is there.
    pub(super) fn when_growing(self) -> Self {
        match (self.kind(), self) {
            (_, Self::NotServed { pool, reason }) => Self::PoolGone { pool, reason },
            (Kind::Full, full) => Self::CannotGrow(Box::new(full)),
            (_, other) => other,
        }
    }
}

/// What a user can do about a size that was refused.
fn advice(refused: &Error) -> &'static str {
    match refused {
        Error::CannotGrow(_) => "lower the claim's request to what fits",
        _ => "raise the limit above that",
    }
}

fn kind_of(error: &backend::Error) -> Kind {
    use backend::Error as Backend;
    match error {
        Backend::Incompatible { .. } => Kind::Exists,
        Backend::NotMounted { .. } => Kind::NotNow,
        Backend::HeldByOthers { .. }
        | Backend::ImageBeingMade { .. }
        | Backend::PoolNotBare { .. }
        | Backend::ForeignMount { .. }
        | Backend::Busy { .. }
        | Backend::Unfit { .. }
        | Backend::GrowthNotPermitted
        | Backend::GrowthReadOnly => Kind::NotNow,
        Backend::NoWriteThrough { .. } => Kind::ShrinkRefused,
        Backend::DiscardReserved | Backend::SharedFilesystem { .. } => Kind::Invalid,
        Backend::Filled { .. } => Kind::ShrinkRefused,
        Backend::ProjectTaken { .. } => Kind::Unavailable,
        Backend::ImageMissing { .. }
        | Backend::ImageTruncated { .. }
        | Backend::DeviceTooLarge { .. }
        | Backend::NoQuotas { .. }
        | Backend::LimitUnproven { .. }
        | Backend::NoProject { .. }
        | Backend::LimitNotKept { .. }
        | Backend::StillHeld { .. }
        | Backend::DirectoryMissing { .. }
        | Backend::NotAFile { .. }
        | Backend::PoolImageTooLarge { .. }
        | Backend::NoRoomForImage { .. }
        | Backend::Host(_) => Kind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_met_while_growing_sends_the_volume_to_another_node() {
        let (pool, reason) = (PoolName::parse("default").unwrap(), "its marker is gone".to_owned());
        let (asked, free, reserve) = (Bytes::gib(2), Bytes::ZERO, Bytes::ZERO);
        let cases = [
            (Error::NotServed { pool: pool.clone(), reason }, Kind::Unavailable),
            (Error::RanFull { pool: pool.clone(), asked, free, reserve }, Kind::SizeRefused),
            (Error::TooLong { pool, asked, longest: Bytes::gib(1) }, Kind::SizeRefused),
            (Error::Busy(VolumeId::from_name("db")), Kind::Busy),
        ];
        for (error, expected) in cases {
            assert_eq!(error.when_growing().kind(), expected);
        }
    }
}
