use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use super::{Error, Result};
use crate::model::VolumeId;

/// One call at a time on a volume. Nobody waits: the second caller is told.
#[derive(Default)]
pub(super) struct VolumeLocks(Mutex<Held>);

#[derive(Default)]
struct Held {
    volumes: HashSet<VolumeId>,
    /// How many calls there were, on any volume.
    calls: u64,
}

/// The right to work on a volume, given back when dropped.
pub(super) struct VolumeLock<'a> {
    locks: &'a VolumeLocks,
    id: VolumeId,
}

impl VolumeLocks {
    pub(super) fn lock(&self, id: &VolumeId) -> Result<VolumeLock<'_>> {
        let mut held = self.held();
        if held.volumes.insert(id.clone()) {
            held.calls += 1;
            return Ok(VolumeLock { locks: self, id: id.clone() });
        }
        Err(Error::Busy(id.clone()))
    }

    /// For whoever looks without a lock: a number that is the same after the look if nobody worked on the volume meanwhile.
    /// `None`: somebody does.
    pub(super) fn untouched(&self, id: &VolumeId) -> Option<u64> {
        let held = self.held();
        (!held.volumes.contains(id)).then_some(held.calls)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().expect("no holder panics")
    }
}

impl Drop for VolumeLock<'_> {
    fn drop(&mut self) {
        self.locks.held().volumes.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
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
}
