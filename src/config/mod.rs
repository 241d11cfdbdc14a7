//! The configuration, checked: what the file says, with every default filled in.

mod pool;

pub use pool::{Overcommit, PoolConfig, Reserve};
