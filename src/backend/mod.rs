//! How a volume is made of what the machine has. Today by one backend: an image file on a loop device.
//!
//! A backend makes things so; what a volume means, who may have it and when, is the engine's.

mod device;
mod error;
mod grow;
mod health;
mod image;
mod place;
mod shrink;
mod stage;

pub use error::{Error, Result};
pub use health::{Fault, Presence};
pub use stage::{Growth, Staging, same_access};

use std::collections::HashMap;
use std::sync::Mutex;

use crate::host::{LoopDevice, Machine};
use crate::model::VolumeId;

/// The backend `loop`: every volume is an image file, attached as a loop device.
pub struct LoopImages {
    machine: Machine,
    /// Where a volume's device was last seen. A hint: the kernel is asked before it is believed.
    last_seen: Mutex<HashMap<VolumeId, LoopDevice>>,
}

impl LoopImages {
    /// The backend on a machine.
    pub fn new(machine: Machine) -> Self {
        Self { machine, last_seen: Mutex::default() }
    }
}
