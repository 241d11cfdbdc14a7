use super::Bytes;

/// How full a filesystem is, as `statvfs(3)` counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// What it holds in all (`f_blocks`).
    pub total: Bytes,
    /// What is taken (`f_blocks - f_bfree`).
    pub used: Bytes,
    /// What an unprivileged writer can still have (`f_bavail`).
    pub available: Bytes,
    /// The same for inodes.
    pub inodes: Inodes,
}

/// Inodes of a filesystem.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Inodes {
    /// `f_files`; 0 where the filesystem makes them as needed.
    pub total: u64,
    /// `f_files - f_ffree`.
    pub used: u64,
    /// `f_ffree`.
    pub free: u64,
}
