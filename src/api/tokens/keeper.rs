use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};
use tokio::task::spawn_blocking;

use super::book::{Book, Found};
use super::clock::{Clock, SystemClock};
use super::token::Digest;
use super::{Key, Result, Settings, Token, TokenFile};

/// Knows which tokens are good. Everything is synchronous; only [`Keeper::follow`] and [`Keeper::verdict`] need a runtime.
pub struct Keeper {
    file: TokenFile,
    master: RwLock<Master>,
    changes: watch::Sender<u64>,
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

/// What a token is shown for. A single-use token is consumed by either: its socket lives on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// One request.
    Request,
    /// A socket.
    Socket,
}

/// What a token is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The master token.
    Master {
        /// Which one: [`Keeper::changes`] tells when there is another.
        generation: u64,
    },
    /// A token that was issued.
    Issued {
        /// When it ends.
        expires: OffsetDateTime,
        /// Which one.
        id: Key,
    },
    /// It was good once.
    Expired,
    /// No token of ours, or one that is consumed.
    Unknown,
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
            changes: watch::Sender::new(0),
            trouble: Mutex::new(false),
            book: Book::open(&settings.state_dir, clock),
            turns: Arc::new(Semaphore::new(TURNS)),
        })
    }

    /// What a token is worth; a success consumes one that is for a single use.
    ///
    /// The master token costs one digest and no look at any file, an issued one a look into memory besides. One that
    /// is unknown costs a look whether the files have changed; consuming one writes to disk (milliseconds).
    pub fn check(&self, shown: &str, usage: Use) -> Verdict {
        let Some(digest) = Digest::of_shown(shown) else { return Verdict::Unknown };
        match self.judge(&digest, usage) {
            // Another process may have just made it.
            Verdict::Unknown => {
                self.refresh();
                self.judge(&digest, usage)
            }
            verdict => verdict,
        }
    }

    /// [`Keeper::check`] that never holds up who calls: what takes a look at a file is done on another thread.
    pub async fn verdict(self: &Arc<Self>, shown: &str, usage: Use) -> Verdict {
        let Some(digest) = Digest::of_shown(shown) else { return Verdict::Unknown };
        match self.remember(&digest) {
            Ok(verdict) => verdict,
            Err(_) => {
                let turn = self.turns.clone().acquire_owned().await;
                let (keeper, shown) = (self.clone(), shown.to_owned());
                let checked = spawn_blocking(move || {
                    let _turn = turn;
                    keeper.check(&shown, usage)
                });
                checked.await.unwrap_or(Verdict::Unknown)
            }
        }
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

    /// The generation of the master token, and each that follows.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The file in which the master token lies.
    pub fn file(&self) -> &Path {
        self.file.path()
    }

    /// Follows the files, if they have changed.
    pub fn refresh(&self) {
        self.refresh_master();
        self.book.refresh();
    }

    /// Follows the files twice a second, until it is dropped.
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

    fn judge(&self, digest: &Digest, usage: Use) -> Verdict {
        self.remember(digest).unwrap_or_else(|found| match found {
            Found::Once => verdict(digest, self.consume(digest, usage)).unwrap_or(Verdict::Unknown),
            _ => Verdict::Unknown,
        })
    }

    /// From memory; an error where that does not suffice: [`Found::Once`] or [`Found::Absent`].
    fn remember(&self, digest: &Digest) -> Result<Verdict, Found> {
        let master = self.master();
        if *digest == master.digest {
            return Ok(Verdict::Master { generation: master.generation });
        }
        verdict(digest, self.book.find(digest))
    }

    fn consume(&self, digest: &Digest, usage: Use) -> Found {
        let consumed = self.book.consume(digest);
        if matches!(consumed, Ok(Found::Good { .. })) {
            tracing::debug!(token = %digest.key(), ?usage, "a single-use token is consumed");
        }
        consumed.unwrap_or_else(|error| {
            // Good perhaps, but nobody could say that it is used up.
            tracing::error!(token = %digest.key(), %error, "a single-use token is refused");
            Found::Absent
        })
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
            self.changes.send_replace(generation);
            tracing::info!(file = %self.file().display(), "there is another master token: the old one is refused");
        }
    }

    fn master(&self) -> Master {
        *self.master.read().unwrap_or_else(PoisonError::into_inner)
    }
}

fn verdict(digest: &Digest, found: Found) -> Result<Verdict, Found> {
    match found {
        Found::Good { expires } => Ok(Verdict::Issued { expires, id: digest.key() }),
        Found::Expired => Ok(Verdict::Expired),
        Found::Absent | Found::Once => Err(found),
    }
}

impl Verdict {
    /// Whose limit it counts against; none for one that is no good.
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Master { .. } => Some(Key::MASTER),
            Self::Issued { id, .. } => Some(*id),
            Self::Expired | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
