//! The WebSocket on which an application hears that its volume is running full.
//!
//! [`Press`] is one task: it takes what the monitor says, prints each frame once, and hands it to every socket. Each
//! socket is one task too: it hears, reads and writes at the same time, so one that is slow is behind alone. What it has
//! still to send is bounded: numbers are replaced by newer ones, alerts never dropped; who cannot keep up even so is
//! told and closed.
//!
//! The frames are listed in `docs/alerts.md`.

mod answers;
mod board;
mod clock;
pub mod counters;
mod failure;
pub mod frames;
mod outbox;
mod press;
pub mod requests;
mod seat;
mod socket;
mod state;
mod upgrade;

pub use board::{Kind, Printed};
pub use press::Press;
pub use state::{Alerts, Pace, Resolve};
pub(super) use upgrade::__path_upgrade;
pub use upgrade::{Asked, upgrade};

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
