//! What the quota API asks of the place where it is served.

use std::path::PathBuf;

use async_trait::async_trait;
use time::OffsetDateTime;

use crate::model::{Backend, Bytes, FsKind, PoolName, VolumeId};
use crate::monitor::Target;

/// The volumes that somebody may ask for here: those of this machine, or those of this pod.
#[async_trait]
pub trait Volumes: Send + Sync + 'static {
    /// All of them.
    async fn list(&self) -> Result<Vec<Volume>, Error>;

    /// Makes one, or hands one out.
    async fn create(&self, create: Create) -> Result<Created, Error>;

    /// Brings one to a size. Asked for the size it has, nothing is done.
    async fn resize(&self, volume: &Volume, size: Bytes) -> Result<Resized, Error>;

    /// Deletes one, and what is in it.
    async fn delete(&self, volume: &Volume) -> Result<(), Error>;

    /// Whether a growth beyond `size`, which was measured, is on its way. Cheap: asked with every measurement.
    fn pending(&self, volume: &Volume, size: Bytes) -> bool;

    /// What can be measured: every volume that is mounted, or should be. It may block.
    fn targets(&self) -> Result<Vec<Target>, Error>;
}

/// A volume, as whoever uses it knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// The name that was asked for.
    pub name: String,
    /// The claim it was made for.
    pub claim: Option<String>,
    /// The claim's namespace.
    pub namespace: Option<String>,
    /// Where it is mounted.
    pub path: Option<PathBuf>,
    /// When it was made.
    pub created: OffsetDateTime,
    /// The size that was asked for.
    pub size: Bytes,
    /// How it is made, where that can be told.
    pub backend: Option<Backend>,
    /// The filesystem in it; `None`: a block device.
    pub fs: Option<FsKind>,
}

/// A volume that is asked for. What is not said is for the place to choose.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Create {
    /// Its size; 1 GiB unless said.
    pub size: Option<Bytes>,
    /// Its name.
    pub name: Option<String>,
    /// The filesystem.
    pub fs: Option<FsKind>,
    /// The pool.
    pub pool: Option<PoolName>,
    /// Whether space is taken as it is used.
    pub sparse: Option<bool>,
}

/// What came of [`Volumes::create`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Created {
    /// The volume.
    pub volume: Volume,
    /// Whether it was handed out for the first time.
    pub is_new: bool,
}

/// What came of [`Volumes::resize`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resized {
    /// The size before.
    pub previous: Bytes,
    /// The size now, or the one on its way.
    pub size: Bytes,
    /// Whether it is still on its way.
    pub is_pending: bool,
}

/// Why a volume was not had so. Each is one status of HTTP.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be meant so (400).
    #[error("{0}")]
    Invalid(String),
    /// There is no such volume (404).
    #[error("Volume not found")]
    NotFound,
    /// Not as things are (409).
    #[error("{reason}")]
    Refused {
        /// For machines, where there is one.
        code: Option<&'static str>,
        /// For people.
        reason: String,
    },
    /// Not permitted here (403).
    #[error("{0}")]
    Forbidden(String),
    /// The disk has no room (507): the contract's words for it.
    #[error("Insufficient host disk space")]
    NoRoom {
        /// Why, where whoever asked can do something about it and sees no log of this machine.
        reason: Option<String>,
    },
    /// It failed (500).
    #[error("{0}")]
    Failed(String),
}
