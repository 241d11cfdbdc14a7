//! The quota API: an application asks over HTTP how much of its volume is left, and asks for more.

pub mod limits;
pub mod tokens;
