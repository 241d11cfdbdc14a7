//! What the quota API asks of the place where it is served.

use std::path::PathBuf;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::model::{Backend, Bytes, FsKind, PoolName, VolumeId};

/// A volume as clients see it.
#[derive(Clone, PartialEq, Debug)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Its name.
    pub name: String,
    /// The claim behind it, where it is known.
    pub claim: Option<String>,
    /// The claim's namespace.
    pub namespace: Option<String>,
    /// Where it is mounted.
    pub path: Option<PathBuf>,
    /// Since when it is there.
    pub created: OffsetDateTime,
    /// What was provisioned.
    pub size: Bytes,
    /// How it is made.
    pub backend: Backend,
    /// Its filesystem, where it is one of ours.
    pub fs: Option<FsKind>,
}

/// A wish for a volume.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Create {
    /// How large.
    pub size: Option<Bytes>,
    /// Under which name.
    pub name: Option<String>,
    /// With which filesystem.
    pub fs: Option<FsKind>,
    /// In which pool.
    pub pool: Option<PoolName>,
    /// Whether space is taken only as it is written.
    pub sparse: Option<bool>,
}

/// The answer to [`Create`].
#[derive(Clone, PartialEq, Debug)]
pub struct Created {
    /// The volume.
    pub volume: Volume,
    /// Whether it is handed out for the first time.
    pub is_new: bool,
}

/// The answer to a resize.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resized {
    /// The size before.
    pub previous: Bytes,
    /// The size now, or the one that is on its way.
    pub size: Bytes,
    /// Whether it is still on its way.
    pub is_pending: bool,
}

/// The volumes of one place. Both places implement it.
#[async_trait]
pub trait Volumes: Send + Sync + 'static {
    /// Every volume.
    async fn list(&self) -> Result<Vec<Volume>, Error>;

    /// A volume for a client.
    async fn create(&self, create: Create) -> Result<Created, Error>;

    /// Another size for a volume.
    async fn resize(&self, volume: &Volume, size: Bytes) -> Result<Resized, Error>;

    /// The end of a volume.
    async fn delete(&self, volume: &Volume) -> Result<(), Error>;

    /// Whether a growth is on its way.
    fn pending(&self, volume: &Volume) -> bool;
}

/// Why not.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The request means nothing that can be done: 400.
    #[error("{0}")]
    Invalid(String),
    /// There is no such volume: 404.
    #[error("Volume not found")]
    NotFound,
    /// Not as things are: 409.
    #[error("{reason}")]
    Refused {
        /// A stable word for machines.
        code: Option<&'static str>,
        /// For people.
        reason: String,
    },
    /// Not permitted: 403.
    #[error("{0}")]
    Forbidden(String),
    /// No room: 507.
    #[error("{0}")]
    NoRoom(String),
    /// Anything else: 500.
    #[error("{0}")]
    Failed(String),
}
