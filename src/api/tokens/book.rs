//! The issued tokens: on disk for all processes, and in memory as this one saw them last.

mod disk;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::clock::Clock;
use super::record::Record;
use super::token::Digest;
use super::ttl::{self, LONGEST_TTL};
use super::{Error, Result, file};
use disk::{Disk, Fault};

pub(super) struct Book {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    entries: RwLock<HashMap<Digest, Entry>>,
    disk: Mutex<Disk>,
    /// How often the file was removed, which revokes all of them.
    revoked: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    record: Record,
    /// When it ends by the steady clock.
    deadline: Instant,
}

/// When a token ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// By the wall clock.
    pub wall: OffsetDateTime,
    /// By the steady one.
    pub steady: Instant,
}

/// A single-use token that was taken out of the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Taken {
    entry: Entry,
    /// How often all tokens had been revoked by then.
    revoked: u64,
}

/// What is known of a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Absent,
    Expired,
    Good(End),
    /// Good, if nobody consumes it before.
    Once,
}

/// The most issued tokens there may be at a time: a file of 1.5 MB.
pub(super) const MOST: usize = 10_000;

/// How long an expired token is remembered, so that whoever still shows it hears why it is refused.
const REMEMBERED: Duration = Duration::from_secs(3600);

impl Book {
    /// What lies in the directory; nothing has to.
    pub(super) fn open(dir: &Path, clock: Arc<dyn Clock>) -> Self {
        let disk = Mutex::new(Disk::new(dir.join("tokens.yaml")));
        let book = Self { dir: dir.to_owned(), clock, entries: RwLock::default(), disk, revoked: AtomicU64::new(0) };
        book.refresh();
        book
    }

    /// From memory alone.
    pub(super) fn find(&self, digest: &Digest) -> Found {
        self.entry(digest).map_or(Found::Absent, |entry| self.judge(&entry))
    }

    /// Follows the file, if it has changed.
    pub(super) fn refresh(&self) {
        let mut disk = self.disk();
        if disk.is_current() {
            return;
        }
        match disk.read() {
            Ok(records) => self.install(&records, disk.vanished()),
            Err(Fault::Io(error)) => disk.complain(&error),
            Err(Fault::Damaged(_)) => {
                // Not while another writes: what it writes is good.
                drop(disk);
                if let Err(error) = self.change(|_, _| Ok(((), false))) {
                    self.disk().complain(&error);
                }
            }
        }
    }

    /// Writes a new token down; the answer is when it ends.
    pub(super) fn issue(&self, digest: Digest, ttl: Duration, is_single_use: bool) -> Result<OffsetDateTime> {
        let ttl = ttl::checked(ttl)?;
        file::make_dir(&self.dir).map_err(Error::io("make the directory", &self.dir))?;
        self.change(|records, _| {
            let now = self.clock.wall();
            if records.len() >= MOST {
                records.retain(|record| record.expires > now);
            }
            if records.len() >= MOST {
                return Err(Error::TooMany(MOST));
            }
            // Whole seconds, as the answer has them; rounded up, so it lives no shorter than was asked.
            let issued = now.replace_nanosecond(0).unwrap_or(now);
            let begins = if issued < now { issued + Duration::from_secs(1) } else { issued };
            let expires = begins + Duration::from_secs(ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0));
            records.push(Record { digest, issued, expires, is_single_use });
            Ok((expires, true))
        })
    }

    /// Takes a single-use token out of the file; [`Found::Absent`] where another was first.
    pub(super) fn consume(&self, digest: &Digest) -> Result<Result<Taken, Found>> {
        self.change(|records, revoked| {
            let place = records.iter().position(|record| record.digest == *digest);
            // By the deadline that this process knows, not only by the file.
            match (place, self.find(digest), self.entry(digest)) {
                (Some(at), Found::Once, Some(entry)) => {
                    records.swap_remove(at);
                    Ok((Ok(Taken { entry, revoked }), true))
                }
                (Some(_), found, _) => Ok((Err(found), false)),
                (None, ..) => Ok((Err(Found::Absent), false)),
            }
        })
    }

    /// Puts it back, as it came to nothing. Not where all tokens were revoked since.
    pub(super) fn give_back(&self, Taken { entry, revoked: before }: Taken) -> Result<()> {
        self.change(|records, revoked| {
            let is_wanted = revoked == before && records.len() < MOST;
            if is_wanted {
                records.push(entry.record);
            }
            Ok(((), is_wanted))
        })?;
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(back) = entries.get_mut(&entry.record.digest) {
            back.deadline = entry.deadline;
        }
        Ok(())
    }

    /// How often all of them were revoked.
    pub(super) fn revoked(&self) -> u64 {
        self.revoked.load(Ordering::SeqCst)
    }

    /// One change, alone among all threads and processes, on what is on disk now; kept in memory too.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Record>, u64) -> Result<(T, bool)>) -> Result<T> {
        let _locked = file::lock(&self.dir.join("tokens.lock"))?;
        let mut disk = self.disk();
        let mut records = match disk.read() {
            Ok(records) => records,
            Err(Fault::Io(error)) => return Err(error),
            Err(Fault::Damaged(reason)) => {
                disk.set_aside(&reason, self.clock.wall())?;
                Vec::new()
            }
        };
        self.install(&records, disk.vanished());
        let (value, is_changed) = change(&mut records, disk.vanished())?;
        if is_changed {
            let now = self.clock.wall();
            records.retain(|record| record.expires + REMEMBERED > now);
            disk.write(&records)?;
            self.install(&records, disk.vanished());
        }
        Ok(value)
    }

    fn install(&self, records: &[Record], revoked: u64) {
        let (wall, steady) = (self.clock.wall(), self.clock.steady());
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let entry = |record: &Record| {
            // What is known keeps its deadline: a clock that was ahead costs nothing once it is right again.
            let known = entries.get(&record.digest).map(|entry| entry.deadline);
            (record.digest, Entry { record: *record, deadline: known.unwrap_or_else(|| steady + left(record, wall)) })
        };
        *entries = records.iter().map(entry).collect();
        self.revoked.store(revoked, Ordering::SeqCst);
    }

    fn judge(&self, entry: &Entry) -> Found {
        let Record { expires, is_single_use, .. } = entry.record;
        match self.clock.wall() < expires && self.clock.steady() < entry.deadline {
            false => Found::Expired,
            true if is_single_use => Found::Once,
            true => Found::Good(entry.end()),
        }
    }

    fn entry(&self, digest: &Digest) -> Option<Entry> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(digest).copied()
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn end(&self) -> End {
        End { wall: self.record.expires, steady: self.deadline }
    }
}

impl Taken {
    pub(super) fn end(&self) -> End {
        self.entry.end()
    }

    pub(super) fn revoked(&self) -> u64 {
        self.revoked
    }
}

/// How long a token that is seen for the first time has, by the wall clock; never more than it was issued for.
fn left(record: &Record, wall: OffsetDateTime) -> Duration {
    let rounded = LONGEST_TTL + Duration::from_secs(1);
    let whole = Duration::try_from(record.expires - record.issued).unwrap_or_default().min(rounded);
    // Past its end the wall clock refuses it, and that may be wrong for a while.
    Duration::try_from(record.expires - wall).map_or(whole, |left| left.min(whole))
}

#[cfg(test)]
mod tests;
