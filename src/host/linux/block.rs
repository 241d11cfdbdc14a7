use std::fs;
use std::path::Path;

use super::failure::Named;
use crate::host::{LoopDevice, Result};
use crate::model::Bytes;
use crate::sys::statx::Number;

/// The loop device with this number, if it is one.
///
/// The minor number is not N where the kernel was told to keep room for partitions (`loop.max_part`): sysfs knows.
pub(super) fn loop_of(number: Number) -> Option<LoopDevice> {
    if number.major != LoopDevice::MAJOR {
        return None;
    }
    let link = fs::read_link(format!("/sys/dev/block/{}:{}", number.major, number.minor)).ok()?;
    named(link.file_name()?.to_str()?)
}

/// The loop device that is called `loopN`.
pub(super) fn named(name: &str) -> Option<LoopDevice> {
    name.strip_prefix("loop")?.parse().ok().map(LoopDevice)
}

/// A loop device's size.
pub(super) fn size(device: LoopDevice) -> Result<Bytes> {
    let sectors: u64 = attribute(device, "size")?.parse().unwrap_or(0);
    Ok(Bytes::new(sectors * 512))
}

/// The size of any block device; `None` where the number is of none (tmpfs, overlay).
pub(super) fn size_of(number: Number) -> Result<Option<Bytes>> {
    let file = format!("/sys/dev/block/{}:{}/size", number.major, number.minor);
    match fs::read_to_string(&file) {
        Ok(sectors) => Ok(sectors.trim().parse().ok().map(|sectors: u64| Bytes::new(sectors.saturating_mul(512)))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).of("read", &file),
    }
}

/// Whether the device reads and writes its file directly: the flag in its status can lie.
pub(super) fn direct_io(device: LoopDevice) -> bool {
    attribute(device, "loop/dio").is_ok_and(|text| text == "1")
}

/// Whether a file is attached, without opening the device.
pub(super) fn is_bound(device: LoopDevice) -> bool {
    fs::exists(format!("/sys/block/loop{}/loop/backing_file", device.0)).unwrap_or(false)
}

/// Every loop device that the kernel has, attached or not.
pub(super) fn all() -> Result<Vec<LoopDevice>> {
    let dir = Path::new("/sys/block");
    let mut devices = Vec::new();
    for entry in fs::read_dir(dir).of("opendir", dir)? {
        let entry = entry.of("readdir", dir)?;
        devices.extend(entry.file_name().to_str().and_then(named));
    }
    devices.sort_unstable();
    Ok(devices)
}

fn attribute(device: LoopDevice, name: &str) -> Result<String> {
    let file = format!("/sys/block/loop{}/{name}", device.0);
    let text = fs::read_to_string(&file).of("read", &file)?;
    Ok(text.trim().to_owned())
}
