use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use super::{Error, Result};
use crate::model::VolumeId;

/// One call at a time on a volume. Nobody waits: the second caller is told.
#[derive(Default)]
pub(super) struct VolumeLocks(Mutex<HashSet<VolumeId>>);

/// The right to work on a volume, given back when dropped.
pub(super) struct VolumeLock<'a> {
    locks: &'a VolumeLocks,
    id: VolumeId,
}

impl VolumeLocks {
    pub(super) fn lock(&self, id: &VolumeId) -> Result<VolumeLock<'_>> {
        if self.held().insert(id.clone()) {
            return Ok(VolumeLock { locks: self, id: id.clone() });
        }
        Err(Error::Busy(id.clone()))
    }

    fn held(&self) -> MutexGuard<'_, HashSet<VolumeId>> {
        self.0.lock().expect("no holder panics")
    }
}

impl Drop for VolumeLock<'_> {
    fn drop(&mut self) {
        self.locks.held().remove(&self.id);
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
        drop(held);
        assert!(locks.lock(&a).is_ok());
    }
}
