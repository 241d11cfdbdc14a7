//! What the program does: the roles that serve, and the clients of whoever serves. The only floor that builds things
//! and wires them.

mod caretaker;
mod driver;
mod error;
mod samples;
mod serve;
mod standalone;
pub mod volume;
pub mod watch;

pub use driver::{Driver, driver};
pub use error::{Error, Result};
pub use serve::Doors;
pub use standalone::{Standalone, standalone};
