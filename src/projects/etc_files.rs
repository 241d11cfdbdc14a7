use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::lines::Kind;
use super::{Block, Error, Lines, Project, Result};
use crate::host::{FileKind, Files, Lock, beside_shared};

/// `/etc/projects` and `/etc/projid`, which tell people and their programs of projects. The kernel does not read them.
///
/// One for each directory in a process.
pub struct EtcFiles {
    files: Arc<dyn Files>,
    dir: PathBuf,
    /// `flock(2)` is of whoever opened: two threads would refuse each other.
    writing: Mutex<()>,
}

/// How often another process is waited for, and how long each time: what is done under the lock takes milliseconds.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_millis(5);

impl EtcFiles {
    /// The files in that directory: `/etc`, or where that of the machine is mounted. They need not be there.
    pub fn new(files: Arc<dyn Files>, dir: &Path) -> Self {
        Self { files, dir: dir.to_owned(), writing: Mutex::default() }
    }

    /// What everybody else has written there, other pools among them; read anew each time. Where a file's block is damaged,
    /// every line of it counts.
    pub fn others(&self, own: &Block) -> Result<Lines> {
        let mut lines = Lines::default();
        for kind in [Kind::Projects, Kind::Projid] {
            let file = self.file(kind);
            let content = self.files.read(&file)?.unwrap_or_default();
            lines.add(&file, kind, own.others(&content));
        }
        Ok(lines)
    }

    /// Lets a pool's block in both files hold its projects, and no others; whether anything had to be written. Each file
    /// is the old one or the new one, whole, and on disk when this returns; other people's lines stay to the byte, and the file
    /// stays whose it is ([`Files::write_shared`]). Which projects is asked while nobody else writes: the last word is the newest.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::NotAFile`] and [`Error::Unwritable`]: then nothing was written. [`Error::Locked`].
    pub fn write(&self, block: &Block, projects: impl FnOnce() -> Vec<Project>) -> Result<bool> {
        let _writing = self.writing.lock().expect("no holder panics");
        let _alone = self.lock()?;
        let (projects, mut new) = (projects(), Vec::new());
        for kind in [Kind::Projects, Kind::Projid] {
            self.tidy(kind)?;
            new.extend(self.changed(kind, block, &kind.print(&projects)?)?);
        }
        for (file, content) in &new {
            self.files.write_shared(file, content)?;
        }
        Ok(!new.is_empty())
    }

    /// Takes away what a write that was killed has left.
    fn tidy(&self, kind: Kind) -> Result<()> {
        let half = beside_shared(&self.file(kind));
        match self.files.stat(&half)? {
            Some(found) if found.kind == FileKind::Regular => Ok(self.files.throw_away(&half)?),
            _ => Ok(()),
        }
    }

    /// A file and what it has to become; `None` where it is that already.
    fn changed(&self, kind: Kind, block: &Block, lines: &[u8]) -> Result<Option<(PathBuf, Vec<u8>)>> {
        let file = self.file(kind);
        if self.files.stat(&file)?.is_some_and(|found| found.kind != FileKind::Regular) {
            return Err(Error::NotAFile { file });
        }
        let old = self.files.read(&file)?.unwrap_or_default();
        match block.put(&old, lines) {
            Ok(new) => Ok((new != old).then_some((file, new))),
            Err(damage) => Err(Error::Damaged { file, line: damage.line, reason: damage.reason }),
        }
    }

    /// Against other drivers on this machine: of two that read and then write, one would lose its lines.
    fn lock(&self) -> Result<Lock> {
        for _ in 0..TRIES {
            if let Some(lock) = self.files.lock(&self.dir)? {
                return Ok(lock);
            }
            std::thread::sleep(PAUSE);
        }
        Err(Error::Locked { dir: self.dir.clone(), seconds: (TRIES * PAUSE).as_secs() })
    }

    fn file(&self, kind: Kind) -> PathBuf {
        self.dir.join(kind.name())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Projects => "projects",
            Self::Projid => "projid",
        }
    }

    fn print(self, projects: &[Project]) -> Result<Vec<u8>> {
        let mut lines = Vec::new();
        for Project { id, name, path } in projects {
            let [before, after] = match self {
                Self::Projects => [id.to_string().as_bytes(), path.as_os_str().as_bytes()].map(<[u8]>::to_vec),
                Self::Projid => [name.as_bytes(), id.to_string().as_bytes()].map(<[u8]>::to_vec),
            };
            self.check(&before, &after)?;
            lines.extend([&before, b":".as_slice(), &after, b"\n"].concat());
        }
        Ok(lines)
    }

    /// Whether it reads back as what it is.
    fn check(self, before: &[u8], after: &[u8]) -> Result<()> {
        let refused = |value: &[u8], reason| {
            let value = String::from_utf8_lossy(value).into_owned();
            Err(Error::Unwritable { value, file: self.name(), reason })
        };
        for value in [before, after] {
            if value.is_empty() || value.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
                return refused(value, "it has to be one line");
            }
        }
        if before.contains(&b':') || before.starts_with(b"#") {
            return refused(before, "a colon would end it, and a # make it a comment");
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "fake")]
mod tests;
