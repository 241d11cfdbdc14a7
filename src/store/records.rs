use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Error, Record, VolumeDir};
use crate::host::{Files, Stat};

/// The records of volumes: a file is read and understood once, as long as `stat(2)` says that it is still the same.
pub struct Records {
    files: Arc<dyn Files>,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    /// By the path of the file, as it is written: a `Path` would be compared part by part. Of two files that have had one inode within a tick of the clock `stat` says the same: a save
    /// therefore never relies on it.
    known: HashMap<OsString, (Stat, Arc<Record>)>,
    /// How many saves have begun or ended.
    saves: u64,
}

impl Records {
    /// Those that lie in these files.
    pub fn new(files: Arc<dyn Files>) -> Self {
        Self { files, memory: Mutex::default() }
    }

    /// The record in a volume's directory; `None` where there is none.
    ///
    /// # Errors
    /// As [`Record::load`].
    pub fn load(&self, dir: &VolumeDir) -> Result<Option<Arc<Record>>, Error> {
        let file = dir.record();
        let Some(stat) = self.files.stat(&file)? else { return Ok(None) };
        let saves = {
            let memory = self.memory();
            match memory.known.get(file.as_os_str()) {
                Some((known, record)) if *known == stat => return Ok(Some(record.clone())),
                _ => memory.saves,
            }
        };
        let found = Record::load(&*self.files, dir)?.map(Arc::new);
        let mut memory = self.memory();
        match &found {
            // What is older than a save must not hide it.
            Some(record) if memory.saves == saves => drop(memory.known.insert(file.into(), (stat, record.clone()))),
            _ => {}
        }
        Ok(found)
    }

    /// Writes a record, whole.
    pub fn save(&self, dir: &VolumeDir, record: &Record) -> Result<(), Error> {
        self.forget(dir);
        record.save(&*self.files, dir)?;
        let stat = self.files.stat(&dir.record());
        let mut memory = self.memory();
        memory.saves += 1;
        if let Ok(Some(stat)) = stat {
            memory.known.insert(dir.record().into(), (stat, Arc::new(record.clone())));
        }
        Ok(())
    }

    /// A record that changes, or goes with its volume.
    pub fn forget(&self, dir: &VolumeDir) {
        let mut memory = self.memory();
        memory.saves += 1;
        memory.known.remove(dir.record().as_os_str());
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("no holder panics")
    }
}
