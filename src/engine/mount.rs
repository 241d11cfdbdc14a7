use std::path::{Path, PathBuf};

use super::{Engine, Error, Found, Result};
use crate::backend::{self, place, same_access};
use crate::model::VolumeId;
use crate::store::WantedMount;

/// A place where a volume shall be on a machine of its own, without a kubelet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MountRequest {
    /// A directory, or for raw blocks a file. Made where it is missing.
    pub target: PathBuf,
    /// Without writes.
    pub read_only: bool,
}

impl Engine {
    /// Makes a volume appear at a path; where this engine keeps mounts, after every restart too.
    ///
    /// The wish is written down first: killed after that, the next start mounts it, and the same call finds it mounted.
    pub fn mount(&self, id: &VolumeId, request: &MountRequest) -> Result<()> {
        let _lock = self.locks.lock(id)?;
        self.mount_locked(id, request)
    }

    /// For whoever has the volume's lock.
    pub(super) fn mount_locked(&self, id: &VolumeId, request: &MountRequest) -> Result<()> {
        let mut found = self.existing(id)?;
        let (wanted, is_there) = self.place(&found, request)?;
        let before = found.record.mounts.clone();
        let shown = self.want(&mut found, &wanted).and_then(|()| self.show(&mut found, &wanted));
        if shown.is_err() && !is_there {
            self.withdraw(&mut found, &wanted, before);
        }
        shown
    }

    /// Takes a volume off a path, and forgets that it was wanted there. One that is not there is off already.
    ///
    /// Forgotten last: killed before, the next start mounts it again, as no success was answered.
    pub fn unmount(&self, id: &VolumeId, target: &Path) -> Result<()> {
        let _lock = self.locks.lock(id)?;
        let found = self.leaving(id, target)?;
        let wanted = found.as_ref().and_then(|found| found.wanted_at(target)).cloned();
        match self.backend_at(found.as_ref(), target).unmount(id, found.as_ref().map(|found| &found.dir), target) {
            // Somebody has mounted something else there since: that is not ours to unmount, and the wish is still forgotten.
            Err(backend::Error::ForeignMount { .. }) if wanted.is_some() => {}
            other => other?,
        }
        if let (Some(mut found), Some(wanted)) = (found, wanted) {
            self.clear_away(&wanted)?;
            found.record_mut().mounts.retain(|mount| mount.path != target);
            self.save(&found)?;
        }
        Ok(())
    }

    /// Where it shall be, with what is known of that path; and whether it is there.
    fn place(&self, found: &Found, request: &MountRequest) -> Result<(WantedMount, bool)> {
        let MountRequest { target, read_only } = request;
        let unfit = |reason| backend::Error::Unfit { path: target.clone(), reason };
        if !target.is_absolute() {
            return Err(unfit("it is not an absolute path").into());
        }
        let known = found.wanted_at(target).is_some_and(|known| known.made);
        let (made, is_there) = match found.pool.backend.at(&found.dir, &found.record, target)? {
            Some(_) => {
                same_access(&self.machine, target, *read_only)?;
                (known, true)
            }
            None => (!place::check_free(&self.machine, found.record.spec.content, target)? || known, false),
        };
        Ok((WantedMount { path: target.clone(), read_only: *read_only, made }, is_there))
    }

    fn want(&self, found: &mut Found, wanted: &WantedMount) -> Result<()> {
        if !self.keeps_mounts || found.wanted_at(&wanted.path) == Some(wanted) {
            return Ok(());
        }
        let mounts = &mut found.record_mut().mounts;
        mounts.retain(|mount| mount.path != wanted.path);
        mounts.push(wanted.clone());
        self.save(found)
    }

    /// Mounts it there, finishing a growth that is pending.
    pub(super) fn show(&self, found: &mut Found, wanted: &WantedMount) -> Result<()> {
        let growth = found.pool.backend.mount(&found.dir, &found.record, &wanted.path, wanted.read_only)?;
        self.grown(found, growth)
    }

    /// The first error is the one to tell; what cannot be taken back now is at the next call.
    fn withdraw(&self, found: &mut Found, wanted: &WantedMount, before: Vec<WantedMount>) {
        let id = found.record.id.clone();
        let off = found.pool.backend.unmount(&id, Some(&found.dir), &wanted.path).map_err(Error::from);
        let undone = off.and_then(|()| self.clear_away(wanted)).and_then(|()| {
            let is_other = found.record.mounts != before;
            found.record_mut().mounts = before;
            if is_other { self.save(found) } else { Ok(()) }
        });
        if let Err(error) = undone {
            tracing::warn!(volume = %id, path = %wanted.path.display(), %error, "a mount that failed is not taken back");
        }
    }

    pub(super) fn clear_away(&self, wanted: &WantedMount) -> Result<()> {
        if wanted.made { Ok(place::remove_place(&self.machine, &wanted.path)?) } else { Ok(()) }
    }
}

impl Found<'_> {
    fn wanted_at(&self, path: &Path) -> Option<&WantedMount> {
        self.record.mounts.iter().find(|mount| mount.path == path)
    }
}
