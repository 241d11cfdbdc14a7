use super::Key;
use super::book::{End, Taken};

/// What a token is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The master token.
    Master {
        /// Which one: [`Keeper::changes`](super::Keeper::changes) tells when there is another.
        generation: u64,
    },
    /// A token that was issued.
    Issued(Grant),
    /// It was good once.
    Expired,
    /// No token of ours, or one that is consumed.
    Unknown,
}

/// An issued token that is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    /// Which one.
    pub id: Key,
    /// When it ends.
    pub ends: End,
    /// How often all of them had been revoked by then.
    pub revoked: u64,
    /// It was for a single use, and is taken: for [`Keeper::give_back`](super::Keeper::give_back), should it come to nothing.
    pub taken: Option<Taken>,
}

/// What makes whoever came with a token look whether it may stay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Epoch {
    /// Which master token it is.
    pub master: u64,
    /// How often all issued tokens were revoked.
    pub revoked: u64,
    /// How often the wall clock jumped.
    pub jumps: u64,
}

impl Verdict {
    /// Whose limit it counts against; none for one that is no good.
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Master { .. } => Some(Key::MASTER),
            Self::Issued(grant) => Some(grant.id),
            Self::Expired | Self::Unknown => None,
        }
    }
}
