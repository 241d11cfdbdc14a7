//! Ullage.

pub mod config;
pub mod csi;
pub mod fs_tools;
pub mod host;
pub mod model;
pub mod observe;
pub mod yaml;
