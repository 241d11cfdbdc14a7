use std::fs::File;
use std::path::Path;

use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};

use super::failure::Named;
use crate::host::Result;
use crate::model::Owner;

/// Sets owner and mode of an open directory, synced.
pub(super) fn set_owner(dir: &File, owner: Owner, object: &Path) -> Result<()> {
    fchown(dir, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid))).of("fchown", object)?;
    // After fchown, which clears the set-user-id bits.
    fchmod(dir, Mode::from_bits_truncate(owner.mode)).of("fchmod", object)?;
    dir.sync_all().of("fsync", object)
}
