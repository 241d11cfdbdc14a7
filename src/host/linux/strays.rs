use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use nix::dir::{Entry, Type};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};

use super::failure::Named;
use super::level::{Level, name_of};
use super::quotas::{opened_again, opened_as_it_is};
use crate::host::{Result, Strays};
use crate::model::ProjectId;
use crate::sys::fsxattr;

/// Counts what is not of a project, at a directory and below: see [`crate::host::ProjectQuotas::strays`].
///
/// Every step is one name in an open directory, so that nobody can lead it elsewhere by exchanging a directory for a link
/// meanwhile.
pub(super) fn count(top: &Path, project: ProjectId, go_on: &mut dyn FnMut() -> bool) -> Result<Option<Strays>> {
    let (mut path, opened) = (top.to_owned(), opened_as_it_is(top)?);
    let mut strays = Strays { count: u64::from(is_stray(&opened, project, &path)?), too_deep: 0 };
    let mut levels = vec![Level::of(opened, &path)?];
    while let Some(level) = levels.last_mut() {
        if !go_on() {
            return Ok(None);
        }
        let Some(entry) = level.next(&path)? else {
            levels.pop();
            path.pop();
            continue;
        };
        if !may_have_project(&entry) {
            continue;
        }
        path.push(name_of(&entry));
        let met = meet(&level.dir, name_of(&entry), &path)?;
        if let Some(met) = &met {
            strays.count += u64::from(is_stray(met, project, &path)?);
        }
        match met.filter(|met| met.metadata().is_ok_and(|met| met.is_dir())) {
            Some(dir) if levels.len() < Strays::DEEPEST => levels.push(Level::of(dir, &path)?),
            other => {
                strays.too_deep += u64::from(other.is_some());
                path.pop();
            }
        }
    }
    Ok(Some(strays))
}

/// Files and directories, and what a filesystem does not tell the kind of.
fn may_have_project(entry: &Entry) -> bool {
    matches!(entry.file_type(), None | Some(Type::File | Type::Directory))
}

/// What a name leads to, opened without an effect on it. `None`: it is gone, is a link or a device by now, or something is
/// mounted there.
fn meet(above: impl AsFd, name: &OsStr, path: &Path) -> Result<Option<File>> {
    let Some(place) = place_in(above, name).of("openat2", path)? else { return Ok(None) };
    match opened_again(&place, path) {
        Err(error) if matches!(error.errno(), Some(Errno::EOPNOTSUPP | Errno::ENOENT)) => Ok(None),
        opened => opened.map(Some),
    }
}

/// The place of a name (`O_PATH`), be it a link or a device. `None`: it is gone, or something is mounted there.
pub(super) fn place_in(above: impl AsFd, name: &OsStr) -> nix::Result<Option<File>> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC).resolve(resolve);
    match openat2(above, name, how) {
        Err(Errno::ENOENT | Errno::EXDEV | Errno::ELOOP | Errno::ENOTDIR) => Ok(None),
        place => place.map(|place| Some(File::from(place))),
    }
}

fn is_stray(file: &File, project: ProjectId, path: &Path) -> Result<bool> {
    Ok(fsxattr::project(file).of("FS_IOC_FSGETXATTR", path)?.id != project.get())
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    /// Where nothing has a project, all that is met is a stray of any.
    #[test]
    fn everything_is_met_once_and_no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let made = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(made("a/b/c")).unwrap();
        for name in ["x", "a/x", "a/b/c/x"] {
            std::fs::write(made(name), b"x").unwrap();
        }
        std::fs::write(dir.path().join(OsStr::from_bytes(b"a/\xff")), b"x").unwrap();
        std::os::unix::fs::symlink("/", made("a/root")).unwrap();
        std::os::unix::fs::symlink("..", made("a/b/up")).unwrap();
        nix::unistd::mkfifo(&made("a/pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
        let any = ProjectId::new(4_000_000_000).unwrap();
        match count(dir.path(), any, &mut || true) {
            Err(error) if matches!(error.errno(), Some(Errno::ENOTTY | Errno::EOPNOTSUPP)) => {} // no projects there
            counted => assert_eq!(counted.unwrap(), Some(Strays { count: 8, too_deep: 0 })),
        }
        let deep = (0..Strays::DEEPEST + 40).map(|_| "d").collect::<std::path::PathBuf>();
        std::fs::create_dir_all(made("a").join(deep)).unwrap();
        if let Ok(counted) = count(dir.path(), any, &mut || true) {
            let met = 8 + Strays::DEEPEST as u64 - 1; // below two that are there
            assert_eq!(counted, Some(Strays { count: met, too_deep: 1 }));
        }
        let mut left = 3;
        let told_to_stop = count(dir.path(), any, &mut || {
            left -= 1;
            left > 0
        });
        assert!(matches!(told_to_stop, Ok(None) | Err(_)));
    }
}
