use std::io;
use std::path::Path;

use nix::errno::Errno;

use crate::host::{Error, Result};
use crate::sys::mount::Refused;

/// Says of a failure which call it was, and on what.
pub(super) trait Named<T> {
    fn of(self, call: &'static str, object: impl AsRef<Path>) -> Result<T>;
}

impl<T> Named<T> for nix::Result<T> {
    fn of(self, call: &'static str, object: impl AsRef<Path>) -> Result<T> {
        self.map_err(|errno| Error::call(call, object, errno))
    }
}

impl<T> Named<T> for io::Result<T> {
    fn of(self, call: &'static str, object: impl AsRef<Path>) -> Result<T> {
        self.map_err(|error| Error::call(call, object, errno(&error)))
    }
}

/// The kernel's number of an I/O error; `EIO` for one that `std` made up (a file that ends too early).
pub(super) fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// A refusal by a filesystem context, on `object`.
pub(super) fn refused(refused: Refused, object: &Path) -> Error {
    Error::Call { call: refused.call, object: object.to_owned(), errno: refused.errno, said: refused.said }
}
