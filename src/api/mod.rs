//! The quota API.

// pod
pub mod volumes;
