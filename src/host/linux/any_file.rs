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

/// So many names are looked at in all, and of each directory: of one that holds directories only, some are looked into.
const MOST: usize = 128;
const MOST_OF_ONE: usize = 16;

/// What a regular file in a directory or near below it tells: see [`crate::host::ProjectQuotas::usage_of_all`].
pub(super) fn usage_of(top: &Path) -> Result<Option<Usage>> {
    let place = open(top, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).of("open", top)?;
    let (mut dirs, mut looked_at) = (VecDeque::from([File::from(place)]), 0);
    while let Some(dir) = dirs.pop_front().filter(|_| looked_at < MOST) {
        for place in first_of(&dir).of("readdir", top)? {
            looked_at += 1;
            match place.metadata().of("fstat", top)?.file_type() {
                kind if kind.is_file() => return Ok(Some(counted(fstatvfs(&place).of("fstatvfs", top)?))),
                kind if kind.is_dir() => dirs.push_back(place),
                _ => {}
            }
        }
    }
    Ok(None)
}

/// The first places in a directory; none where this process may not look, or where it is gone.
fn first_of(dir: &File) -> nix::Result<Vec<File>> {
    let names = match Dir::openat(dir, ".", OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()) {
        Err(Errno::EACCES | Errno::ENOENT) => return Ok(Vec::new()),
        names => names?.into_iter(),
    };
    let mut places = Vec::new();
    for entry in names.take(MOST_OF_ONE + 2) {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        match place_in(dir, OsStr::from_bytes(name)) {
            Err(Errno::EACCES) => break, // its names may be read, and nothing in it be reached
            place => places.extend(place?),
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_near_the_top_is_found_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str| dir.path().join(name);
        assert_eq!(usage_of(dir.path()).unwrap(), None);
        std::os::unix::fs::symlink("/proc/self/status", made("link")).unwrap();
        std::os::unix::fs::symlink("/", made("root")).unwrap();
        nix::unistd::mkfifo(&made("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        fs::create_dir_all(made("a/b/c")).unwrap();
        assert_eq!(usage_of(dir.path()).unwrap(), None);
        fs::write(made("a/b/c/file"), "wine").unwrap();
        let total = super::super::mounts::usage(dir.path()).unwrap().total;
        assert_eq!(usage_of(dir.path()).unwrap().map(|usage| usage.total), Some(total));
    }

    #[test]
    fn many_directories_are_looked_into_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let made = |outer: usize, inner: usize| dir.path().join(format!("{outer}/{inner}"));
        for (outer, inner) in (0..MOST).flat_map(|outer| [(outer, 0), (outer, 1)]) {
            fs::create_dir_all(made(outer, inner)).unwrap();
        }
        assert_eq!(usage_of(dir.path()).unwrap(), None);
        for outer in 0..MOST {
            fs::write(made(outer, 1).join("file"), "wine").unwrap();
        }
        assert!(usage_of(dir.path()).unwrap().is_some());
        let wide = tempfile::tempdir().unwrap();
        for outer in 0..MOST {
            let inner = (0..MOST_OF_ONE).map(|inner| format!("{outer}/{inner}"));
            inner.for_each(|name| fs::create_dir_all(wide.path().join(name).join("below")).unwrap());
        }
        for name in fs::read_dir(wide.path()).unwrap() {
            fs::write(name.unwrap().path().join("0/below/file"), "wine").unwrap();
        }
        assert_eq!(usage_of(wide.path()).unwrap(), None, "too many are in the way");
    }

    #[test]
    fn what_is_mounted_below_or_is_no_directory_tells_nothing() {
        assert_eq!(usage_of(Path::new("/nowhere/at/all")).unwrap_err().errno(), Some(Errno::ENOENT));
        assert_eq!(usage_of(Path::new("/proc/version")).unwrap_err().errno(), Some(Errno::ENOTDIR));
        let dir = File::open("/").unwrap();
        assert!(place_in(&dir, OsStr::new("proc")).unwrap().is_none());
    }
}
