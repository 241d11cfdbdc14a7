use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Bytes, PoolName};

/// What a volume shall be: a request with every default filled in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeSpec {
    /// The name that the caller gave; the id is a function of it.
    pub name: String,
    /// The pool in which it lies.
    pub pool: PoolName,
    /// Its exact size: a multiple of 4096.
    pub size: Bytes,
    /// A filesystem, or raw blocks.
    pub content: Content,
    /// Whether space is taken only as it is written, instead of reserved.
    pub sparse: bool,
    /// Whether its loop device shall bypass the page cache of the pool.
    pub direct_io: bool,
    /// How many files and directories it may hold, itself among them, where a limit holds it to its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inodes: Option<InodeLimit>,
    /// The part of its size, in percent, at which a warning is due; `None`: that of whoever watches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warn_percent: Option<u8>,
    /// Owner and mode of the root directory; `None` leaves what mkfs makes: root, 0755.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Who claimed it.
    #[serde(default)]
    pub claim: Claim,
}

/// How many inodes a volume may have. Written as a number, or `auto`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InodeLimit {
    /// One for each 4 KiB of its size, whatever that becomes.
    Auto,
    /// So many.
    #[serde(untagged)]
    Count(u64),
}

/// What is in a volume. Written `xfs`, `ext4` or `block`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "ContentName", into = "ContentName")]
pub enum Content {
    /// A filesystem of that kind.
    Filesystem(FsKind),
    /// Nothing: a block device for the application.
    Block,
}

/// [`Content`] on disk.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ContentName {
    Ext4,
    Xfs,
    Block,
}

/// The filesystems that Ullage makes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FsKind {
    /// ext4.
    Ext4,
    /// XFS.
    Xfs,
}

/// How volumes of a pool are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// An image file on a loop device.
    Loop,
    /// A directory under a project quota.
    Quota,
}

/// Owner and mode of a volume's root directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits, 1 to 0o7777.
    pub mode: u32,
}

/// The PersistentVolumeClaim behind a volume, where there is one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// `csi.storage.k8s.io/pvc/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `csi.storage.k8s.io/pvc/namespace`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `csi.storage.k8s.io/pv/name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
}

impl InodeLimit {
    /// What a volume is large for each inode it may have, where they follow its size.
    const EACH: u64 = 4096;

    /// The limit of a volume of that size.
    pub fn of(self, size: Bytes) -> u64 {
        match self {
            Self::Auto => size.get() / Self::EACH,
            Self::Count(count) => count,
        }
    }

    /// The least size of a volume that has so many.
    pub fn size_for(self, inodes: u64) -> Bytes {
        match self {
            Self::Auto => Bytes::new(inodes.saturating_mul(Self::EACH)),
            Self::Count(_) => Bytes::ZERO,
        }
    }
}

impl fmt::Display for InodeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Count(count) => count.fmt(f),
        }
    }
}

impl VolumeSpec {
    /// No volume is smaller: 20 MB.
    pub const SMALLEST: Bytes = Bytes::new(20_000_000);
}

impl FsKind {
    /// Every one, in the order in which they are named to users.
    pub const ALL: [Self; 2] = [Self::Xfs, Self::Ext4];

    /// The kind that a user calls so: in any case, with space around it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(text.trim()))
    }

    /// The smallest volume that can hold one (`mkfs.xfs` has refused less than 300 MiB since 5.19).
    pub const fn smallest(self) -> Bytes {
        match self {
            Self::Ext4 => VolumeSpec::SMALLEST,
            Self::Xfs => Bytes::mib(300),
        }
    }

    /// The kernel's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

impl fmt::Display for FsKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} with mode {:04o}", self.uid, self.gid, self.mode)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filesystem(fs) => fs.fmt(f),
            Self::Block => f.pad("block"),
        }
    }
}

impl Content {
    /// The filesystem, where there is one.
    pub fn filesystem(self) -> Option<FsKind> {
        match self {
            Self::Filesystem(fs) => Some(fs),
            Self::Block => None,
        }
    }
}

impl From<ContentName> for Content {
    fn from(name: ContentName) -> Self {
        match name {
            ContentName::Ext4 => Self::Filesystem(FsKind::Ext4),
            ContentName::Xfs => Self::Filesystem(FsKind::Xfs),
            ContentName::Block => Self::Block,
        }
    }
}

impl From<Content> for ContentName {
    fn from(content: Content) -> Self {
        match content {
            Content::Filesystem(FsKind::Ext4) => Self::Ext4,
            Content::Filesystem(FsKind::Xfs) => Self::Xfs,
            Content::Block => Self::Block,
        }
    }
}
