use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, Flock, FlockArg, OFlag, fallocate};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::ftruncate;

use super::failure::Named;
use super::names::{make_dirs, not_empty, parent, sync_parent};
use super::owner::Kept;
use super::{mounts, owner, remove};
use crate::host::{Error, FileId, FileKind, Files, Lock, Result, Stat, beside, beside_shared};
use crate::model::{Bytes, Owner, Usage};
use crate::sys::flags;

pub(super) struct LinuxFiles;

/// The room that a pool must have free to be asked whether a range has its blocks: 64 MiB.
const PIECE: i64 = 64 << 20;

impl Files for LinuxFiles {
    fn create_dir(&self, dir: &Path) -> Result<()> {
        make_dirs(dir, sync_parent)
    }

    fn create_mount_point(&self, dir: &Path) -> Result<()> {
        make_dirs(dir, |_| Ok(()))
    }

    fn create_file(&self, file: &Path) -> Result<()> {
        // Not open(2): a device may be bound here already, and opening it would have effects.
        match mknod(file, SFlag::S_IFREG, Mode::from_bits_truncate(0o600), 0) {
            Ok(()) => Ok(()),
            Err(Errno::EEXIST) => {
                let kind = fs::symlink_metadata(file).of("lstat", file)?.file_type();
                let is_fine = kind.is_file() || kind.is_block_device();
                if is_fine { Ok(()) } else { Err(Error::call("mknod", file, Errno::EEXIST)) }
            }
            Err(errno) => Err(Error::call("mknod", file, errno)),
        }
    }

    fn set_owner(&self, dir: &Path, owner: Owner) -> Result<()> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(dir).of("open", dir)?;
        owner::set_owner(&opened, owner, dir)
    }

    fn remove_empty(&self, path: &Path) -> Result<()> {
        let Some(found) = metadata(path)? else { return Ok(()) };
        match found.file_type() {
            kind if kind.is_dir() => fs::remove_dir(path).map_err(not_empty).of("rmdir", path),
            kind if kind.is_file() && found.len() == 0 => fs::remove_file(path).of("unlink", path),
            kind if kind.is_block_device() => Err(Error::call("unlink", path, Errno::EBUSY)),
            _ => Err(Error::call("unlink", path, Errno::ENOTEMPTY)),
        }
    }

    fn remove_tree(&self, dir: &Path) -> Result<()> {
        if metadata(dir)?.is_none() {
            return Ok(());
        }
        remove::tree(dir)?;
        sync_parent(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        fs::rename(from, to).map_err(not_empty).of("rename", from)?;
        sync_parent(to)?;
        if parent(from) == parent(to) { Ok(()) } else { sync_parent(from) }
    }

    fn read(&self, file: &Path) -> Result<Option<Vec<u8>>> {
        match fs::read(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            content => content.map(Some).of("read", file),
        }
    }

    fn write_whole(&self, file: &Path, content: &[u8]) -> Result<()> {
        replace(file, &beside(file), |new| write_synced(new, content))?;
        sync_parent(file)
    }

    fn write_shared(&self, file: &Path, content: &[u8]) -> Result<()> {
        let keeps = Kept::of(file)?;
        replace(file, &beside_shared(file), |new| {
            let made = write(new, content)?;
            keeps.give(&made, new)?;
            made.sync_all().of("fsync", new)
        })?;
        sync_parent(file)
    }

    fn write_unsynced(&self, file: &Path, content: &[u8]) -> Result<()> {
        replace(file, &beside(file), |new| write(new, content).map(drop))
    }

    fn list(&self, dir: &Path) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).of("opendir", dir)? {
            let entry = entry.of("readdir", dir)?;
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn stat(&self, path: &Path) -> Result<Option<Stat>> {
        Ok(metadata(path)?.map(|found| Stat {
            id: FileId { device: found.dev(), inode: found.ino() },
            kind: match found.file_type() {
                kind if kind.is_dir() => FileKind::Directory,
                kind if kind.is_file() => FileKind::Regular,
                _ => FileKind::Other,
            },
            size: Bytes::new(found.len()),
            allocated: Bytes::new(found.blocks() * 512),
            owner: owner::of(&found),
            changed: (found.ctime(), found.ctime_nsec()),
        }))
    }

    fn create_image(&self, file: &Path, size: Bytes) -> Result<()> {
        let image = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).of("open", file)?;
        let sized = length(size).and_then(|length| ftruncate(&image, length)).of("ftruncate", file);
        sized.inspect_err(|_| drop(fs::remove_file(file)))
    }

    fn create_synced(&self, file: &Path) -> Result<()> {
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).of("open", file)?;
        let set = match flags::write_through(&new) {
            Ok(true) => Ok(()),
            Ok(false) | Err(Errno::ENOTTY | Errno::EINVAL) => Err(Errno::EOPNOTSUPP),
            Err(errno) => Err(errno),
        };
        let made = set.of("FS_IOC_SETFLAGS", file).and_then(|()| new.sync_all().of("fsync", file));
        made.inspect_err(|_| drop(fs::remove_file(file)))?;
        sync_parent(file)
    }

    fn set_len(&self, file: &Path, size: Bytes) -> Result<()> {
        let image = writable(file)?;
        length(size).and_then(|length| ftruncate(&image, length)).of("ftruncate", file)?;
        image.sync_all().of("fsync", file)
    }

    fn allocate(&self, file: &Path, size: Bytes) -> Result<()> {
        let image = writable(file)?;
        let length = length(size).of("fallocate", file)?;
        match give_blocks(&image, 0, length) {
            // XFS first asks for as much free room as the range is long, be it allocated already or not.
            Err(Errno::ENOSPC) => {}
            done => return done.of("fallocate", file),
        }
        let mut at = 0;
        while at < length {
            let piece = PIECE.min(length - at);
            give_blocks(&image, at, piece).of("fallocate", file)?;
            at += piece;
        }
        Ok(())
    }

    fn fill(&self, file: &Path, from: Bytes, to: Bytes) -> Result<()> {
        let image = writable(file)?;
        let zeros = vec![0; 1 << 20];
        let mut at = from.get();
        while at < to.get() {
            let piece = zeros.len().min(usize::try_from(to.get() - at).unwrap_or(usize::MAX));
            image.write_all_at(&zeros[..piece], at).of("write", file)?;
            at += piece as u64;
        }
        image.sync_all().of("fsync", file)
    }

    fn sync(&self, file: &Path) -> Result<()> {
        File::open(file).of("open", file)?.sync_all().of("fsync", file)
    }

    fn space(&self, dir: &Path) -> Result<Usage> {
        mounts::usage(dir)
    }

    fn lock(&self, dir: &Path) -> Result<Option<Lock>> {
        let opened = File::open(dir).of("open", dir)?;
        match Flock::lock(opened, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Box::new(lock))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(Error::call("flock", dir, errno)),
        }
    }

    fn largest_file(&self, dir: &Path) -> Result<Bytes> {
        let file = unnamed(dir)?;
        let (mut fits, mut does_not) = (0, 1 << 51); // in blocks of 4096: off_t ends at 2^63
        while does_not - fits > 1 {
            let middle = fits + (does_not - fits) / 2;
            match ftruncate(&file, middle << 12) {
                Ok(()) => fits = middle,
                Err(Errno::EFBIG | Errno::EINVAL | Errno::ENOSPC) => does_not = middle,
                Err(errno) => return Err(Error::call("ftruncate", dir, errno)),
            }
        }
        Ok(Bytes::new(fits.cast_unsigned() << 12))
    }
}

/// A size as the kernel counts it. Not rounded down to what it can count: the file would not be as long as asked.
fn length(size: Bytes) -> nix::Result<i64> {
    i64::try_from(size.get()).map_err(|_| Errno::EFBIG)
}

/// `fallocate(2)` of a range, which keeps the file's length.
fn give_blocks(file: &File, at: i64, length: i64) -> nix::Result<()> {
    loop {
        match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, at, length) {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

/// A file without a name (`O_TMPFILE`), or one that loses it at once.
pub(super) fn unnamed(dir: &Path) -> Result<File> {
    match OpenOptions::new().write(true).custom_flags(OFlag::O_TMPFILE.bits()).mode(0o600).open(dir) {
        Err(error) if matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EOPNOTSUPP | Errno::EISDIR)) => {}
        file => return file.of("open", dir),
    }
    let path = dir.join(format!(".ullage-{}", std::process::id()));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).of("open", &path)?;
    fs::remove_file(&path).of("unlink", &path)?;
    Ok(file)
}

fn writable(file: &Path) -> Result<File> {
    OpenOptions::new().write(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(file).of("open", file)
}

/// Gives a file a new content at once (`rename(2)`): written beside it first, where nothing stays if that fails.
fn replace(file: &Path, new: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    write(new).and_then(|()| fs::rename(new, file).of("rename", new)).inspect_err(|_| drop(fs::remove_file(new)))
}

fn write_synced(file: &Path, content: &[u8]) -> Result<()> {
    write(file, content)?.sync_all().of("fsync", file)
}

fn write(file: &Path, content: &[u8]) -> Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let mut new = options.open(file).of("open", file)?;
    new.write_all(content).of("write", file)?;
    Ok(new)
}

fn metadata(path: &Path) -> Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        found => found.map(Some).of("lstat", path),
    }
}
