//! What lies on disk in a pool, and how it is read and written. Everything that is true of a volume lies beside its
//! data, so a disk carried to another node carries its volumes.
//!
//! ```text
//! POOL/pool.yaml               the marker: the mark that this is our pool, and not the bare directory of a lost mount
//! POOL/volumes/ID/volume.yaml  the record
//! POOL/volumes/ID/image        the backing file, or
//! POOL/volumes/ID/data/        the directory with a project id
//! POOL/volumes/ID/pods.yaml    a note of the pods that it is shown to
//! POOL/volumes/ID/shrink.undo  what a shrink that is under way has overwritten
//! POOL/trash/                  what is being deleted: renamed here first, reclaimed behind
//! ```
//!
//! A volume is *Creating* or *Ready* by its record; what lies in the trash is being deleted, whatever its record says.

mod layout;
mod marker;
mod pods;
mod record;
mod records;

pub use layout::{PoolDir, VolumeDir, volume_of_data};
pub use marker::Marker;
pub use pods::Pods;
pub use record::{Phase, Record, WantedMount};
pub use records::Records;

use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

use crate::host::{self, Files};
use crate::yaml::{self, Schema};

/// The version of everything that is written here.
type Version = Schema<1>;

/// Why something on disk could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine refused.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// It is there and cannot be understood.
    #[error("{}: {reason}", file.display())]
    Unreadable {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Takes away what saves that were cut have left beside a volume's record and note: nothing but the next save would.
pub fn tidy(files: &dyn Files, dir: &VolumeDir) -> Result<(), Error> {
    for left in [dir.half_record(), dir.half_pods()] {
        if files.stat(&left)?.is_some() {
            files.throw_away(&left)?;
        }
    }
    Ok(())
}

fn load<T: DeserializeOwned>(files: &dyn Files, file: &Path) -> Result<Option<T>, Error> {
    let Some(content) = files.read(file)? else { return Ok(None) };
    let unreadable = |reason: String| Error::Unreadable { file: file.to_owned(), reason };
    let text = String::from_utf8(content).map_err(|error| unreadable(error.to_string()))?;
    yaml::parse(&text).map(Some).map_err(|error| unreadable(error.to_string()))
}

fn save<T: Serialize>(files: &dyn Files, file: &Path, value: &T) -> Result<(), Error> {
    Ok(files.write_whole(file, &print(file, value)?)?)
}

fn print<T: Serialize>(file: &Path, value: &T) -> Result<Vec<u8>, Error> {
    let unprintable =
        |error| Error::Unreadable { file: file.to_owned(), reason: format!("cannot be written: {error}") };
    yaml::print(value).map(String::into_bytes).map_err(unprintable)
}
