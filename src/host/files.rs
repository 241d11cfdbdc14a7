use std::any::Any;
use std::path::{Path, PathBuf};

use super::Result;
use crate::model::{Bytes, Owner, Usage};

/// Files and directories. What these calls change is on disk when they return, unless they say otherwise.
pub trait Files: Send + Sync {
    /// Makes a directory, mode 0755 (`mkdir(2)`), with those above it that are missing. One that is there is fine.
    fn create_dir(&self, dir: &Path) -> Result<()>;

    /// The same of a directory to mount on, and not synced: after a power cut there is no mount that would need it.
    fn create_mount_point(&self, dir: &Path) -> Result<()>;

    /// Makes an empty file to bind a device on, mode 0600; not synced. One that is there is fine.
    fn create_file(&self, file: &Path) -> Result<()>;

    /// Sets owner and mode of a directory, no link followed.
    fn set_owner(&self, dir: &Path, owner: Owner) -> Result<()>;

    /// Takes what was mounted on away: an empty directory or a file of no bytes, and nothing else; not synced. None
    /// there is fine.
    ///
    /// # Errors
    /// `ENOTEMPTY` where it holds something, `EBUSY` where it is a mount point.
    fn remove_empty(&self, path: &Path) -> Result<()>;

    /// Takes a whole tree away, following no link and crossing no mount. None there is fine.
    fn remove_tree(&self, dir: &Path) -> Result<()>;

    /// Renames (`rename(2)`) and syncs both parents.
    fn rename(&self, from: &Path, to: &Path) -> Result<()>;

    /// A whole small file; `None` where there is none.
    fn read(&self, file: &Path) -> Result<Option<Vec<u8>>>;

    /// Replaces a whole small file: a temporary one beside it, `fsync`, rename, `fsync` of the directory.
    ///
    /// A crash leaves the old content or the new, and perhaps `FILE.new`, which the next write replaces.
    fn write_whole(&self, file: &Path, content: &[u8]) -> Result<()>;

    /// The same of a file that is everybody's: it keeps owner, mode and SELinux label (`security.selinux`) of what was there,
    /// and is root's, 0644, where nothing was. A crash may leave what [`beside_shared`] names.
    fn write_shared(&self, file: &Path, content: &[u8]) -> Result<()>;

    /// As [`Files::write_whole`] of a file that nobody misses: nothing is synced, so that a power cut may leave it old, empty, or away.
    fn write_unsynced(&self, file: &Path, content: &[u8]) -> Result<()>;

    /// The names in a directory, sorted. `ENOENT` where there is none.
    fn list(&self, dir: &Path) -> Result<Vec<String>>;

    /// What is at a path, links not followed; `None` where nothing is.
    fn stat(&self, path: &Path) -> Result<Option<Stat>>;

    /// Makes a file that is not there yet (`O_EXCL`, mode 0600), that long and without a block of its own.
    /// On disk only after [`Files::sync`].
    fn create_image(&self, file: &Path, size: Bytes) -> Result<()>;

    /// Makes an empty file that is not there yet, each write to which is on disk when it returns, whoever writes
    /// (`FS_SYNC_FL`).
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the filesystem does not do that; then there is none.
    fn create_synced(&self, file: &Path) -> Result<()>;

    /// Sets a file's length (`ftruncate(2)`), synced. The same length frees what is allocated past the end.
    fn set_len(&self, file: &Path, size: Bytes) -> Result<()>;

    /// Takes a file away, whatever is in it: emptied first, as no other call takes away what holds anything.
    fn throw_away(&self, file: &Path) -> Result<()> {
        self.set_len(file, Bytes::ZERO)?;
        self.remove_empty(file)
    }

    /// Gives the first `size` bytes of a file real blocks (`fallocate(2)`), past its end too; its length stays.
    /// On disk only after [`Files::sync`]: what is lost in between is allocated again at the next stage.
    ///
    /// # Errors
    /// `ENOSPC`; `EOPNOTSUPP` where the filesystem cannot: see [`Files::fill`].
    fn allocate(&self, file: &Path, size: Bytes) -> Result<()>;

    /// Writes zeros from `from` up to `to` where [`Files::allocate`] is not supported. Only for a range nobody uses yet.
    fn fill(&self, file: &Path, from: Bytes, to: Bytes) -> Result<()>;

    /// Puts a file's content on disk (`fsync(2)`).
    fn sync(&self, file: &Path) -> Result<()>;

    /// The room of the filesystem on which a directory lies.
    fn space(&self, dir: &Path) -> Result<Usage>;

    /// Takes a directory for this process alone (`flock(2)`), until what is returned is dropped or the process ends.
    /// `None` where another has it.
    fn lock(&self, dir: &Path) -> Result<Option<Lock>>;

    /// The longest file that can be made in a directory (found by `ftruncate(2)` of an unnamed file).
    fn largest_file(&self, dir: &Path) -> Result<Bytes>;
}

/// What becomes a file when it is written whole: `FILE.new`.
pub fn beside(file: &Path) -> PathBuf {
    with_ending(file, ".new")
}

/// What becomes a file that is everybody's: `FILE.ullage-new`, as nobody else names anything there.
pub fn beside_shared(file: &Path) -> PathBuf {
    with_ending(file, ".ullage-new")
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// A directory that is taken, as long as this is held.
pub type Lock = Box<dyn Any + Send + Sync>;

/// A file's identity on this machine, as `stat(2)` and `LOOP_GET_STATUS64` give it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FileId {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub inode: u64,
}

/// What `stat(2)` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Which file it is.
    pub id: FileId,
    /// Its kind.
    pub kind: FileKind,
    /// Its length.
    pub size: Bytes,
    /// The space it takes (`st_blocks`).
    pub allocated: Bytes,
    /// Whose it is, and who may do what.
    pub owner: Owner,
    /// When it was changed last, in seconds and nanoseconds (`st_ctim`).
    pub changed: (i64, i64),
}

/// Kinds of files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// A regular file.
    Regular,
    /// Anything else: a link, a device, a socket.
    Other,
}
