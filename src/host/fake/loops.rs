use std::collections::BTreeMap;
use std::path::Path;

use nix::errno::Errno;

use super::Fake;
use super::disk::Ino;
use super::files::DEVICE;
use crate::host::{Attach, Backing, Error, FileId, HeldLoop, LoopDevice, LoopDevices, Result};
use crate::model::Bytes;

/// The loop devices that are attached.
#[derive(Default)]
pub(super) struct Loops(BTreeMap<u32, Attached>);

#[derive(Clone)]
pub(super) struct Attached {
    pub(super) image: Ino,
    pub(super) size: Bytes,
    tag: String,
    autoclear: bool,
    direct_io: bool,
    holders: usize,
    /// Whether somebody who looks at devices has it open.
    is_looked_at: bool,
}

/// A hold on a device: an open descriptor.
pub(super) struct Hold {
    fake: Fake,
    device: u32,
    process: u64,
}

impl Loops {
    pub(super) fn get(&self, device: u32) -> Option<&Attached> {
        self.0.get(&device)
    }

    pub(super) fn get_mut(&mut self, device: u32) -> Option<&mut Attached> {
        self.0.get_mut(&device)
    }

    pub(super) fn images(&self) -> impl Iterator<Item = Ino> {
        self.0.values().map(|device| device.image)
    }

    /// The device that has an image.
    pub(super) fn of(&self, image: Ino) -> Option<u32> {
        self.0.iter().find(|(_, device)| device.image == image).map(|(number, _)| *number)
    }

    pub(super) fn attached(&self) -> usize {
        self.0.len()
    }

    pub(super) fn close_all(&mut self) {
        self.0.values_mut().for_each(|device| device.holders = 0);
    }

    pub(super) fn clear_unused(&mut self, is_mounted: impl Fn(u32) -> bool) {
        self.0.retain(|number, device| {
            !device.autoclear || device.holders > 0 || device.is_looked_at || is_mounted(*number)
        });
    }

    pub(super) fn look_away(&mut self) {
        self.0.values_mut().for_each(|device| device.is_looked_at = false);
    }

    fn free_number(&self) -> u32 {
        (0..).find(|number| !self.0.contains_key(number)).expect("numbers do not run out")
    }
}

impl Hold {
    pub(super) fn device(&self) -> u32 {
        self.device
    }
}

impl Fake {
    pub(super) fn hold_device(&self, device: u32) -> Option<Hold> {
        let mut world = self.world();
        let process = world.process;
        world.loops.get_mut(device)?.holders += 1;
        Some(Hold { fake: self.clone(), device, process })
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut world = self.fake.world();
        if world.is_running(self.process)
            && let Some(device) = world.loops.get_mut(self.device)
        {
            device.holders -= 1;
            world.clear_unused_loops();
        }
    }
}

fn no_device(call: &'static str, device: LoopDevice) -> Error {
    Error::call(call, device.path(), Errno::ENXIO)
}

impl LoopDevices for Fake {
    fn attach(&self, image: &Path, options: &Attach) -> Result<HeldLoop> {
        let mut world = self.world();
        world.step("LOOP_CONFIGURE", image)?;
        let ino = world.find(image).map_err(|errno| Error::call("open", image, errno))?;
        let number = world.loops.free_number();
        let device = Attached {
            image: ino,
            size: world.now.inode(ino).len,
            tag: options.tag.clone(),
            autoclear: true,
            direct_io: options.direct_io,
            holders: 1, // at once, or it would be cleared
            is_looked_at: world.devices_are_looked_at,
        };
        world.loops.0.insert(number, device);
        let hold = Hold { fake: self.clone(), device: number, process: world.process };
        Ok(HeldLoop::new(LoopDevice(number), hold))
    }

    fn hold(&self, device: LoopDevice) -> Result<HeldLoop> {
        let hold = self.hold_device(device.0).ok_or_else(|| no_device("open", device))?;
        Ok(HeldLoop::new(device, hold))
    }

    fn keep(&self, device: &HeldLoop) -> Result<()> {
        let mut world = self.world();
        let device = device.device();
        world.step("LOOP_SET_STATUS64", &device.path())?;
        let attached = world.loops.get_mut(device.0).ok_or_else(|| no_device("LOOP_SET_STATUS64", device))?;
        attached.autoclear = false;
        Ok(())
    }

    fn is_attached(&self, image: &Path) -> Result<bool> {
        let mut world = self.world();
        world.step("F_SETLEASE", image)?;
        let ino = world.find(image).map_err(|errno| Error::call("open", image, errno))?;
        Ok(world.loops.images().any(|image| image == ino))
    }

    fn backing(&self, device: LoopDevice) -> Result<Option<Backing>> {
        let mut world = self.world();
        world.step("LOOP_GET_STATUS64", &device.path())?;
        Ok(world.loops.get(device.0).map(Attached::backing))
    }

    fn list(&self) -> Result<Vec<(LoopDevice, Backing)>> {
        let mut world = self.world();
        world.step("LOOP_GET_STATUS64", Path::new("/sys/block"))?;
        Ok(world.loops.0.iter().map(|(number, device)| (LoopDevice(*number), device.backing())).collect())
    }

    fn size(&self, device: LoopDevice) -> Result<Bytes> {
        let mut world = self.world();
        world.step("BLKGETSIZE64", &device.path())?;
        world.loops.get(device.0).map(|device| device.size).ok_or_else(|| no_device("BLKGETSIZE64", device))
    }

    fn set_capacity(&self, device: LoopDevice) -> Result<()> {
        let mut world = self.world();
        world.step("LOOP_SET_CAPACITY", &device.path())?;
        let image = world.loops.get(device.0).ok_or_else(|| no_device("LOOP_SET_CAPACITY", device))?.image;
        let size = world.now.inode(image).len;
        world.loops.get_mut(device.0).expect("it was there").size = size;
        Ok(())
    }

    fn detach(&self, device: LoopDevice, image: FileId) -> Result<bool> {
        let mut world = self.world();
        world.step("LOOP_CLR_FD", &device.path())?;
        let Some(attached) = world.loops.get_mut(device.0).filter(|attached| attached.image == image.inode) else {
            return Ok(true);
        };
        attached.autoclear = true;
        world.clear_unused_loops();
        Ok(world.loops.get(device.0).is_none())
    }
}

impl Attached {
    fn backing(&self) -> Backing {
        Backing {
            image: FileId { device: DEVICE, inode: self.image },
            tag: self.tag.clone(),
            autoclear: self.autoclear,
            direct_io: self.direct_io,
        }
    }
}
