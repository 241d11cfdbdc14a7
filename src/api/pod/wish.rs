use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::k8s::{Claim, Error};
use crate::model::Bytes;

/// What a volume's claim is known to ask for, and when it is asked again. Pure.
pub(super) struct Wish {
    /// What it asks for.
    pub(super) request: Bytes,
    /// What its volume has, as Kubernetes knows: a filesystem that has yet to grow is not counted. What was asked for, of a
    /// claim that is not bound; zero where the claim was never read.
    pub(super) capacity: Bytes,
    /// When it was made.
    pub(super) created: Option<OffsetDateTime>,
    /// The size that was measured when it was read last.
    seen: Bytes,
    /// Before that the API server is not asked again.
    next_look: Instant,
}

/// A client may ask for the quota many times a second; the API server is for all.
const BETWEEN_LOOKS: Duration = Duration::from_secs(30);
/// Where it said no: a claim without the right to read it, or none of that name.
const AFTER_REFUSAL: Duration = Duration::from_secs(300);
/// Where it said nothing. Until it is known whether a growth waits, a volume that waits for its filesystem seems to be full.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

impl Wish {
    pub(super) fn new() -> Self {
        let nothing = Bytes::ZERO;
        Self { request: nothing, capacity: nothing, created: None, seen: nothing, next_look: Instant::now() }
    }

    /// Whether its filesystem, or all of it, has yet to grow.
    pub(super) fn waits(&self) -> bool {
        self.capacity > Bytes::ZERO && self.capacity < self.request
    }

    /// Whether it is known to stand otherwise by now, or may: it waits, or has grown since.
    pub(super) fn is_old(&self, size: Bytes) -> bool {
        self.waits() || size > self.seen
    }

    /// Whether it is time to ask; whoever hears so does.
    pub(super) fn take_turn(&mut self) -> bool {
        let now = Instant::now();
        let is_due = now >= self.next_look;
        if is_due {
            self.next_look = now + BETWEEN_LOOKS;
        }
        is_due
    }

    /// The claim was read while so much was measured.
    pub(super) fn learn(&mut self, found: &Claim, size: Bytes) {
        self.request = found.request;
        if found.capacity > Bytes::ZERO {
            self.capacity = found.capacity;
        }
        self.created = found.created.or(self.created);
        (self.seen, self.next_look) = (size, Instant::now() + BETWEEN_LOOKS);
    }

    /// It could not be read.
    pub(super) fn fail(&mut self, error: &Error) {
        let is_refused = matches!(error, Error::Forbidden(_) | Error::NotFound(_));
        self.next_look = Instant::now() + if is_refused { AFTER_REFUSAL } else { AFTER_FAILURE };
    }

    /// It was grown, or is being grown.
    pub(super) fn asked_for(&mut self, size: Bytes, is_done: bool) {
        self.request = self.request.max(size);
        if is_done {
            self.capacity = self.capacity.max(size);
        }
    }

    /// What it asks for is not known any more: it was taken back.
    pub(super) fn forget(&mut self) {
        (self.request, self.next_look) = (Bytes::ZERO, Instant::now());
    }
}
