//! Who may ask: the master token, and those that are issued with it.
//!
//! The **master token** lies in a file: one that was given (a mounted Secret), or `STATE/token`, which the first start
//! makes. The file is the truth: a running [`Keeper`] follows it, whoever replaces it. While what lies there is no token,
//! the last good one stays.
//!
//! **Issued tokens** lie in `STATE/tokens.yaml`, of each only the SHA-256 and the times. Processes that share the
//! directory honour each other's tokens; a change is made under a lock (`STATE/tokens.lock`) and starts from what is on
//! disk, so what one process consumed is consumed for all. A single-use token is taken out of the file while its request is
//! at work, and put back if that comes to nothing. Removing the file revokes them all, and closes their sockets.
//!
//! # Clocks
//!
//! An issued token ends at a time of the wall clock, for that is what a file can hold. Each process also has a steady
//! deadline of its own for it. The token is good while *both* say so: a clock that jumps forward ends it at once (and,
//! set right again within the hour, gives it back), a clock that is set back prolongs nothing. After a restart the
//! steady deadline is taken from the wall clock again, but is never further away than the whole ttl.
//!
//! # Files
//!
//! Not through [`crate::host`]: its files belong to pools, are of mode 0600 and have one writer. These have several, of
//! several users, so they need links, locks, unique temporary names and a mode.

mod book;
mod clock;
mod error;
mod file;
mod keeper;
mod master;
mod record;
mod token;
mod ttl;
mod verdict;

pub use book::{End, Taken};
#[cfg(test)]
pub(super) use clock::fake::FakeClock;
pub use clock::{Clock, SystemClock};
pub use error::{Error, Result};
pub use keeper::Keeper;
pub use master::{Settings, TokenFile};
pub use token::{InvalidToken, Key, Token};
pub use ttl::{InvalidTtl, LONGEST_TTL, parse_ttl};
pub use verdict::{Epoch, Grant, Verdict};
