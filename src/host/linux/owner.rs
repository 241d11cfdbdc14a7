use std::ffi::CStr;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};

use super::failure::Named;
use crate::host::Result;
use crate::model::Owner;
use crate::sys::xattr;

/// Sets owner and mode of an open directory, synced.
pub(super) fn set_owner(dir: &File, owner: Owner, object: &Path) -> Result<()> {
    set(dir, owner, object)?;
    dir.sync_all().of("fsync", object)
}

fn set(file: &File, owner: Owner, object: &Path) -> Result<()> {
    fchown(file, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid))).of("fchown", object)?;
    // After fchown, which clears the set-user-id bits.
    fchmod(file, Mode::from_bits_truncate(owner.mode)).of("fchmod", object)
}

/// Owner and mode of a file that is there.
pub(super) fn of(found: &fs::Metadata) -> Owner {
    Owner { uid: found.uid(), gid: found.gid(), mode: found.mode() & 0o7777 }
}

/// What a file has that is to replace another.
pub(super) struct Kept {
    owner: Owner,
    label: Option<Vec<u8>>,
}

/// Where SELinux keeps what a file is.
const LABEL: &CStr = c"security.selinux";

/// Of a file for everybody.
const ROOTS: Owner = Owner { uid: 0, gid: 0, mode: 0o644 };

impl Kept {
    /// What a file has, and that is no link; what one for everybody has where there is none.
    pub(super) fn of(file: &Path) -> Result<Self> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let there = match OpenOptions::new().read(true).custom_flags(flags.bits()).open(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { owner: ROOTS, label: None }),
            there => there.of("open", file)?,
        };
        let owner = of(&there.metadata().of("fstat", file)?);
        Ok(Self { owner, label: xattr::get(&there, LABEL).of("fgetxattr", file)? })
    }

    /// Gives it to another; not synced.
    pub(super) fn give(&self, file: &File, object: &Path) -> Result<()> {
        set(file, self.owner, object)?;
        self.label.as_ref().map_or(Ok(()), |label| xattr::set(file, LABEL, label)).of("fsetxattr", object)
    }
}
