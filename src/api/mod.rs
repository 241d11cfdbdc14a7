//! The quota API.

pub mod machine;
/// What it asks of the place where it is served.
pub mod volumes;
