//! Checking and growing an unmounted filesystem.

use std::path::Path;

use super::Error;
use super::command::run;

/// Checks an ext4 and mends what can be mended safely (`e2fsck -f -p`): 1 says that it mended something.
pub fn ext4(device: &Path) -> Result<(), Error> {
    run("e2fsck", &["-f", "-p"], device, &[0, 1])
}

/// Grows an ext4 to the size of its device (`resize2fs`). It refuses one that was not checked just before.
pub fn grow_ext4(device: &Path) -> Result<(), Error> {
    run("resize2fs", &[], device, &[0])
}
