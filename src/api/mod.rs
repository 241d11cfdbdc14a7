//! The quota API: an application asks over HTTP how much of its volume is left, asks for more, and hears over a
//! WebSocket that it is running out.

pub mod alerts;
pub mod limits;
pub mod tokens;
