use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::failure::Named;
use super::names::parent;
use crate::host::{Error, Result};

/// A directory on the way down, and what is still in it.
struct Level {
    path: PathBuf,
    dir: Dir,
    names: Vec<OsString>,
}

/// Takes a tree away, following no link and crossing no mount: `EBUSY` where one is in the way.
///
/// Every step is one name in an open directory, so that nobody can lead it elsewhere by exchanging a directory for a
/// link meanwhile.
pub(super) fn tree(path: &Path) -> Result<()> {
    let above = parent(path);
    let top = open(above, DIRECTORY, Mode::empty()).of("open", above)?;
    let name = path.file_name().ok_or_else(|| Error::call("openat2", path, Errno::EINVAL))?;
    let mut levels = vec![enter(&top, name, path.to_owned())?];
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.names.pop() {
            let path = level.path.join(&name);
            match unlinkat(&level.dir, name.as_os_str(), UnlinkatFlags::NoRemoveDir) {
                Ok(()) | Err(Errno::ENOENT) => {}
                Err(Errno::EISDIR) => {
                    let below = enter(&level.dir, &name, path)?;
                    levels.push(below);
                }
                Err(errno) => return Err(Error::call("unlinkat", path, errno)),
            }
            continue;
        }
        let emptied = levels.pop().expect("the last level was just looked at").path;
        let name = emptied.file_name().expect("every level was entered by its name");
        match levels.last() {
            Some(above) => unlinkat(&above.dir, name, UnlinkatFlags::RemoveDir),
            None => unlinkat(&top, name, UnlinkatFlags::RemoveDir),
        }
        .of("rmdir", &emptied)?;
    }
    Ok(())
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// Opens a directory by its name in another, unless it is a link or on another mount (`openat2(2)`), and reads it.
fn enter(above: impl std::os::fd::AsFd, name: &OsStr, path: PathBuf) -> Result<Level> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(DIRECTORY | OFlag::O_NOFOLLOW).resolve(resolve);
    let fd: OwnedFd = match openat2(above, name, how) {
        Err(Errno::EXDEV) => return Err(Error::call("openat2", path, Errno::EBUSY)),
        fd => fd.of("openat2", &path)?,
    };
    let mut dir = Dir::from_fd(fd).of("fdopendir", &path)?;
    let mut names = Vec::new();
    for entry in dir.iter() {
        let entry = entry.of("readdir", &path)?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if !matches!(name.as_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    Ok(Level { path, dir, names })
}
