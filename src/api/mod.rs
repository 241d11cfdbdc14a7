//! The quota API.

pub mod pod;
pub mod volumes;
