use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::sys::statvfs::fstatvfs;

use super::failure::Named;
use super::mounts::counted;
use super::strays::place_in;
use crate::host::Result;
use crate::model::Usage;

/// So many entries are looked at. One of them is a file in nearly every directory that is in use.
const MOST: usize = 64;

/// What a regular file in a directory or near below it tells: see [`crate::host::ProjectQuotas::usage_of_all`].
pub(super) fn usage_of_a_file_in(top: &Path) -> Result<Option<Usage>> {
    let place = open(top, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).of("open", top)?;
    let (mut dirs, mut looked_at) = (VecDeque::from([File::from(place)]), 0);
    while let Some(dir) = dirs.pop_front() {
        let names = match Dir::openat(&dir, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) {
            Err(Errno::EACCES | Errno::ENOENT) => continue,
            names => names.of("open", top)?.into_iter(),
        };
        for entry in names {
            let name = entry.of("readdir", top)?;
            let name = name.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            if looked_at == MOST {
                return Ok(None);
            }
            looked_at += 1;
            let place = match place_in(&dir, OsStr::from_bytes(name)) {
                Err(Errno::EACCES) => break, // its names may be read, and nothing in it be reached
                place => place.of("openat2", top)?,
            };
            let Some(place) = place else { continue };
            match place.metadata().of("fstat", top)?.file_type() {
                kind if kind.is_file() => return Ok(Some(counted(fstatvfs(&place).of("fstatvfs", top)?))),
                kind if kind.is_dir() => dirs.push_back(place),
                _ => {}
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_near_the_top_is_found_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str| dir.path().join(name);
        assert_eq!(usage_of_a_file_in(dir.path()).unwrap(), None);
        std::os::unix::fs::symlink("/proc/self/status", made("link")).unwrap();
        std::os::unix::fs::symlink("/", made("root")).unwrap();
        nix::unistd::mkfifo(&made("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        fs::create_dir_all(made("a/b/c")).unwrap();
        assert_eq!(usage_of_a_file_in(dir.path()).unwrap(), None);
        fs::write(made("a/b/c/file"), "wine").unwrap();
        let total = super::super::mounts::usage(dir.path()).unwrap().total;
        assert_eq!(usage_of_a_file_in(dir.path()).unwrap().map(|usage| usage.total), Some(total));
    }

    #[test]
    fn a_directory_of_directories_is_not_looked_at_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        for name in 0..MOST {
            fs::create_dir(dir.path().join(name.to_string())).unwrap();
        }
        fs::write(dir.path().join("0/file"), "wine").unwrap();
        assert_eq!(usage_of_a_file_in(dir.path()).unwrap(), None);
        fs::remove_dir(dir.path().join("1")).unwrap();
        assert!(usage_of_a_file_in(dir.path()).unwrap().is_some());
    }

    #[test]
    fn what_is_mounted_below_or_is_no_directory_tells_nothing() {
        assert_eq!(usage_of_a_file_in(Path::new("/nowhere/at/all")).unwrap_err().errno(), Some(Errno::ENOENT));
        assert_eq!(usage_of_a_file_in(Path::new("/proc/version")).unwrap_err().errno(), Some(Errno::ENOTDIR));
        let dir = File::open("/").unwrap();
        assert!(place_in(&dir, OsStr::new("proc")).unwrap().is_none());
    }
}
