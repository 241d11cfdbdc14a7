use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Engine, Error, Found, Result};
use crate::backend::{Staging, place};
use crate::model::{Content, FsKind, MountOptions, PodRef, Usage, VolumeId};
use crate::store::Record;

/// What a caller takes a volume for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// A directory, of that filesystem where it is named.
    Mount(Option<FsKind>),
    /// A block device.
    Block,
}

/// A volume to be attached and mounted where the node keeps it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StageRequest {
    /// `staging_target_path`.
    pub staging: PathBuf,
    /// What for.
    pub access: Access,
    /// How to mount.
    pub options: MountOptions,
}

/// A staged volume to be shown to a pod.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishRequest {
    /// Where it is staged.
    pub staging: PathBuf,
    /// `target_path`.
    pub target: PathBuf,
    /// What for.
    pub access: Access,
    /// Without writes.
    pub read_only: bool,
    /// At no second target (`SINGLE_NODE_SINGLE_WRITER`).
    pub exclusive: bool,
    /// The pod, where the caller says which.
    pub pod: Option<PodRef>,
}

impl Engine {
    /// Attaches and mounts a volume (`NodeStageVolume`), finishing a growth that is pending. Never formats.
    pub fn stage(&self, id: &VolumeId, request: &StageRequest) -> Result<()> {
        let _lock = self.locks.lock(id)?;
        let mut found = self.existing(id)?;
        found.must_be(request.access)?;
        let growth =
            found.pool.backend.stage(&found.dir, &found.record, Staging(&request.staging), &request.options)?;
        self.refusals.forget(id);
        self.grown(&mut found, growth)
    }

    /// Unmounts and detaches a volume (`NodeUnstageVolume`).
    pub fn unstage(&self, id: &VolumeId, staging: &Path) -> Result<()> {
        let _lock = self.locks.lock(id)?;
        let found = self.leaving(id, staging)?;
        self.backend_at(found.as_ref(), staging).unstage(
            id,
            found.as_ref().map(|found| &found.dir),
            Staging(staging),
        )?;
        self.refusals.forget(id);
        Ok(())
    }

    /// Shows a staged volume at a target path (`NodePublishVolume`).
    pub fn publish(&self, id: &VolumeId, request: &PublishRequest) -> Result<()> {
        let _lock = self.locks.lock(id)?;
        let found = self.existing(id)?;
        found.must_be(request.access)?;
        let staging = Staging(&request.staging);
        if request.exclusive {
            let source = staging.source(found.record.spec.content);
            let known = [source.as_path(), request.target.as_path()];
            let places = found.pool.backend.mounted_elsewhere(&found.dir, &found.record, &known)?;
            if !places.is_empty() {
                return Err(Error::InUse { id: id.clone(), places });
            }
        }
        found.pool.backend.publish(&found.dir, &found.record, staging, &request.target, request.read_only)?;
        self.refusals.published(id);
        self.note_pod(&found, &request.target, request.pod.as_ref());
        Ok(())
    }

    /// Takes a volume off a target path, and the path away (`NodeUnpublishVolume`).
    pub fn unpublish(&self, id: &VolumeId, target: &Path) -> Result<()> {
        let _lock = self.locks.lock(id)?;
        let found = self.leaving(id, target)?;
        self.backend_at(found.as_ref(), target).unpublish(id, found.as_ref().map(|found| &found.dir), target)?;
        if let Some(found) = found {
            self.note_pod(&found, target, None);
        }
        Ok(())
    }

    /// How full a volume is, and that it is at that path (`NodeGetVolumeStats`); with its record.
    pub fn usage(&self, id: &VolumeId, path: &Path) -> Result<(Usage, Arc<Record>)> {
        let found = self.existing(id)?;
        Ok((found.pool.backend.usage(&found.dir, &found.record, path)?, found.record))
    }

    /// The volume that shall leave a path. A pod must be able to go though its volume's pool is out of reach or its record
    /// cannot be read: then the kernel's word on what is mounted is enough. Only of a volume that does not exist, and is
    /// not at the path, the caller hears so.
    pub(super) fn leaving(&self, id: &VolumeId, path: &Path) -> Result<Option<Found<'_>>> {
        match self.existing(id) {
            Ok(found) => Ok(Some(found)),
            Err(Error::NoVolume(_)) if !place::is_occupied(&self.machine, path)? => Err(Error::NoVolume(id.clone())),
            Err(_) => Ok(None),
        }
    }
}

impl Access {
    /// What was asked for, in words, where a volume of that content cannot be had so.
    pub fn mismatch(self, content: Content) -> Option<String> {
        match (self, content) {
            (Self::Block, Content::Block) | (Self::Mount(None), Content::Filesystem(_)) => None,
            (Self::Mount(Some(asked)), Content::Filesystem(fs)) if asked == fs => None,
            (Self::Block, _) => Some("a block device".to_owned()),
            (Self::Mount(Some(fs)), _) => Some(fs.to_string()),
            (Self::Mount(None), _) => Some("a filesystem".to_owned()),
        }
    }
}

impl Found<'_> {
    fn must_be(&self, access: Access) -> Result<()> {
        let (id, content) = (&self.record.id, self.record.spec.content);
        let refused = |asked| Error::WrongContent { id: id.clone(), content: content.to_string(), asked };
        access.mismatch(content).map_or(Ok(()), |asked| Err(refused(asked)))
    }
}
