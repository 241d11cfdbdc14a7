use super::{Bytes, Inodes};

/// One measurement of a volume.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reading {
    /// What was provisioned: the exact quota.
    pub size: Bytes,
    /// What can still be written.
    pub available: Bytes,
    /// The same for inodes.
    pub inodes: Inodes,
}
