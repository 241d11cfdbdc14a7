//! Making an unmounted ext4 smaller, so that it can be taken back.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Error;
use super::command::{run, run_with};

/// The block size of every ext4 that is made here.
const BLOCK: u64 = 4096;

const SECTOR: u64 = 512;

/// What stands before the number that `resize2fs -P` prints.
const ANSWER: &str = "minimum size of the filesystem:";

/// How small an ext4 can become, in bytes (`resize2fs -P`). Writes nothing.
pub fn smallest_ext4(device: &Path) -> Result<u64, Error> {
    let printed = run_with("resize2fs", &["-P"], &[], device, &[0])?;
    number(&printed).map(|blocks| blocks.saturating_mul(BLOCK)).ok_or_else(|| Error::Failed {
        program: "resize2fs",
        status: "no number".to_owned(),
        output: printed.trim().to_owned(),
    })
}

/// Makes an ext4 smaller (`resize2fs`), each block that it overwrites written to `undo` before (`-z`): an empty file that
/// is there is taken as it is. It refuses a filesystem that was not checked just before.
pub fn ext4(device: &Path, size: u64, undo: &Path) -> Result<(), Error> {
    // In sectors: without a unit the number would be blocks of the filesystem.
    let (undo, size) = (undo.to_string_lossy(), format!("{}s", size / SECTOR));
    run_after("resize2fs", &["-z", &undo], device, &size)
}

/// Writes back what a shrink has overwritten (`e2undo`). Forced (`-f`): whoever was killed has not noted down what the
/// filesystem looked like at the end, which it would else be compared with.
pub fn undo_ext4(device: &Path, undo: &Path) -> Result<(), Error> {
    if head(undo).is_ok_and(|head| has_no_keys(&head)) {
        // Killed before it overwrote anything: e2undo takes such a file for a damaged one. Then the filesystem is as it was
        // checked; if it is not, the file does not tell the truth, and mending would make it worse.
        return run("e2fsck", &["-f", "-n"], device, &[0]);
    }
    run("e2undo", &["-f", &undo.to_string_lossy()], device, &[0])
}

/// With a word behind the device.
fn run_after(program: &'static str, options: &[&str], device: &Path, last: &str) -> Result<(), Error> {
    let device = device.to_string_lossy();
    let options: Vec<&str> = options.iter().copied().chain([&*device]).collect();
    run(program, &options, Path::new(last), &[0])
}

/// The file itself has as much as was overwritten.
fn head(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(file)?.take(16).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether an undo file has no block in it (`struct undo_header` of libext2fs: magic, then the number of keys).
fn has_no_keys(undo: &[u8]) -> bool {
    undo.get(8..16).is_none_or(|keys| keys == [0; 8])
}

fn number(printed: &str) -> Option<u64> {
    printed.split_once(ANSWER)?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undo_file_without_keys_has_nothing_to_undo() {
        assert!(has_no_keys(b""));
        assert!(has_no_keys(b"E2UNDO02"));
        assert!(has_no_keys(&[b"E2UNDO02".as_slice(), &[0; 2040]].concat()));
        assert!(!has_no_keys(&[b"E2UNDO02".as_slice(), &1_u64.to_le_bytes()].concat()));
        assert!(!has_no_keys(&[b"damaged!".as_slice(), &[9; 8]].concat()));
    }

    #[test]
    fn the_answer_is_found_among_other_lines() {
        let printed = "resize2fs 1.47.0 (5-Feb-2023)\nEstimated minimum size of the filesystem: 60692\n";
        assert_eq!(number(printed), Some(60692));
        assert_eq!(number("resize2fs 1.47.0"), None);
    }
}
