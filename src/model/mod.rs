//! Plain types that every floor speaks: ids, sizes, what a volume is, how full it is.
//!
//! The ground floor: no tokio, no I/O, no clock.

mod bytes;
mod ids;
mod level;
mod limits;
mod mount_options;
mod pod;
mod project;
mod quantity;
mod threshold;
mod usage;
mod volume;

pub use bytes::Bytes;
pub use ids::{InvalidId, PoolName, VolumeId};
pub use level::{Level, Reading};
pub use limits::{InvalidLimits, Limits, Share};
pub use mount_options::{MountAttributes, MountOptions};
pub use pod::PodRef;
pub use project::{ProjectId, ProjectLimit, ProjectTag, ProjectUsage};
pub use quantity::{InvalidQuantity, parse_quantity};
pub use threshold::{Headroom, Thresholds};
pub use usage::{Inodes, Usage};
pub use volume::{Backend, Claim, Content, FsKind, InodeLimit, Owner, VolumeSpec};
