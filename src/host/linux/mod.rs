//! Linux: the traits of [`super`] by system calls.

mod block;
mod failure;
mod files;
mod loops;
mod mount_table;
mod mounts;
mod names;
mod remove;
mod superblock;
mod tools;

use std::sync::Arc;

use super::Machine;

/// The machine on which this process runs.
pub fn machine() -> Machine {
    Machine {
        files: Arc::new(files::LinuxFiles),
        loops: Arc::new(loops::LinuxLoops),
        mounts: Arc::new(mounts::LinuxMounts),
        tools: Arc::new(tools::LinuxTools),
    }
}
