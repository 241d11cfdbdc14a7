use crate::host::{LoopDevice, MountEntry};
use crate::model::Bytes;

/// A volume as the kernel has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Presence {
    /// Its device, where it is attached.
    pub device: Option<LoopDevice>,
    /// Where it is mounted or bound.
    pub mounts: Vec<MountEntry>,
    /// The space its image takes.
    pub allocated: Bytes,
}
