use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::{Error, Result};
use crate::model::VolumeId;

/// One call at a time on a volume. Nobody waits for another's call: the second caller is told. But for what is done behind the
/// calls a caller waits, for nobody has called, and it takes some ms.
#[derive(Default)]
pub(super) struct VolumeLocks {
    held: Mutex<Held>,
    given_back: Condvar,
}

#[derive(Default)]
struct Held {
    volumes: HashMap<VolumeId, Holder>,
    /// How many calls there were, on any volume.
    calls: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Holder {
    Call,
    Behind,
}

/// How long a caller waits for what is done behind: a disk that does not answer is told of, as before.
const PATIENCE: Duration = Duration::from_secs(1);

/// The right to work on a volume, given back when dropped.
pub(super) struct VolumeLock<'a> {
    locks: &'a VolumeLocks,
    id: VolumeId,
}

impl VolumeLocks {
    pub(super) fn lock(&self, id: &VolumeId) -> Result<VolumeLock<'_>> {
        self.take(self.not_behind(id), id, Holder::Call)
    }

    /// For whoever looks, and mends what is wrong: callers wait for that too, as it does for what is done behind.
    pub(super) fn lock_to_look(&self, id: &VolumeId) -> Result<VolumeLock<'_>> {
        self.take(self.not_behind(id), id, Holder::Behind)
    }

    /// For what nobody has asked for: it never waits, and callers wait for it.
    pub(super) fn lock_behind(&self, id: &VolumeId) -> Result<VolumeLock<'_>> {
        self.take(self.held(), id, Holder::Behind)
    }

    /// When nothing is done behind on the volume, or that takes too long.
    fn not_behind(&self, id: &VolumeId) -> MutexGuard<'_, Held> {
        let is_behind = |held: &mut Held| held.volumes.get(id) == Some(&Holder::Behind);
        self.given_back.wait_timeout_while(self.held(), PATIENCE, is_behind).expect("no holder panics").0
    }

    fn take<'a>(&'a self, mut held: MutexGuard<'a, Held>, id: &VolumeId, holder: Holder) -> Result<VolumeLock<'a>> {
        match held.volumes.entry(id.clone()) {
            Entry::Occupied(_) => return Err(Error::Busy(id.clone())),
            Entry::Vacant(place) => place.insert(holder),
        };
        held.calls += 1;
        Ok(VolumeLock { locks: self, id: id.clone() })
    }

    /// For whoever looks without a lock: a number that is the same after the look if nobody worked on the volume meanwhile.
    /// `None`: somebody does.
    pub(super) fn untouched(&self, id: &VolumeId) -> Option<u64> {
        let held = self.held();
        (!held.volumes.contains_key(id)).then_some(held.calls)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("no holder panics")
    }
}

impl Drop for VolumeLock<'_> {
    fn drop(&mut self) {
        self.locks.held().volumes.remove(&self.id);
        self.locks.given_back.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_volume_is_locked_once_and_others_are_not_held_up() {
        let (locks, a, b) = (VolumeLocks::default(), VolumeId::from_name("a"), VolumeId::from_name("b"));
        let held = locks.lock(&a).unwrap();
        assert!(matches!(locks.lock(&a), Err(Error::Busy(id)) if id == a));
        assert!(locks.lock(&b).is_ok());
        assert_eq!(locks.untouched(&a), None);
        drop(held);
        let before = locks.untouched(&a);
        assert!(before.is_some() && locks.untouched(&a) == before);
        drop(locks.lock(&a));
        assert_ne!(locks.untouched(&a), before);
        assert!(locks.lock(&a).is_ok());
    }

    #[test]
    fn a_call_waits_for_what_is_done_behind_and_that_for_nobody() {
        let (locks, id) = (VolumeLocks::default(), VolumeId::from_name("a"));
        let is_busy = |lock: Result<VolumeLock>| matches!(lock, Err(Error::Busy(_)));
        let call = locks.lock(&id).unwrap();
        assert!(is_busy(locks.lock_behind(&id)));
        drop(call);
        let behind = locks.lock_behind(&id).unwrap();
        assert!(is_busy(locks.lock_behind(&id)));
        let begun = Instant::now();
        assert!(is_busy(locks.lock(&id)) && begun.elapsed() >= PATIENCE, "not for ever");
        std::thread::scope(|scope| {
            let calls: Vec<_> = (0..2).map(|_| scope.spawn(|| locks.lock(&id).map(std::mem::forget))).collect();
            std::thread::sleep(Duration::from_millis(50));
            drop(behind);
            let got = calls.into_iter().map(|call| call.join().unwrap().is_ok()).filter(|got| *got).count();
            assert_eq!(got, 1, "of two calls one works");
        });
    }
}
