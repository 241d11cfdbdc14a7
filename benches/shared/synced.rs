use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// As long as a record of the engine.
const RECORD: [u8; 320] = [b'#'; 320];

/// Writes a record as the engine does: whole, and on disk before it returns.
pub(crate) fn write_record(dir: &Path) -> std::io::Result<()> {
    let new = dir.join("volume.yaml.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&RECORD)?;
    file.sync_all()?;
    fs::rename(&new, dir.join("volume.yaml"))?;
    sync(dir)
}

/// Puts on disk what was made in a directory.
pub(crate) fn sync(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
