use std::path::PathBuf;

use super::project_quota::{held, words};
use crate::host::{self, LoopDevice};
use crate::model::{Bytes, ProjectId, ProjectLimit, ProjectUsage};

/// Why a volume could not be made so.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine refused.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// The record promises an image, and there is none.
    #[error("{}: the image is missing", image.display())]
    ImageMissing {
        /// Where it should be.
        image: PathBuf,
    },
    /// The image is shorter than the record says.
    #[error("{}: the image is {actual} long, and the volume is {recorded}", image.display())]
    ImageTruncated {
        /// Which.
        image: PathBuf,
        /// Its length.
        actual: Bytes,
        /// The volume's size.
        recorded: Bytes,
    },
    /// The device is larger than the record says: somebody else made it so.
    #[error("{device} is {actual}, and the volume is {recorded}: nothing is cut away")]
    DeviceTooLarge {
        /// Which.
        device: LoopDevice,
        /// Its size.
        actual: Bytes,
        /// The volume's size.
        recorded: Bytes,
    },
    /// Somebody else has attached the image.
    #[error("{}: somebody else has attached the image (losetup -a shows them)", image.display())]
    HeldByOthers {
        /// Which.
        image: PathBuf,
    },
    /// A path that should be free, or this volume's, has something else mounted on it.
    #[error("{}: something else is mounted there", path.display())]
    ForeignMount {
        /// Where.
        path: PathBuf,
    },
    /// It is mounted there already, in another way.
    #[error("{}: the volume is there already, {found}, and {wanted} was asked for", path.display())]
    Incompatible {
        /// Where.
        path: PathBuf,
        /// How it is mounted.
        found: &'static str,
        /// How it should be.
        wanted: &'static str,
    },
    /// Nothing can be mounted there.
    #[error("nothing is mounted at {}: {reason}", path.display())]
    Unfit {
        /// Where.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
    /// The volume is not mounted where it should be.
    #[error("{}: the volume is not mounted there", path.display())]
    NotMounted {
        /// Where.
        path: PathBuf,
    },
    /// Somebody still uses it.
    #[error("{what} is still in use")]
    Busy {
        /// A mount or a device.
        what: String,
    },
    /// What a shrink overwrites cannot be kept safe from a power cut.
    #[error("{}: the pool's filesystem cannot write a file through (chattr +S), and a power cut in a shrink would destroy \
             the volume", file.display())]
    NoWriteThrough {
        /// Where it would be kept.
        file: PathBuf,
    },
    /// The kernel does not let this process grow a mounted filesystem.
    #[error(
        "the kernel does not permit growing the mounted ext4 (CAP_SYS_RESOURCE is missing): give the driver that \
         capability, or unmount the volume: it grows when it is mounted again"
    )]
    GrowthNotPermitted,
    /// The filesystem is mounted read-only.
    #[error("the filesystem is mounted read-only: it grows when it is mounted with writes again")]
    GrowthReadOnly,
    /// The filesystem under a pool does not hold directories to limits.
    #[error("{}: no project quotas: {reason}", dir.display())]
    NoQuotas {
        /// Where.
        dir: PathBuf,
        /// Why not, and what would be right.
        reason: String,
    },
    /// Where that cannot be found out, as the filesystem itself was full first.
    #[error("{}: its limits are not proven: a file in it found no more room after {written}", dir.display())]
    LimitUnproven {
        /// Where.
        dir: PathBuf,
        /// What could be written.
        written: Bytes,
    },
    /// A volume of limits without a project.
    #[error("{}: the record names no project", dir.display())]
    NoProject {
        /// Its directory.
        dir: PathBuf,
    },
    /// Somebody else has given inodes to the project at the same time.
    #[error("project {project} is somebody else's, too: the kernel counts {inodes} inodes where one was made")]
    ProjectTaken {
        /// Which.
        project: ProjectId,
        /// How many it has.
        inodes: u64,
    },
    /// The kernel took a limit, and has another.
    #[error("project {project} was given a limit of {}, and has {}", words(*asked), held(*found))]
    LimitNotKept {
        /// Which.
        project: ProjectId,
        /// What was set.
        asked: ProjectLimit,
        /// What was read back.
        found: ProjectUsage,
    },
    /// Removed files of a project are still open somewhere.
    #[error("project {project} still has files that somebody has open: it is not free yet")]
    StillHeld {
        /// Which.
        project: ProjectId,
    },
    /// The record promises a directory, and there is none.
    #[error("{}: the volume's directory is missing", dir.display())]
    DirectoryMissing {
        /// Where it should be.
        dir: PathBuf,
    },
    /// More was written while a limit was lowered.
    #[error("{used} are used meanwhile")]
    Filled {
        /// What is used now.
        used: Bytes,
    },
    /// A mount option for a filesystem that many volumes share.
    #[error(
        "mount option '{option}' is the whole pool's, which this volume shares with others: mount the pool with it"
    )]
    SharedFilesystem {
        /// Which.
        option: String,
    },
    /// A mount would hide what lies where a pool's image is to be mounted.
    #[error("{} is not empty: it holds '{name}', which the pool's own filesystem would hide", path.display())]
    PoolNotBare {
        /// Where.
        path: PathBuf,
        /// One of the names there.
        name: String,
    },
    /// There is something that cannot be an image.
    #[error("{} is not a regular file", file.display())]
    NotAFile {
        /// Which.
        file: PathBuf,
    },
    /// A pool's image is larger than the configuration says.
    #[error("{}: the pool's image is {actual}, and its configured size is {configured}: it does not become smaller", image.display())]
    PoolImageTooLarge {
        /// Which.
        image: PathBuf,
        /// Its length.
        actual: Bytes,
        /// What the configuration says.
        configured: Bytes,
    },
    /// There is no room for a pool's image.
    #[error("{}: a pool's image of {size} does not fit, for {free} are free", image.display())]
    NoRoomForImage {
        /// Which.
        image: PathBuf,
        /// How large it is to be.
        size: Bytes,
        /// What its filesystem has left.
        free: Bytes,
    },
    /// Another process is about to make or to mount a pool's image.
    #[error("another process has locked {}, to make or to mount an image", dir.display())]
    ImageBeingMade {
        /// Where the image lies.
        dir: PathBuf,
    },
    /// `discard` on a reserved volume.
    #[error("mount option 'discard' would give reserved space away: use it with sparse volumes")]
    DiscardReserved,
}

/// The result of a backend's call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether the pool's filesystem had no room.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Host(error) => error.is_no_space(),
            Self::NoRoomForImage { .. } | Self::LimitUnproven { .. } => true,
            _ => false,
        }
    }
}
