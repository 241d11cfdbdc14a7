//! Ullage.

pub mod config;
pub mod fs_tools;
pub mod host;
pub mod model;
pub mod sys;
