use uuid::Uuid;

use super::refusal::{at_least_smallest, refused};
use super::{House, volume};
use crate::api::volumes::{Create, Created, Error};
use crate::engine::{self, CreateRequest, Located, SizeRange};
use crate::model::{Backend, Bytes, Claim, Content, FsKind, PoolName, VolumeId, VolumeSpec};
use crate::store::Record;

/// The size of a volume that is asked for without one.
const DEFAULT: Bytes = Bytes::mib(1024);

/// The longest name, as it is shown to people and written into records.
const LONGEST_NAME: usize = 253;

impl House {
    /// Makes a volume and mounts it where it is mounted nowhere. One of that name that is there already is the answer, if it
    /// is what was asked for.
    pub(super) fn create(&self, create: &Create) -> Result<Created, Error> {
        let name = name(create)?;
        let id = VolumeId::from_name(&name);
        let existing = match self.engine.record(&id) {
            Ok(record) => Some(record),
            // Not there, or what is left of a call that was killed: both are made now.
            Err(engine::Error::NoVolume(_) | engine::Error::Unfinished(_)) => None,
            Err(error) => return Err(refused(error)),
        };
        let request = self.request(name, create, existing.as_deref())?;
        let target = self.settings.mount_dir.join(id.as_str());
        // What could not be mounted was deleted again: its space waits in the trash.
        let made = self.engine.create_mounted(&request, &target).inspect_err(|_| (self.settings.deleted)());
        let is_new = made.map_err(refused)?;
        let volume = volume(self.located(&id)?);
        Ok(Created { volume, is_new })
    }

    /// What is not said is as it is of a volume that is there, and else the default.
    fn request(&self, name: String, create: &Create, existing: Option<&Record>) -> Result<CreateRequest, Error> {
        let there = existing.map(|record| &record.spec);
        let size = create.size.or(there.map(|spec| spec.size)).unwrap_or(DEFAULT);
        at_least_smallest(size)?;
        let size = size.round_up().ok_or_else(|| Error::Invalid("no volume can be so large".to_owned()))?;
        let pool = self.pool(create, there)?;
        let has_limits = self.settings.pools.iter().any(|(name, backend)| *name == pool && *backend == Backend::Quota);
        if has_limits && (create.fs.is_some() || create.sparse.is_some()) {
            let reason = "its volumes are directories of its own filesystem, and take no space before it is written";
            return Err(Error::Invalid(format!("fs and sparse are not there in pool '{pool}': {reason}")));
        }
        let asked = create.fs.map(Content::Filesystem).or(there.map(|spec| spec.content));
        let content = asked.unwrap_or_else(|| Content::Filesystem(self.default_fs(size)));
        if let (Some(fs), None, false) = (content.filesystem().filter(|fs| size < fs.smallest()), there, has_limits) {
            return Err(Error::Invalid(format!("{fs} needs {}, and {size} was asked for", fs.smallest())));
        }
        let spec = VolumeSpec {
            name,
            pool,
            size,
            content,
            sparse: create.sparse.or(there.map(|spec| spec.sparse)).unwrap_or(false),
            direct_io: there.map_or(!has_limits, |spec| spec.direct_io),
            inodes: there.and_then(|spec| spec.inodes),
            warn_percent: there.and_then(|spec| spec.warn_percent),
            owner: there.and_then(|spec| spec.owner),
            claim: Claim::default(),
        };
        Ok(CreateRequest { spec, accepted: SizeRange { at_least: size, at_most: Some(size) } })
    }

    /// As everywhere else, and where that is too small a volume for it, ext4. XFS is the one that grows under its writers
    /// without any further capability; who wants to shrink asks for ext4.
    fn default_fs(&self, size: Bytes) -> FsKind {
        let fs = self.settings.defaults.fs.of(size);
        if size < fs.smallest() { FsKind::Ext4 } else { fs }
    }

    fn pool(&self, create: &Create, there: Option<&VolumeSpec>) -> Result<PoolName, Error> {
        let first = || self.settings.pools.first().map(|(name, _)| name.clone());
        let pool = create.pool.clone().or_else(|| there.map(|spec| spec.pool.clone())).or_else(first);
        pool.ok_or_else(|| Error::Failed("there is no pool".to_owned()))
    }

    fn located(&self, id: &VolumeId) -> Result<Located, Error> {
        self.engine.view().and_then(|view| view.locate(id)).map_err(refused)
    }
}

fn name(create: &Create) -> Result<String, Error> {
    let Some(name) = &create.name else { return Ok(Uuid::new_v4().to_string()) };
    let invalid = |reason: &str| Err(Error::Invalid(format!("name {reason}")));
    match name {
        name if name.trim().is_empty() => invalid("is empty"),
        name if name.len() > LONGEST_NAME => invalid("is longer than 253 bytes"),
        name if name.chars().any(char::is_control) => invalid("has a control character in it"),
        name => Ok(name.clone()),
    }
}
