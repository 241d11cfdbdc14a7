//! Ullage.

pub mod backend;
pub mod config;
pub mod csi;
pub mod engine;
pub mod fs_tools;
pub mod host;
pub mod model;
pub mod observe;
pub mod rpc;
pub mod store;
pub mod sys;
pub mod yaml;
