use std::any::Any;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{FileId, Result};
use crate::model::{Bytes, PoolName, VolumeId};

/// Loop devices: block devices made of files (`loop(4)`).
pub trait LoopDevices: Send + Sync {
    /// Attaches an image with one `LOOP_CONFIGURE`, to be detached by itself when nothing holds the device any more
    /// (`LO_FLAGS_AUTOCLEAR`). What is returned holds it.
    ///
    /// The caller makes sure, by [`LoopDevices::is_attached`], that no other device has the image: two are corruption.
    fn attach(&self, image: &Path, options: &Attach) -> Result<HeldLoop>;

    /// Holds a device, so that it does not go away meanwhile.
    fn hold(&self, device: LoopDevice) -> Result<HeldLoop>;

    /// Clears `LO_FLAGS_AUTOCLEAR`: the device stays attached after nobody holds it.
    fn keep(&self, device: &HeldLoop) -> Result<()>;

    /// Whether any loop device of anybody holds the image (`fcntl(F_SETLEASE)` answers `EAGAIN`).
    fn is_attached(&self, image: &Path) -> Result<bool>;

    /// What a device is made of (`LOOP_GET_STATUS64`); `None` where it is free.
    fn backing(&self, device: LoopDevice) -> Result<Option<Backing>>;

    /// Every attached device. A scan: for starting up and for a lost trail, never for a common call.
    fn list(&self) -> Result<Vec<(LoopDevice, Backing)>>;

    /// The device's size.
    fn size(&self, device: LoopDevice) -> Result<Bytes>;

    /// Makes the device as large as its image now is (`LOOP_SET_CAPACITY`).
    fn set_capacity(&self, device: LoopDevice) -> Result<()>;

    /// Detaches (`LOOP_CLR_FD`) a device that still has this image, then asks the kernel: `false` where somebody still has
    /// it open and it goes when they close.
    fn detach(&self, device: LoopDevice, image: FileId) -> Result<bool>;
}

/// The number N of `/dev/loopN`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LoopDevice(pub u32);

impl LoopDevice {
    /// The major number of loop devices.
    pub const MAJOR: u32 = 7;

    /// `/dev/loopN`.
    pub fn path(self) -> PathBuf {
        PathBuf::from(self.to_string())
    }
}

impl fmt::Display for LoopDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/dev/loop{}", self.0)
    }
}

/// How to attach an image.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attach {
    /// Whose it is, written into the device for those who find it later: [`Backing::tag_of`], [`Backing::tag_of_pool`].
    pub tag: String,
    /// Ask for direct I/O on the image. The kernel may decline: [`Backing::direct_io`] says what came of it.
    pub direct_io: bool,
}

/// What the kernel says of an attached device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backing {
    /// The image.
    pub image: FileId,
    /// The tag that [`LoopDevices::attach`] wrote (`lo_file_name`, at most 63 bytes); anything for a device of others.
    pub tag: String,
    /// Whether it detaches by itself (`LO_FLAGS_AUTOCLEAR`).
    pub autoclear: bool,
    /// Whether direct I/O is on (`/sys/block/loopN/loop/dio`: the flag alone can lie).
    pub direct_io: bool,
}

/// What a tag of ours begins with.
const OURS: &str = "ullage/";

/// What the tag of a pool's own image begins with: it is no volume's.
const POOL: &str = "ullage-pool/";

/// The longest tag.
const LONGEST_TAG: usize = 63;

/// The longest id that a tag names in full; a hash is one longer.
const LONGEST: usize = 55;

impl Backing {
    /// The tag of a volume's device, no longer than the 63 bytes that the kernel keeps: the id, or its hash.
    pub fn tag_of(volume: &VolumeId) -> String {
        match volume.as_str().len() {
            0..=LONGEST => format!("{OURS}{volume}"),
            _ => format!("{OURS}{}", &volume.digest()[..=LONGEST]),
        }
    }

    /// The tag of the device under a whole pool: as much of its name as there is room for.
    pub fn tag_of_pool(pool: &PoolName) -> String {
        let mut tag = format!("{POOL}{pool}");
        tag.truncate(LONGEST_TAG); // a name is ASCII
        tag
    }

    /// Whether it is a volume's, whosever; of a pool's image it is not.
    pub fn is_volume(&self) -> bool {
        self.tag.starts_with(OURS)
    }

    /// The volume that the tag names in full, if it does.
    pub fn volume(&self) -> Option<VolumeId> {
        let name = self.tag.strip_prefix(OURS).filter(|name| name.len() <= LONGEST)?;
        VolumeId::parse(name).ok()
    }
}

/// A loop device that stays while this is held.
pub struct HeldLoop {
    device: LoopDevice,
    holder: Box<dyn Any + Send>,
}

impl HeldLoop {
    /// Ties a device to whatever keeps it (on Linux its open descriptor).
    pub fn new(device: LoopDevice, holder: impl Any + Send) -> Self {
        Self { device, holder: Box::new(holder) }
    }

    /// Which one.
    pub fn device(&self) -> LoopDevice {
        self.device
    }

    /// What keeps it, for the machine that made it.
    pub fn holder<T: Any>(&self) -> Option<&T> {
        self.holder.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_fits_and_tells_a_volume_from_a_pool() {
        let tagged =
            |tag: String| Backing { image: FileId { device: 1, inode: 1 }, tag, autoclear: true, direct_io: true };
        for name in ["a".to_owned(), "a".repeat(55), "a".repeat(63)] {
            let (id, pool) = (VolumeId::parse(&name).unwrap(), PoolName::parse(&name).unwrap());
            let [volumes, pools] = [Backing::tag_of(&id), Backing::tag_of_pool(&pool)].map(tagged);
            assert!(volumes.tag.len() <= LONGEST_TAG && pools.tag.len() <= LONGEST_TAG, "{name}");
            assert!(volumes.is_volume() && !pools.is_volume(), "{name}");
            assert_eq!((volumes.volume(), pools.volume()), (Some(id).filter(|_| name.len() <= LONGEST), None));
        }
    }
}
