use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use super::book::{Book, Found, Taken};
use super::clock::{Clock, Drift, SystemClock};
use super::token::Digest;
use super::verdict::{Epoch, Grant, Verdict};
use super::{Result, Settings, Token, TokenFile};

/// Knows which tokens are good. Everything is synchronous; only [`Keeper::follow`] and [`Keeper::verdict`] need a runtime.
pub struct Keeper {
    file: TokenFile,
    master: RwLock<Master>,
    changes: watch::Sender<Epoch>,
    clock: Arc<dyn Clock>,
    drift: Drift,
    /// Whether the master token's file is known to be of no use at the moment.
    trouble: Mutex<bool>,
    book: Book,
    /// The checks that may be at the files together.
    turns: Arc<Semaphore>,
}

#[derive(Clone, Copy)]
struct Master {
    digest: Digest,
    generation: u64,
}

/// How often a running server looks at the files.
const LOOK: Duration = Duration::from_millis(500);

/// Many wrong tokens at once shall not take the threads that measure volumes.
const TURNS: usize = 4;

impl Keeper {
    /// Reads the tokens; makes the master token where none was given and there is none yet.
    ///
    /// # Errors
    /// There is no master token, and none can be made. Issued tokens that cannot be read are an error in the log.
    pub fn open(settings: Settings) -> Result<Self> {
        Self::open_with(settings, Arc::new(SystemClock))
    }

    /// The same with another clock.
    ///
    /// # Errors
    /// As [`Keeper::open`].
    pub fn open_with(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let file = settings.master();
        let digest = file.obtain()?.digest();
        Ok(Self {
            file,
            master: RwLock::new(Master { digest, generation: 0 }),
            changes: watch::Sender::new(Epoch::default()),
            drift: Drift::new(clock.as_ref()),
            trouble: Mutex::new(false),
            book: Book::open(&settings.state_dir, clock.clone()),
            clock,
            turns: Arc::new(Semaphore::new(TURNS)),
        })
    }

    /// What a token is worth; one that is for a single use is taken.
    ///
    /// The master token costs one digest and no look at any file, an issued one a look into memory besides. One that
    /// is unknown costs a look whether the files have changed; consuming one writes to disk (milliseconds).
    pub fn check(&self, shown: &str) -> Verdict {
        let Some(digest) = Digest::of_shown(shown) else { return Verdict::Unknown };
        match self.judge(&digest) {
            // Another process may have just made it.
            Verdict::Unknown => {
                self.refresh();
                self.judge(&digest)
            }
            verdict => verdict,
        }
    }

    /// [`Keeper::check`] that never holds up who calls: what takes a look at a file is done on another thread; for one that is
    /// unknown only where `looks`.
    pub async fn verdict(self: &Arc<Self>, shown: &str, looks: impl FnOnce() -> bool) -> Verdict {
        let Some(digest) = Digest::of_shown(shown) else { return Verdict::Unknown };
        match self.remember(&digest) {
            Ok(verdict) => verdict,
            Err(Found::Absent) if !looks() => Verdict::Unknown,
            Err(_) => {
                let shown = shown.to_owned();
                self.in_turn(move |keeper| keeper.check(&shown)).await.unwrap_or(Verdict::Unknown)
            }
        }
    }

    /// Puts back a single-use token that came to nothing: it is good for another try. Writes to disk.
    pub async fn give_back(self: &Arc<Self>, taken: Taken) {
        let given = self.in_turn(move |keeper| keeper.book.give_back(taken)).await;
        if let Some(Err(error)) = given {
            tracing::error!(%error, "a single-use token that came to nothing is used up all the same");
        }
    }

    /// On a thread that may wait for the disk.
    async fn in_turn<T: Send + 'static>(self: &Arc<Self>, work: impl FnOnce(&Self) -> T + Send + 'static) -> Option<T> {
        let turn = self.turns.clone().acquire_owned().await;
        let keeper = self.clone();
        let done = spawn_blocking(move || {
            let _turn = turn;
            work(&keeper)
        });
        done.await.ok()
    }

    /// Makes a token that is good for that long, or for one use within that time; the second is when it ends.
    /// Writes to disk.
    ///
    /// # Errors
    /// The time is 0 or more than 30 days, there are too many, or it cannot be written down.
    pub fn issue(&self, ttl: Duration, remove_on_use: bool) -> Result<(Token, OffsetDateTime)> {
        let token = Token::generate()?;
        let expires = self.book.issue(token.digest(), ttl, remove_on_use)?;
        tracing::info!(token = %token.digest().key(), %expires, remove_on_use, "a token is issued");
        Ok((token, expires))
    }

    /// How things stand, and each change that follows.
    pub fn changes(&self) -> watch::Receiver<Epoch> {
        self.changes.subscribe()
    }

    /// What the calendar says.
    pub fn now(&self) -> OffsetDateTime {
        self.clock.wall()
    }

    /// The file in which the master token lies.
    pub fn file(&self) -> &Path {
        self.file.path()
    }

    /// Follows the files and the clock, if they have changed.
    pub fn refresh(&self) {
        self.refresh_master();
        self.book.refresh();
        let (revoked, has_jumped) = (self.book.revoked(), self.drift.has_jumped(self.clock.as_ref()));
        self.changes.send_if_modified(|epoch| {
            // Another thread may have been here since that was read, and know of more.
            let is_revoked = revoked > epoch.revoked;
            epoch.revoked = epoch.revoked.max(revoked);
            epoch.jumps += u64::from(has_jumped);
            if is_revoked {
                tracing::info!("the file of the issued tokens was removed: they are refused");
            }
            is_revoked || has_jumped
        });
    }

    /// Follows them twice a second, until it is dropped.
    ///
    /// On one thread: waking two for each look is most of what a process costs that has nothing to do.
    pub async fn follow(self: Arc<Self>) {
        let (_stop, stopped) = mpsc::channel::<()>();
        let following = tokio::task::spawn_blocking(move || {
            while stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                // An error: it has said so itself, and the next look may be better.
                let _ = catch_unwind(AssertUnwindSafe(|| self.refresh()));
            }
        });
        // It ends only with this.
        let _ = following.await;
    }

    fn judge(&self, digest: &Digest) -> Verdict {
        self.remember(digest).unwrap_or_else(|found| match found {
            Found::Once => self.consume(digest),
            _ => Verdict::Unknown,
        })
    }

    /// From memory; an error where that does not suffice: [`Found::Once`] or [`Found::Absent`].
    fn remember(&self, digest: &Digest) -> Result<Verdict, Found> {
        let master = self.master();
        if *digest == master.digest {
            return Ok(Verdict::Master { generation: master.generation });
        }
        // First: what is revoked in between is seen to be.
        let revoked = self.book.revoked();
        match self.book.find(digest) {
            Found::Good(ends) => Ok(Verdict::Issued(Grant { id: digest.key(), ends, revoked, taken: None })),
            Found::Expired => Ok(Verdict::Expired),
            found @ (Found::Absent | Found::Once) => Err(found),
        }
    }

    fn consume(&self, digest: &Digest) -> Verdict {
        let id = digest.key();
        match self.book.consume(digest) {
            Ok(Ok(taken)) => {
                tracing::debug!(token = %id, "a single-use token is taken");
                Verdict::Issued(Grant { id, ends: taken.end(), revoked: taken.revoked(), taken: Some(taken) })
            }
            Ok(Err(Found::Expired)) => Verdict::Expired,
            Ok(Err(_)) => Verdict::Unknown,
            Err(error) => {
                // Good perhaps, but nobody could say that it is used up.
                tracing::error!(token = %id, %error, "a single-use token is refused");
                Verdict::Unknown
            }
        }
    }

    fn refresh_master(&self) {
        let mut is_in_trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match self.file.read() {
            Err(error) => {
                if !std::mem::replace(&mut *is_in_trouble, true) {
                    tracing::warn!(%error, "the master token stays the one that was read last");
                }
            }
            Ok(token) => {
                if std::mem::replace(&mut *is_in_trouble, false) {
                    tracing::info!(file = %self.file().display(), "the master token can be read again");
                }
                self.install(token.digest());
            }
        }
    }

    fn install(&self, digest: Digest) {
        let Master { digest: known, generation } = self.master();
        if digest != known {
            let generation = generation + 1;
            *self.master.write().unwrap_or_else(PoisonError::into_inner) = Master { digest, generation };
            self.changes.send_modify(|epoch| epoch.master = generation);
            tracing::info!(file = %self.file().display(), "there is another master token: the old one is refused");
        }
    }

    fn master(&self) -> Master {
        *self.master.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
