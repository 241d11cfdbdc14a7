//! Small files that several processes share: read whole, replaced whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::token::hex;
use super::{Error, Result};

/// A file that was read, and is held open: as long as it is, no other file gets its inode number.
pub(super) struct Opened {
    file: File,
    seen: Seen,
}

/// What changes when a file is replaced or written to.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    id: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

/// Who has a file, and who may.
#[derive(Clone, Copy)]
pub(super) struct Access {
    pub(super) mode: u32,
    /// Only root can give a file away; for anybody else the new file is their own.
    pub(super) owner: Option<(u32, u32)>,
}

/// New content, on disk under a name that nobody reads. Dropped, it is gone.
pub(super) struct Staged {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
}

/// A lock of all processes that share a directory, until it is dropped.
pub(super) struct Locked(#[expect(dead_code, reason = "held, not used")] Flock<File>);

/// How long to wait for whoever has the lock: what is done under it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a temporary file is one that a killed process left.
const LEFT: Duration = Duration::from_secs(60);

/// A whole regular file of at most `most` bytes; `None` where there is none.
pub(super) fn read(path: &Path, most: u64) -> io::Result<Option<(Vec<u8>, Opened)>> {
    // Non-blocking: a pipe in its place must not hold us up.
    let flags = OFlag::O_NONBLOCK.bits();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut content = Vec::new();
    (&file).take(most + 1).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it is longer than {most} bytes")));
    }
    Ok(Some((content, Opened { file, seen: Seen::of(&found) })))
}

impl Opened {
    /// Whether that is still what lies at the path, unchanged.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let same = |found: io::Result<fs::Metadata>| found.is_ok_and(|found| Seen::of(&found) == self.seen);
        same(fs::metadata(path)) && same(self.file.metadata())
    }
}

impl Seen {
    fn of(found: &fs::Metadata) -> Self {
        // Not the time of the change: a link beside it would count.
        Self { id: (found.dev(), found.ino()), size: found.len(), changed: (found.mtime(), found.mtime_nsec()) }
    }
}

impl Staged {
    /// Writes content beside the target, synced.
    pub(super) fn write(target: &Path, content: &[u8], access: Access) -> io::Result<Self> {
        sweep(target);
        let mut unique = [0; 8];
        getrandom::fill(&mut unique).map_err(io::Error::other)?;
        let [before, after] = affixes(target);
        let mut name = before;
        name.push(hex(&unique));
        name.push(after);
        let temporary = parent(target).join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let staged = Self { file, temporary, target: target.to_owned() };
        let mut file = &staged.file;
        file.write_all(content)?;
        if let Some((user, group)) = access.owner {
            // Without the right to, it is ours; its mode says who reads it.
            let _ = fchown(file, Some(user), Some(group));
        }
        // The mode as it was asked for, whatever the umask.
        file.set_permissions(fs::Permissions::from_mode(access.mode))?;
        file.sync_all()?;
        Ok(staged)
    }

    /// Puts it in the target's place: a crash leaves the old content or the new.
    pub(super) fn replace(self) -> io::Result<Opened> {
        fs::rename(&self.temporary, &self.target)?;
        sync_parent(&self.target)?;
        let file = self.file.try_clone()?;
        let seen = Seen::of(&file.metadata()?);
        Ok(Opened { file, seen })
    }

    /// Puts it at the target where nothing is; false where another was first.
    pub(super) fn put_first(self) -> io::Result<bool> {
        match fs::hard_link(&self.temporary, &self.target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            done => done.and_then(|()| sync_parent(&self.target)).map(|()| true),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Renamed, it is not there any more; that is fine.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Takes the lock, waiting for whoever has it; threads of one process exclude each other too.
pub(super) fn lock(path: &Path) -> Result<Locked> {
    let flags = OFlag::O_NOFOLLOW.bits();
    let open = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).custom_flags(flags).open(path);
    let mut file = open.map_err(Error::io("open", path))?;
    let until = Instant::now() + PATIENCE;
    loop {
        // Not a lock that waits: it would wait for ever on a process that is stopped.
        file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(Locked(lock)),
            Err((_, Errno::EWOULDBLOCK)) if Instant::now() >= until => {
                return Err(Error::Locked { file: path.to_owned(), seconds: PATIENCE.as_secs() });
            }
            Err((file, Errno::EWOULDBLOCK | Errno::EINTR)) => file,
            Err((_, errno)) => return Err(Error::io("lock", path)(errno.into())),
        };
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A directory with those above it that are missing, its name on disk.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    sync_parent(dir)
}

/// The directory that holds the name; that of a bare name is the current one.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name is on disk only when its directory is.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

/// What a temporary name begins and ends with.
fn affixes(target: &Path) -> [OsString; 2] {
    let mut before = OsString::from(".");
    before.push(target.file_name().unwrap_or_default());
    before.push(".");
    [before, OsString::from(".new")]
}

/// Takes away what killed processes left beside the target. Where it cannot, it stays: nobody reads it.
fn sweep(target: &Path) {
    let [before, after] = affixes(target);
    let is_temporary = |name: &OsString| {
        let name = name.as_encoded_bytes();
        name.starts_with(before.as_encoded_bytes()) && name.ends_with(after.as_encoded_bytes())
    };
    let Ok(entries) = fs::read_dir(parent(target)) else { return };
    for entry in entries.flatten().filter(|entry| is_temporary(&entry.file_name())) {
        let written = entry.metadata().and_then(|found| found.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        if written.elapsed().is_ok_and(|age| age > LEFT) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
