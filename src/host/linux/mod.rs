//! Linux: the traits of [`super`] by system calls.

mod any_file;
mod block;
mod failure;
mod files;
mod fill;
mod kernel;
mod level;
mod loops;
mod mount_table;
mod mounts;
mod names;
mod owner;
mod quotas;
mod remove;
mod strays;
mod superblock;
mod tools;

use std::sync::Arc;

use super::{Machine, ProjectQuotas};

/// The machine on which this process runs.
pub fn machine() -> Machine {
    Machine {
        files: Arc::new(files::LinuxFiles),
        loops: Arc::new(loops::LinuxLoops),
        mounts: Arc::new(mounts::LinuxMounts),
        tools: Arc::new(tools::LinuxTools),
        quotas: Arc::new(quotas::LinuxQuotas::of_this_kernel()),
    }
}

/// Project quotas as one asks for them before Linux 5.14, by the filesystem's device: later kernels answer too.
pub fn quotas_by_device() -> Arc<dyn ProjectQuotas> {
    Arc::new(quotas::LinuxQuotas::ByDevice)
}
