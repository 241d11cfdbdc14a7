//! What the process says of itself: a log, numbers, and whether it is well.
//!
//! Code below this floor only opens spans and writes events with `tracing`; here they become lines with the id of the
//! call that they belong to.

pub mod health;
mod level;
mod line;
pub mod log;
pub mod metrics;
mod quota;
mod samples;
pub mod trace;
mod watched;
