use std::path::Path;

use super::{Engine, Found, Result};
use crate::model::{PodRef, VolumeId};
use crate::store::{Pods, VolumeDir};

impl Engine {
    /// The pods that a volume is shown to: those that are known, at whose target it is mounted now by the kernel's word.
    pub fn users(&self, id: &VolumeId) -> Result<Vec<PodRef>> {
        let found = self.existing(id)?;
        let is_there = |target: &Path| matches!(found.pool.backend.at(&found.dir, &found.record, target), Ok(Some(_)));
        Ok(self.pods(&found.dir).unwrap_or_default().at(is_there))
    }

    /// Notes which pod a target is, or that it is nobody's. No pod waits for that: what cannot be noted is told, and no more.
    pub(super) fn note_pod(&self, found: &Found, target: &Path, pod: Option<&PodRef>) {
        let before = self.pods(&found.dir);
        // A reboot takes every mount away, and nobody says so.
        let is_gone = |target: &Path| matches!(found.pool.backend.at(&found.dir, &found.record, target), Ok(None));
        let after = before.clone().unwrap_or_default().with(target, pod, is_gone);
        if before.as_ref() != Some(&after)
            && let Err(error) = after.save(&*self.machine.files, &found.dir)
        {
            tracing::warn!(volume = %found.record.id, %error, "it is not noted which pod uses the volume");
        }
    }

    /// What is noted; `None` where it cannot be read, as after a kill or a power cut, and has to be written anew.
    fn pods(&self, dir: &VolumeDir) -> Option<Pods> {
        let loaded = Pods::load(&*self.machine.files, dir);
        loaded.inspect_err(|error| tracing::warn!(%error, "the pods that use the volume are not known")).ok()
    }
}
