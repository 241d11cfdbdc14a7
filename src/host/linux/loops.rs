use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::block;
use super::failure::{Named, errno};
use crate::host::{Attach, Backing, Error, FileId, HeldLoop, LoopDevice, LoopDevices, Result};
use crate::model::Bytes;
use crate::sys::{lease, loop_device};

pub(super) struct LinuxLoops;

const CONTROL: &str = "/dev/loop-control";

/// How often a free number may be taken by somebody else before we do not believe it any more.
const TRIES: u32 = 1000;

impl LoopDevices for LinuxLoops {
    fn attach(&self, image: &Path, options: &Attach) -> Result<HeldLoop> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(image)
            .of("open", image)?;
        let control = File::open(CONTROL).of("open", CONTROL)?;
        for _ in 0..TRIES {
            let number = loop_device::free_number(&control).of("LOOP_CTL_GET_FREE", CONTROL)?;
            if let Some(held) = try_attach(LoopDevice(number), &file, &options.tag, options.direct_io)? {
                return Ok(held);
            }
        }
        Err(Error::call("LOOP_CONFIGURE", CONTROL, Errno::EBUSY))
    }

    fn hold(&self, device: LoopDevice) -> Result<HeldLoop> {
        let node = open(device)?;
        if status(device, &node)?.is_none() {
            return Err(Error::call("LOOP_GET_STATUS64", device.path(), Errno::ENXIO));
        }
        Ok(HeldLoop::new(device, node))
    }

    fn keep(&self, device: &HeldLoop) -> Result<()> {
        let node = device.holder::<File>().expect("a device is held by the machine that attached it");
        loop_device::clear_autoclear(node).of("LOOP_SET_STATUS64", device.device().path())
    }

    fn is_attached(&self, image: &Path) -> Result<bool> {
        let file =
            OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(image).of("open", image)?;
        if lease::probe(&file).is_ok() {
            return Ok(false);
        }
        // Somebody has the file open (a backup, ourselves in another thread), or this filesystem knows no leases.
        let found = file.metadata().of("fstat", image)?;
        let id = FileId { device: found.dev(), inode: found.ino() };
        Ok(self.list()?.iter().any(|(_, backing)| backing.image == id))
    }

    fn backing(&self, device: LoopDevice) -> Result<Option<Backing>> {
        match open(device) {
            Ok(node) => status(device, &node),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self) -> Result<Vec<(LoopDevice, Backing)>> {
        let mut found = Vec::new();
        for device in block::all()?.into_iter().filter(|device| block::is_bound(*device)) {
            found.extend(self.backing(device)?.map(|backing| (device, backing)));
        }
        Ok(found)
    }

    fn size(&self, device: LoopDevice) -> Result<Bytes> {
        block::size(device)
    }

    fn set_capacity(&self, device: LoopDevice) -> Result<()> {
        loop_device::set_capacity(open(device)?).of("LOOP_SET_CAPACITY", device.path())
    }

    fn detach(&self, device: LoopDevice, image: FileId) -> Result<bool> {
        let is_still = |backing: Option<Backing>| backing.is_some_and(|backing| backing.image == image);
        let node = match open(device) {
            Err(error) if is_gone(&error) => return Ok(true),
            node => node?,
        };
        // Asked while it is open: it cannot become another's any more.
        if !is_still(status(device, &node)?) {
            return Ok(true);
        }
        match loop_device::clear(&node) {
            Ok(()) | Err(Errno::ENXIO) => {}
            Err(errno) => return Err(Error::call("LOOP_CLR_FD", device.path(), errno)),
        }
        drop(node);
        Ok(!is_still(self.backing(device)?))
    }
}

/// `None` where somebody else took the device first.
fn try_attach(device: LoopDevice, file: &File, tag: &str, direct_io: bool) -> Result<Option<HeldLoop>> {
    let taken = |errno| matches!(errno, Errno::EBUSY | Errno::ENXIO);
    // A node that is opened read-only makes a read-only device.
    let node = match OpenOptions::new().read(true).write(true).open(device.path()) {
        Err(error) if taken(errno(&error)) => return Ok(None),
        node => node.of("open", device.path())?,
    };
    match loop_device::configure(&node, file, tag, direct_io) {
        Err(errno) if taken(errno) => return Ok(None),
        done => done.of("LOOP_CONFIGURE", device.path())?,
    }
    // Kernels without CONFIG_BLK_DEV_WRITE_MOUNTED mount nothing that is open for writing.
    let held = open(device)?;
    drop(node);
    Ok(Some(HeldLoop::new(device, held)))
}

/// No such number, or it is just being detached.
fn is_gone(error: &Error) -> bool {
    matches!(error.errno(), Some(Errno::ENOENT | Errno::ENXIO | Errno::ENODEV))
}

fn open(device: LoopDevice) -> Result<File> {
    File::open(device.path()).of("open", device.path())
}

fn status(device: LoopDevice, node: impl AsFd) -> Result<Option<Backing>> {
    let status = loop_device::status(node).of("LOOP_GET_STATUS64", device.path())?;
    Ok(status.map(|status| Backing {
        image: FileId { device: status.device, inode: status.inode },
        tag: status.name,
        autoclear: status.autoclear,
        direct_io: block::direct_io(device),
    }))
}
