//! What the program does: the roles that serve, and the clients of whoever serves. The only floor that builds things
//! and wires them.

mod caretaker;
pub mod cluster;
mod doors;
mod driver;
mod ending;
mod error;
mod herald;
mod inject;
pub mod pool;
mod quota;
mod quota_api;
mod readiness;
mod registrar;
mod samples;
mod serve;
mod signals;
mod standalone;
pub mod token;
pub mod volume;
pub mod watch;

pub use doors::Doors;
pub use driver::{Driver, driver};
pub use error::{Error, Result};
pub use inject::{Inject, inject};
pub use quota::{LOOPBACK, Quota};
pub use quota_api::{QuotaApi, quota_api};
pub use registrar::Kubelet;
pub use standalone::{Standalone, standalone};
