use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::errno::Errno;

use super::failure::{Named, errno};
use super::files::unnamed;
use crate::host::Result;
use crate::model::Bytes;

/// What is written at once to fill a directory; where it is refused, half of it, down to a page.
const PIECE: usize = 256 << 10;
const PAGE: usize = 4096;

/// Writes into a file without a name until so much is in it or the kernel refuses more, and forgets it: how much there was.
pub(super) fn to_the_limit(dir: &Path, at_most: Bytes) -> Result<Bytes> {
    let mut file = match unnamed(dir) {
        Err(error) if error.is_no_space() => return Ok(Bytes::ZERO),
        file => file?,
    };
    let written = write_up_to(&mut file, at_most.get()).of("write", dir)?;
    match file.sync_all() {
        Ok(()) => Ok(Bytes::new(written)),
        // What was promised to the writer was not kept: what counts is what is there.
        Err(error) if is_no_space(&error) => {
            let found = file.metadata().of("fstat", dir)?;
            Ok(Bytes::new(written.min(found.blocks().saturating_mul(512))))
        }
        Err(error) => Err(error).of("fsync", dir),
    }
}

fn write_up_to(file: &mut File, at_most: u64) -> io::Result<u64> {
    let content = vec![0xA5; PIECE];
    let (mut written, mut piece) = (0, PIECE);
    while written < at_most {
        let wanted = piece.min(usize::try_from(at_most - written).unwrap_or(PIECE));
        match file.write(&content[..wanted]) {
            Ok(length) => written += length as u64,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_no_space(&error) && piece > PAGE => piece /= 2,
            Err(error) if is_no_space(&error) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(errno(error), Errno::ENOSPC | Errno::EDQUOT)
}
