//! What is kept with a file under a name: `fgetxattr(2)`, `fsetxattr(2)`.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd};

use nix::Result;
use nix::errno::Errno;
use nix::libc;

/// The longest value that Linux keeps (`XATTR_SIZE_MAX`).
const LONGEST: usize = 64 << 10;

/// A value; `None` where there is none, or the filesystem keeps none.
pub fn get(file: impl AsFd, name: &CStr) -> Result<Option<Vec<u8>>> {
    let mut value = vec![0_u8; LONGEST];
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: the name ends with a NUL, and the kernel writes at most as many bytes as `value` has.
    let length = unsafe { libc::fgetxattr(fd, name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    match Errno::result(length) {
        Ok(length) => {
            value.truncate(usize::try_from(length).map_err(|_| Errno::EOVERFLOW)?);
            Ok(Some(value))
        }
        Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Keeps a value.
pub fn set(file: impl AsFd, name: &CStr, value: &[u8]) -> Result<()> {
    let fd = file.as_fd().as_raw_fd();
    // SAFETY: the name ends with a NUL, and the kernel only reads as many bytes as `value` has.
    let done = unsafe { libc::fsetxattr(fd, name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(done).map(drop)
}
