//! Whether a file is open anywhere: `fcntl(F_SETLEASE)`.

use std::os::fd::{AsFd, AsRawFd};

use linux_raw_sys::general as raw;
use nix::Result;
use nix::errno::Errno;

/// Asks for a write lease and gives it back at once. `EAGAIN`: the file is open somewhere else, in any process or in the
/// kernel (a loop device).
pub fn probe(file: impl AsFd) -> Result<()> {
    let fd = file.as_fd().as_raw_fd();
    // Whoever opens the file in the moment of the lease makes the kernel send us a signal: SIGIO, which kills, unless
    // we choose another. SIGURG is ignored by default.
    fcntl(fd, raw::F_SETSIG, nix::libc::SIGURG)?;
    fcntl(fd, raw::F_SETLEASE, nix::libc::F_WRLCK)?;
    fcntl(fd, raw::F_SETLEASE, nix::libc::F_UNLCK)
}

fn fcntl(fd: i32, command: u32, argument: i32) -> Result<()> {
    // SAFETY: these commands take a plain number; the descriptor is open while it is borrowed.
    Errno::result(unsafe { nix::libc::fcntl(fd, command.cast_signed(), argument) }).map(drop)
}
