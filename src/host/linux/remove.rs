use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::dir::Entry;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};
use ulid::Ulid;

use super::failure::Named;
use super::level::{Level, name_of};
use super::names::parent;
use crate::host::{Error, Result};
use crate::sys::fsxattr::{self, Project};

/// How deep it goes, whatever the depth of a tree: what lies deeper is moved up.
const DEEPEST: usize = 64;

/// One way through a tree, which takes away what it meets.
struct Sweep {
    /// Where the last level is.
    path: PathBuf,
    levels: Vec<Level>,
    /// How many levels, from the top, hold something that could not be moved.
    kept: usize,
    /// Why not, of the first.
    refused: Option<Error>,
    removed: u64,
    moved: u64,
}

/// Takes a tree away, following no link and crossing no mount: `EBUSY` where one is in the way.
///
/// Every step is one name in an open directory, so that nobody can lead it elsewhere by exchanging a directory for a
/// link meanwhile. However deep and wide it is, it takes few descriptors and little memory: who made it may have meant harm.
pub(super) fn tree(path: &Path) -> Result<()> {
    let above = parent(path);
    let above = open(above, DIRECTORY, Mode::empty()).of("open", above)?;
    let name = path.file_name().ok_or_else(|| Error::call("openat2", path, Errno::EINVAL))?;
    loop {
        let sweep = Sweep::of(enter(&above, name, path)?, path)?;
        match sweep.refused {
            None if sweep.moved == 0 => return unlinkat(&above, name, UnlinkatFlags::RemoveDir).of("rmdir", path),
            // No room for more names at the top; but there is more of it now.
            Some(refused) if sweep.moved + sweep.removed == 0 => return Err(refused),
            _ => {}
        }
    }
}

impl Sweep {
    fn of(top: Level, path: &Path) -> Result<Self> {
        let (path, levels) = (path.to_owned(), vec![top]);
        let mut sweep = Self { path, levels, kept: 0, refused: None, removed: 0, moved: 0 };
        while let Some(level) = sweep.levels.last_mut() {
            match level.next(&sweep.path)? {
                Some(entry) => sweep.take(&entry)?,
                None => sweep.leave()?,
            }
        }
        Ok(sweep)
    }

    fn take(&mut self, entry: &Entry) -> Result<()> {
        let (name, depth) = (name_of(entry), self.levels.len());
        let level = self.levels.last().expect("an entry is of the last level");
        match unlinkat(&level.dir, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) => self.removed += 1,
            Err(Errno::ENOENT) => {}
            Err(Errno::EISDIR) if depth < DEEPEST => {
                let path = self.path.join(name);
                let below = enter(&level.dir, name, &path)?;
                self.levels.push(below);
                self.path = path;
            }
            Err(Errno::EISDIR) => self.move_up(name)?,
            Err(errno) => return Err(Error::call("unlinkat", self.path.join(name), errno)),
        }
        Ok(())
    }

    /// The last level has no names any more.
    fn leave(&mut self) -> Result<()> {
        self.levels.pop();
        let Some(above) = self.levels.last() else { return Ok(()) };
        if self.kept > self.levels.len() {
            self.kept = self.levels.len();
        } else {
            let name = self.path.file_name().expect("every level was entered by its name");
            unlinkat(&above.dir, name, UnlinkatFlags::RemoveDir).of("rmdir", &self.path)?;
            self.removed += 1;
        }
        self.path.pop();
        Ok(())
    }

    /// Moves a directory from the last level to the top, where another sweep finds it.
    fn move_up(&mut self, name: &OsStr) -> Result<()> {
        let (Some(top), Some(level)) = (self.levels.first(), self.levels.last()) else { return Ok(()) };
        let named = |errno| Error::call("renameat", self.path.join(name), errno);
        match unlinkat(&level.dir, name, UnlinkatFlags::RemoveDir) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => {}
            Err(errno) => return Err(named(errno)),
            Ok(()) => {
                self.removed += 1;
                return Ok(());
            }
        }
        if self.moved == 0 {
            let_everything_in(&top.dir);
        }
        match renameat(&level.dir, name, &top.dir, Ulid::generate().to_string().as_str()) {
            Ok(()) => self.moved += 1,
            Err(errno @ (Errno::ENOSPC | Errno::EDQUOT)) => {
                let refused = named(errno);
                self.refused.get_or_insert(refused);
                self.kept = self.levels.len();
            }
            Err(errno) => return Err(named(errno)),
        }
        Ok(())
    }
}

/// A directory that hands its project down takes in nothing of another. Where it cannot be told not to, the move fails.
fn let_everything_in(dir: &File) {
    if let Ok(project) = fsxattr::project(dir)
        && project.inherited
    {
        let _ = fsxattr::set_project(dir, Project { inherited: false, ..project });
    }
}

const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// Opens a directory by its name in another, unless it is a link or on another mount (`openat2(2)`).
fn enter(above: impl AsFd, name: &OsStr, path: &Path) -> Result<Level> {
    let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
    let how = OpenHow::new().flags(DIRECTORY | OFlag::O_NOFOLLOW).resolve(resolve);
    match openat2(above, name, how) {
        Err(Errno::EXDEV) => Err(Error::call("openat2", path, Errno::EBUSY)),
        opened => Level::of(opened.of("openat2", path)?.into(), path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::process::Command;

    use nix::fcntl::openat;
    use nix::sys::resource::{Resource, setrlimit};
    use nix::sys::stat::mkdirat;

    use super::*;

    const ALONE: &str = "ULLAGE_TEST_ALONE";

    /// Makes a directory in which it goes on, and now and then others beside it, and files.
    fn make(dir: &OwnedFd, depth: usize) -> OwnedFd {
        mkdirat(dir, "down", Mode::S_IRWXU).unwrap();
        if depth.is_multiple_of(21) {
            for name in ["a", "z"] {
                mkdirat(dir, name, Mode::S_IRWXU).unwrap();
            }
            for name in ["file", "a/file", "z/file"] {
                openat(dir, name, OFlag::O_CREAT | OFlag::O_WRONLY, Mode::S_IRUSR).unwrap();
            }
        }
        openat(dir, "down", DIRECTORY, Mode::empty()).unwrap()
    }

    /// The limit is that of a whole process, and this one runs other tests, too.
    #[test]
    fn a_tree_of_any_depth_goes_with_few_descriptors() {
        if std::env::var_os(ALONE).is_none() {
            let name = std::thread::current().name().unwrap().to_owned();
            let mut alone = Command::new(std::env::current_exe().unwrap());
            let ended = alone.args(["--exact", &name]).env(ALONE, "1").output().unwrap();
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
            return;
        }
        let scratch = tempfile::tempdir().unwrap();
        let top = scratch.path().join("top");
        std::fs::create_dir(&top).unwrap();
        let mut dir = open(&top, DIRECTORY, Mode::empty()).unwrap();
        for depth in 0..2000 {
            dir = make(&dir, depth);
        }
        setrlimit(Resource::RLIMIT_NOFILE, 192, 192).unwrap();
        tree(&top).unwrap();
        assert!(std::fs::read_dir(scratch.path()).unwrap().next().is_none());
    }

    #[test]
    fn what_is_made_of_links_leads_nowhere() {
        let scratch = tempfile::tempdir().unwrap();
        let made = |name: &str| scratch.path().join(name);
        std::fs::create_dir_all(made("outside")).unwrap();
        std::fs::write(made("outside/file"), "wine").unwrap();
        let deep = (0..2 * DEEPEST).map(|_| "d").collect::<PathBuf>();
        std::fs::create_dir_all(made("top").join(&deep)).unwrap();
        for dir in [made("top"), made("top").join(&deep)] {
            std::os::unix::fs::symlink(made("outside"), dir.join("link")).unwrap();
        }
        tree(&made("top")).unwrap();
        assert_eq!(std::fs::read(made("outside/file")).unwrap(), b"wine");
        assert!(!made("top").exists());
        std::os::unix::fs::symlink(made("outside"), made("top")).unwrap();
        assert_eq!(tree(&made("top")).unwrap_err().errno(), Some(Errno::ENOTDIR));
    }
}
