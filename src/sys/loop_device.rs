//! Loop devices: the ioctls of `loop(4)`.

use std::os::fd::{AsFd, AsRawFd};

use linux_raw_sys::loop_device as raw;
use nix::Result;
use nix::errno::Errno;

mod ioctl {
    use linux_raw_sys::loop_device as raw;

    nix::ioctl_none_bad!(get_free, raw::LOOP_CTL_GET_FREE);
    nix::ioctl_write_ptr_bad!(configure, raw::LOOP_CONFIGURE, raw::loop_config);
    nix::ioctl_read_bad!(get_status, raw::LOOP_GET_STATUS64, raw::loop_info64);
    nix::ioctl_write_ptr_bad!(set_status, raw::LOOP_SET_STATUS64, raw::loop_info64);
    nix::ioctl_none_bad!(set_capacity, raw::LOOP_SET_CAPACITY);
    nix::ioctl_none_bad!(clear, raw::LOOP_CLR_FD);
}

const AUTOCLEAR: u32 = raw::LO_FLAGS_AUTOCLEAR as u32;
const DIRECT_IO: u32 = raw::LO_FLAGS_DIRECT_IO as u32;

/// What an attached device is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Status {
    /// The backing file's `st_dev`.
    pub device: u64,
    /// Its `st_ino`.
    pub inode: u64,
    /// The text that whoever attached it left (`lo_file_name`).
    pub name: String,
    /// Whether it detaches by itself after the last close.
    pub autoclear: bool,
}

/// A number that was free a moment ago (`LOOP_CTL_GET_FREE` on `/dev/loop-control`). Others ask too.
pub fn free_number(control: impl AsFd) -> Result<u32> {
    // SAFETY: takes no argument; the descriptor is open while it is borrowed.
    let number = unsafe { ioctl::get_free(control.as_fd().as_raw_fd()) }?;
    u32::try_from(number).map_err(|_| Errno::ENODEV)
}

/// Attaches a file, to be detached after the last close (`LOOP_CONFIGURE`). `EBUSY`: the device is taken.
///
/// Block size 0 lets the kernel choose the one with which direct I/O works. A device that was opened read-only becomes
/// read-only.
pub fn configure(device: impl AsFd, file: impl AsFd, name: &str, direct_io: bool) -> Result<()> {
    let mut info = raw::loop_info64 {
        lo_device: 0,
        lo_inode: 0,
        lo_rdevice: 0,
        lo_offset: 0,
        lo_sizelimit: 0,
        lo_number: 0,
        lo_encrypt_type: 0,
        lo_encrypt_key_size: 0,
        lo_flags: if direct_io { AUTOCLEAR | DIRECT_IO } else { AUTOCLEAR },
        lo_file_name: [0; 64],
        lo_crypt_name: [0; 64],
        lo_encrypt_key: [0; 32],
        lo_init: [0; 2],
    };
    let room = info.lo_file_name.len() - 1;
    for (to, from) in info.lo_file_name[..room].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let fd = u32::try_from(file.as_fd().as_raw_fd()).map_err(|_| Errno::EBADF)?;
    let config = raw::loop_config { fd, block_size: 0, info, __reserved: [0; 8] };
    // SAFETY: `config` is a whole `loop_config` that the kernel only reads during the call.
    unsafe { ioctl::configure(device.as_fd().as_raw_fd(), &config) }.map(drop)
}

/// What a device is made of; `None` where nothing is attached (`LOOP_GET_STATUS64`).
pub fn status(device: impl AsFd) -> Result<Option<Status>> {
    let info = match info(device) {
        Err(Errno::ENXIO) => return Ok(None),
        info => info?,
    };
    let end = info.lo_file_name.iter().position(|byte| *byte == 0).unwrap_or(info.lo_file_name.len());
    Ok(Some(Status {
        device: info.lo_device,
        inode: info.lo_inode,
        name: String::from_utf8_lossy(&info.lo_file_name[..end]).into_owned(),
        autoclear: info.lo_flags & AUTOCLEAR != 0,
    }))
}

/// Lets a device stay attached after the last close (`LOOP_SET_STATUS64`).
pub fn clear_autoclear(device: impl AsFd) -> Result<()> {
    let mut info = info(&device)?;
    info.lo_flags &= !AUTOCLEAR;
    // SAFETY: `info` is a whole `loop_info64` that the kernel only reads during the call.
    unsafe { ioctl::set_status(device.as_fd().as_raw_fd(), &info) }.map(drop)
}

/// Makes a device as large as its file now is (`LOOP_SET_CAPACITY`).
pub fn set_capacity(device: impl AsFd) -> Result<()> {
    // SAFETY: takes no argument; the descriptor is open while it is borrowed.
    unsafe { ioctl::set_capacity(device.as_fd().as_raw_fd()) }.map(drop)
}

/// Detaches when the last descriptor is closed, this one included (`LOOP_CLR_FD`).
pub fn clear(device: impl AsFd) -> Result<()> {
    // SAFETY: takes no argument; the descriptor is open while it is borrowed.
    unsafe { ioctl::clear(device.as_fd().as_raw_fd()) }.map(drop)
}

fn info(device: impl AsFd) -> Result<raw::loop_info64> {
    let mut info = std::mem::MaybeUninit::<raw::loop_info64>::zeroed();
    // SAFETY: the kernel writes at most one `loop_info64` there; any bytes are a valid one.
    unsafe {
        ioctl::get_status(device.as_fd().as_raw_fd(), info.as_mut_ptr())?;
        Ok(info.assume_init())
    }
}
