use super::parameters::ParameterError;
use super::size::SizeError;
use crate::engine;

/// Why a call was refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the texts say it, and the fields are named in them")]
pub enum Error {
    #[error("volumes are being recovered: try again")]
    NotRecovered,
    #[error("{0} is required")]
    Required(&'static str),
    #[error("{field} '{value}' is not an absolute path")]
    Relative { field: &'static str, value: String },
    #[error("{field} cannot be negative, and is {value}")]
    Negative { field: &'static str, value: i64 },
    #[error("starting_token '{0}' is not one of ours")]
    Token(String),
    #[error("volume_content_source is not supported: volumes begin empty")]
    Source,
    #[error("mutable_parameters are not supported: {0}")]
    MutableParameters(String),
    #[error("access mode {0} is not supported: a volume is on one node")]
    AccessMode(&'static str),
    #[error("volume_mount_group is not supported: set the owner by the parameters uid, gid and mode")]
    MountGroup,
    #[error("volume_capabilities ask for a filesystem and for a block device: a volume is one or the other")]
    BothAccessTypes,
    #[error("the volume holds {content}, and the capability asks for {asked}")]
    OtherContent { content: String, asked: String },
    #[error("none of the requisite topologies is that of this node, {0}")]
    Elsewhere(String),
    #[error("staging_target_path is required: stage the volume first")]
    NotStaged,
    #[error("volume '{0}' does not exist")]
    NoVolume(String),
    #[error("volume '{volume}' is not at '{path}'")]
    NotAt { volume: String, path: String },
    #[error("a fault of the program: see its log")]
    Panicked,
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error("pool '{0}' is none: a name has lower-case letters, digits and dashes")]
    PoolName(String),
    #[error("the state file of hostlet cannot be read: {0}")]
    HostletState(String),
    #[error(transparent)]
    Size(#[from] SizeError),
    #[error(transparent)]
    Engine(#[from] engine::Error),
}
