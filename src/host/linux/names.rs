use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use nix::errno::Errno;

use super::failure::Named;
use crate::host::Result;

/// A directory, and those above it that are missing; `then` is done with each that was made.
pub(super) fn make_dirs(dir: &Path, then: fn(&Path) -> Result<()>) -> Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(dir) {
        Ok(()) => then(dir),
        Err(error) if error.kind() == ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound && dir.parent().is_some() => {
            make_dirs(parent(dir), then)?;
            make_dirs(dir, then)
        }
        Err(error) => Err(error).of("mkdir", dir),
    }
}

/// A name is on disk only when its directory is.
pub(super) fn sync_parent(path: &Path) -> Result<()> {
    let dir = parent(path);
    File::open(dir).of("open", dir)?.sync_all().of("fsync", dir)
}

/// The directory that holds the name; that of a bare name is the current one.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
        Some(dir) => dir,
        None => path,
    }
}

/// XFS says `EEXIST` of a directory that is not empty, ext4 `ENOTEMPTY`.
pub(super) fn not_empty(error: io::Error) -> io::Error {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EEXIST) => Errno::ENOTEMPTY.into(),
        _ => error,
    }
}
