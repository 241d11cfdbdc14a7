//! Making filesystems.

use std::path::Path;

use super::Error;
use super::command::{output, run};

/// Makes an ext4 in an image file that was just made, so that every byte of it reads as zero.
///
/// - `-m 0`: nothing is set aside for root; `-e remount-ro`: an error stops writes.
/// - `nodiscard`: a reserved image would lose its blocks.
/// - What would be written as zeros (journal, inode tables) is zero already. Without this the kernel would zero the
///   tables after the first mount, by punching holes into a reserved image.
pub fn ext4(image: &Path) -> Result<(), Error> {
    match mke2fs(image, "nodiscard,lazy_journal_init=1,assume_storage_prezeroed=1") {
        Err(error) if !error.is_no_space() && !knows_prezeroed() => {
            mke2fs(image, "nodiscard,lazy_journal_init=1,lazy_itable_init=1")
        }
        done => done,
    }
}

/// Before 1.47 it does not know `assume_storage_prezeroed`, and says so before it touches the file.
fn knows_prezeroed() -> bool {
    let version = output("mkfs.ext4", &["-V"]).unwrap_or_default();
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let mut parts = number.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    (parts.next(), parts.next()) >= (Some(1), Some(47))
}

fn mke2fs(image: &Path, extended: &str) -> Result<(), Error> {
    let options = ["-q", "-F", "-m", "0", "-b", "4096", "-e", "remount-ro", "-E", extended];
    run("mkfs.ext4", &options, image, &[0])
}

/// Makes an XFS in an image file. It refuses one that holds a filesystem already.
///
/// - `-K`: no discard, as above.
/// - `-s size=4096`: with 512, its choice for a file, a disk with larger sectors could not be read directly.
pub fn xfs(image: &Path) -> Result<(), Error> {
    run("mkfs.xfs", &["-q", "-K", "-s", "size=4096"], image, &[0])
}
