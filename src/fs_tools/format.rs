//! Making filesystems.

use std::path::Path;

use super::Error;
use super::command::{output, run_with};

/// How a program is called, but for the file that it works on.
pub struct Words {
    /// Its name.
    pub program: &'static str,
    /// Its options.
    pub options: &'static [&'static str],
    /// What is in its environment besides.
    pub environment: &'static [(&'static str, &'static str)],
}

/// Makes an ext4 in an image file that was just made, so that every byte of it reads as zero.
///
/// - `-m 0`: nothing is set aside for root; `-e remount-ro`: an error stops writes.
/// - `nodiscard`: a reserved image would lose its blocks.
/// - What would be written as zeros (journal, inode tables) is zero already. Without this the kernel would zero the
///   tables after the first mount, by punching holes into a reserved image.
pub fn ext4(image: &Path) -> Result<(), Error> {
    match mke2fs(image, EXT4.options) {
        Err(error) if !error.is_no_space() && !knows_prezeroed() => {
            let (_, common) = EXT4.options.split_last().expect("it has options");
            mke2fs(image, &[common, &[BEFORE_1_47]].concat())
        }
        done => done,
    }
}

/// `mkfs.ext4`.
pub const EXT4: Words = Words {
    program: "mkfs.ext4",
    options: &[
        "-q",
        "-F",
        "-F",
        "-m",
        "0",
        "-b",
        "4096",
        "-e",
        "remount-ro",
        "-E",
        "nodiscard,lazy_journal_init=1,assume_storage_prezeroed=1",
    ],
    environment: &[NO_SEARCH],
};

/// What stands last instead.
const BEFORE_1_47: &str = "nodiscard,lazy_journal_init=1,lazy_itable_init=1";

/// Before 1.47 it does not know `assume_storage_prezeroed`, and says so before it touches the file.
fn knows_prezeroed() -> bool {
    let version = output(EXT4.program, &["-V"]).unwrap_or_default();
    let number = version.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let mut parts = number.unwrap_or_default().split('.').map(|part| part.parse::<u32>().unwrap_or_default());
    (parts.next(), parts.next()) >= (Some(1), Some(47))
}

/// It looks whether the file is mounted: it opens the device of every mount on the machine, 25 ms where 1000 volumes live.
/// The file was made by this call, so nobody has it. Told that it is mounted (`ext2fs_check_mount_point` of libext2fs), it does
/// not look, and `-F -F` makes it go on. A version that does not know the word looks, as before.
const NO_SEARCH: (&str, &str) = ("EXT2FS_PRETEND_RO_MOUNT", "1");

/// What it says of that, which would mislead whoever reads of an error.
const NOT_SO: [&str; 2] = [" is mounted", "mke2fs forced anyway"];

fn mke2fs(image: &Path, options: &[&str]) -> Result<(), Error> {
    let made = run_with(EXT4.program, options, EXT4.environment, image, &[0]);
    made.map(drop).map_err(|error| match error {
        Error::Failed { program, status, output } => {
            let true_ones = output.split("; ").filter(|part| !NOT_SO.iter().any(|text| part.contains(text)));
            Error::Failed { program, status, output: true_ones.collect::<Vec<_>>().join("; ") }
        }
        error => error,
    })
}

/// Makes an XFS in an image file. It refuses one that holds a filesystem already.
///
/// - `-K`: no discard, as above.
/// - `-s size=4096`: with 512, its choice for a file, a disk with larger sectors could not be read directly.
pub fn xfs(image: &Path) -> Result<(), Error> {
    run_with(XFS.program, XFS.options, XFS.environment, image, &[0]).map(drop)
}

/// `mkfs.xfs`.
pub const XFS: Words = Words { program: "mkfs.xfs", options: &["-q", "-K", "-s", "size=4096"], environment: &[] };
