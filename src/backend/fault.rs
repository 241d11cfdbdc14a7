use std::fmt;

use crate::model::{Level, Reading};

/// What is wrong with a volume or a pool. The CamelCase name is stable: people alert on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The record promises an image, and there is none.
    ImageMissing,
    /// The image is shorter than the record says.
    ImageTruncated,
    /// A reserved image has holes, and the pool has no room to fill them.
    ReservationBroken,
    /// The record promises a directory, and there is none.
    DirectoryMissing,
    /// The project or the limit of the directory was not what the record says, in that way, and was mended.
    LimitDrifted(String),
    /// So many files of the volume have left its project, and are held to no size.
    FilesLeft(u64),
    /// Not every file of the volume could be looked at, for that reason: more may have left.
    NotAudited(String),
    /// The filesystem takes no writes, though nobody asked for that.
    FilesystemReadOnly,
    /// The filesystem has counted so many errors.
    FilesystemErrors(u64),
    /// The filesystem has to grow to the volume's size and could not yet.
    GrowthPending,
    /// Direct I/O was asked for, and the kernel does not do it.
    DirectIoOff,
    /// More of the volume is used than the warning allows.
    VolumeNearlyFull(Reading),
    /// The volume is as good as full.
    VolumeOutOfStorage(Reading),
    /// The volume is not mounted at a path where it is wanted, for that reason.
    NotMounted(String),
    /// The volume's pool is not served, for that reason.
    PoolNotServed(String),
    /// The pool has hardly any room left.
    PoolNearlyFull,
    /// The volume's record cannot be read, for that reason.
    RecordUnreadable(String),
}

impl Fault {
    /// What there is to say of how full a volume is.
    pub fn of_level(level: Level, reading: Reading) -> Option<Self> {
        match level {
            Level::Ok => None,
            Level::Warning => Some(Self::VolumeNearlyFull(reading)),
            Level::Full => Some(Self::VolumeOutOfStorage(reading)),
        }
    }

    /// The stable name.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ImageMissing => "ImageMissing",
            Self::ImageTruncated => "ImageTruncated",
            Self::ReservationBroken => "ReservationBroken",
            Self::DirectoryMissing => "DirectoryMissing",
            Self::LimitDrifted(_) => "LimitDrifted",
            Self::FilesLeft(_) => "FilesLeft",
            Self::NotAudited(_) => "NotAudited",
            Self::FilesystemReadOnly => "FilesystemReadOnly",
            Self::FilesystemErrors(_) => "FilesystemErrors",
            Self::GrowthPending => "GrowthPending",
            Self::DirectIoOff => "DirectIoOff",
            Self::VolumeNearlyFull(_) => "VolumeNearlyFull",
            Self::VolumeOutOfStorage(_) => "VolumeOutOfStorage",
            Self::NotMounted(_) => "NotMounted",
            Self::PoolNotServed(_) => "PoolNotServed",
            Self::PoolNearlyFull => "PoolNearlyFull",
            Self::RecordUnreadable(_) => "RecordUnreadable",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ImageMissing => f.write_str("the image is missing"),
            Self::ImageTruncated => f.write_str("the image is shorter than the volume"),
            Self::ReservationBroken => {
                f.write_str("the reserved image has holes, and the pool has no room to fill them")
            }
            Self::DirectoryMissing => f.write_str("the volume's directory is missing"),
            Self::LimitDrifted(drift) => write!(f, "{drift}: it was mended"),
            Self::FilesLeft(count) => {
                write!(
                    f,
                    "{count} files are not in the volume's project any more, and count for no limit: somebody took them out"
                )
            }
            Self::NotAudited(reason) => {
                write!(f, "files may have left the volume's project without being seen: {reason}")
            }
            Self::FilesystemReadOnly => f.write_str("the filesystem takes no writes: see the kernel's log"),
            Self::FilesystemErrors(count) => write!(f, "the filesystem has counted {count} errors: run e2fsck"),
            Self::GrowthPending => f.write_str("the filesystem grows to the volume's size at the next stage"),
            Self::DirectIoOff => f.write_str("direct I/O was asked for, and the kernel does not do it on this pool"),
            Self::VolumeNearlyFull(reading) => write!(f, "nearly full: {reading}"),
            Self::VolumeOutOfStorage(reading) => write!(f, "out of storage: {reading}"),
            Self::NotMounted(reason) => write!(f, "it is not mounted where it is wanted: {reason}"),
            Self::PoolNotServed(reason) => write!(f, "the pool is not served: {reason}"),
            Self::PoolNearlyFull => f.write_str("the pool has less than a tenth of its room left"),
            Self::RecordUnreadable(reason) => write!(f, "the record cannot be read: {reason}"),
        }
    }
}
