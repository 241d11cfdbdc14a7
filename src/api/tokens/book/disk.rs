use std::fs;
use std::path::PathBuf;

use time::OffsetDateTime;

use crate::api::tokens::file::{self, Access, Opened, Staged};
use crate::api::tokens::record::{self, Record};
use crate::api::tokens::{Error, Result};

/// `tokens.yaml`, as it was read last.
pub(super) struct Disk {
    file: PathBuf,
    seen: Seen,
    /// How often it was there, and then was not.
    vanished: u64,
    is_in_trouble: bool,
}

enum Seen {
    Nothing,
    Missing,
    There(Opened),
}

/// Why the file cannot be used.
pub(super) enum Fault {
    /// It could not be read; another time it may be.
    Io(Error),
    /// It will never be readable.
    Damaged(String),
}

/// Twice what the most tokens need.
const LONGEST: u64 = 4 << 20;

impl Disk {
    pub(super) fn new(file: PathBuf) -> Self {
        Self { file, seen: Seen::Nothing, vanished: 0, is_in_trouble: false }
    }

    /// Whether what was read last is still there.
    pub(super) fn is_current(&self) -> bool {
        match &self.seen {
            Seen::Nothing => false,
            Seen::Missing => !self.file.exists(),
            Seen::There(opened) => opened.is_at(&self.file),
        }
    }

    /// How often somebody has taken it away, as far as was seen.
    pub(super) fn vanished(&self) -> u64 {
        self.vanished
    }

    pub(super) fn read(&mut self) -> Result<Vec<Record>, Fault> {
        let found = file::read(&self.file, LONGEST).map_err(|error| Fault::Io(Error::io("read", &self.file)(error)))?;
        let (records, seen) = match found {
            None => (Vec::new(), Seen::Missing),
            Some((content, opened)) => (record::parse(&content).map_err(Fault::Damaged)?, Seen::There(opened)),
        };
        let was_there = matches!(std::mem::replace(&mut self.seen, seen), Seen::There(_));
        self.vanished += u64::from(was_there && matches!(self.seen, Seen::Missing));
        self.is_in_trouble = false;
        Ok(records)
    }

    pub(super) fn write(&mut self, records: &[Record]) -> Result<()> {
        let unreadable = |reason| Error::Unreadable { file: self.file.clone(), reason };
        let text = record::print(records).map_err(unreadable)?;
        let staged = Staged::write(&self.file, text.as_bytes(), Access { mode: 0o600, owner: None });
        self.seen = Seen::There(staged.and_then(Staged::replace).map_err(Error::io("write", &self.file))?);
        Ok(())
    }

    /// Renames a file that cannot be understood, so that nothing of it is lost and a new one can be made.
    pub(super) fn set_aside(&self, reason: &str, now: OffsetDateTime) -> Result<()> {
        let mut name = self.file.as_os_str().to_owned();
        name.push(format!(".damaged-{}", now.unix_timestamp()));
        let aside = PathBuf::from(name);
        fs::rename(&self.file, &aside).map_err(Error::io("set aside", &self.file))?;
        tracing::error!(file = %self.file.display(), aside = %aside.display(), reason, "the issued tokens cannot be read: they are set aside, and unknown from now on");
        Ok(())
    }

    /// Says once that the file cannot be used for now.
    pub(super) fn complain(&mut self, error: &Error) {
        if !std::mem::replace(&mut self.is_in_trouble, true) {
            tracing::warn!(%error, "the issued tokens stay as they were read last");
        }
    }
}
