//! The machine under a volume, behind five traits: every effect on it passes here.
//!
//! [`linux`] is the real one. `fake` (tests only) is a machine in memory that can fail, be killed, rebooted or cut
//! from power at any call. One list of expectations (`tests/common/host_expectations.rs`) holds for both.

mod error;
mod files;
pub mod linux;
mod loops;
mod mounts;
mod quotas;
mod tools;

#[cfg(feature = "fake")]
pub mod fake;

use std::sync::Arc;

pub use error::{Error, Result};
pub use files::{FileId, FileKind, Files, Lock, Stat, beside, beside_shared};
pub use loops::{Attach, Backing, HeldLoop, LoopDevice, LoopDevices};
pub use mounts::{Detached, Ground, MountAt, MountEntry, MountIdentity, Mounts};
pub use quotas::{ProjectQuotas, QuotaState, Strays};
pub use tools::FsTools;

/// One machine: five doors to the same kernel.
#[derive(Clone)]
pub struct Machine {
    /// Files and directories of the pools.
    pub files: Arc<dyn Files>,
    /// Loop devices.
    pub loops: Arc<dyn LoopDevices>,
    /// Mounts.
    pub mounts: Arc<dyn Mounts>,
    /// Programs that make and repair filesystems.
    pub tools: Arc<dyn FsTools>,
    /// Project quotas.
    pub quotas: Arc<dyn ProjectQuotas>,
}
