use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use tracing::info_span;

use super::ledger::Promise;
use super::pool::Pool;
use super::{Engine, Error, MountRequest, Result, SizeRange};
use crate::backend;
use crate::model::{Content, InodeLimit, Owner, VolumeId, VolumeSpec};
use crate::store::{Phase, Record, VolumeDir};

/// A volume that is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CreateRequest {
    /// What it shall be; `spec.size` is the size of a new one.
    pub spec: VolumeSpec,
    /// Which sizes of one that exists satisfy the caller.
    pub accepted: SizeRange,
}

/// How often a project is asked for that somebody else takes at the same time: each time somebody is a volume further.
pub(super) const CLAIMS: usize = 64;

/// What a request for a volume means, given what is there.
#[derive(Debug, PartialEq)]
enum Decision {
    /// Nothing is there.
    Fresh,
    /// An earlier call did not finish: throw away what it left.
    Resume,
    /// It is there already.
    Same,
    /// Another volume has the name.
    Conflict(String),
}

impl Engine {
    /// Makes a volume, or finds that it is there already.
    pub fn create(&self, request: &CreateRequest) -> Result<Arc<Record>> {
        let id = VolumeId::from_name(&request.spec.name);
        let _lock = self.locks.lock(&id)?;
        Ok(self.make_or_find(&id, request)?.0)
    }

    /// The same, and mounted at a path if it is mounted nowhere; whether it was made. On failure no new one is left.
    ///
    /// Under one lock: of two callers who ask for one name, the one that fails must not delete what the other has got.
    pub fn create_mounted(&self, request: &CreateRequest, target: &Path) -> Result<bool> {
        let id = VolumeId::from_name(&request.spec.name);
        let _lock = self.locks.lock(&id)?;
        let (_, is_new) = self.make_or_find(&id, request)?;
        if !is_new && self.view()?.locate(&id)?.place.is_some() {
            return Ok(false);
        }
        let mounted = self.mount_locked(&id, &MountRequest { target: target.to_owned(), read_only: false });
        if mounted.is_err()
            && is_new
            && let Err(error) = self.remove_locked(&id)
        {
            tracing::error!(volume = %id, %error, "made and not mounted, and it cannot be deleted");
        }
        mounted.map(|()| is_new)
    }

    /// The volume, and whether it was made now.
    fn make_or_find(&self, id: &VolumeId, request: &CreateRequest) -> Result<(Arc<Record>, bool)> {
        let pool = self.pool(&request.spec.pool)?;
        let request = &pool.as_it_can_be(request);
        let at_work = pool.ledger.at_work();
        let found = self.find(id)?;
        // In another pool it would be made a second time, and both be refused once that one is back.
        if let Some(lost) = found.is_none().then(|| self.lost(id)).flatten() {
            return Err(lost);
        }
        if at_work.is_none() {
            return Err(Error::NotServed { pool: pool.name().clone(), reason: "it is being opened".to_owned() });
        }
        match (decide(found.as_ref().map(|found| &*found.record), request), found) {
            (Decision::Same, Some(found)) => return Ok((found.record, false)),
            (Decision::Conflict(difference), _) => return Err(Error::Conflict { id: id.clone(), difference }),
            (Decision::Resume, Some(found)) => self.discard(found.pool, id)?,
            _ => {}
        }
        pool.still_there(&self.machine)?;
        if let Some(fs) = request.spec.content.filesystem()
            && let Some(Err(reason)) = pool.served()?.filesystems.get(&fs)
        {
            return Err(Error::NoFilesystem { pool: pool.name().clone(), fs, reason: reason.clone() });
        }
        let spec = &request.spec;
        let promise = Promise { dir: pool.dir.volume(id), project: None, size: spec.size, sparse: spec.sparse };
        let admission = pool.admit(&self.machine, id, promise)?;
        let record = self.make(pool, id, spec)?;
        pool.ledger.record(id, Promise::of(pool.dir.volume(id), &record));
        admission.keep();
        Ok((Arc::new(record), true))
    }

    /// On failure no file is left.
    fn make(&self, pool: &Pool, id: &VolumeId, spec: &VolumeSpec) -> Result<Record> {
        for _ in 1..CLAIMS {
            match self.try_making(pool, id, spec) {
                Err(Error::Backend(backend::Error::ProjectTaken { project, .. })) => {
                    tracing::info!(volume = %id, %project, "somebody else has taken the project at the same time: another");
                }
                made => return made,
            }
        }
        self.try_making(pool, id, spec)
    }

    fn try_making(&self, pool: &Pool, id: &VolumeId, spec: &VolumeSpec) -> Result<Record> {
        let dir = pool.dir.volume(id);
        self.provision(pool, &dir, id, spec).map_err(|error| {
            if let Err(error) = self.discard(pool, id).and_then(|()| pool.empty_trash(&self.machine)) {
                tracing::warn!(volume = %id, %error, "what was made of the volume is taken away later");
            }
            if error.is_no_space() { pool.ran_full(&self.machine, spec.size) } else { error }
        })
    }

    fn provision(&self, pool: &Pool, dir: &VolumeDir, id: &VolumeId, spec: &VolumeSpec) -> Result<Record> {
        let _step = info_span!("provision").entered();
        let files = &*self.machine.files;
        let mut record = Record::creating(id.clone(), spec.clone(), SystemTime::now().into());
        let limits = pool.limits();
        if let Some(limits) = &limits {
            record.project = Some(limits.claim(&self.machine, &pool.dir, id.as_str(), &dir.data())?);
        }
        files.create_dir(dir.path())?;
        self.records.save(dir, &record)?;
        pool.backend.provision(dir, &record)?;
        record.phase = Phase::Ready;
        self.records.save(dir, &record)?;
        if let Some(limits) = limits {
            limits.write_names(pool);
        }
        tracing::debug!(size = %spec.size, content = %spec.content, "made");
        Ok(record)
    }
}

impl Pool {
    /// The request with what this pool leaves no choice in: the filesystem of volumes that share its own.
    fn as_it_can_be(&self, request: &CreateRequest) -> CreateRequest {
        let mut request = request.clone();
        if self.backend.has_limits()
            && let Ok(served) = self.served()
            && let Some(fs) = served.filesystems.keys().next()
        {
            request.spec.content = Content::Filesystem(*fs);
        }
        request
    }
}

fn decide(existing: Option<&Record>, request: &CreateRequest) -> Decision {
    let Some(record) = existing else { return Decision::Fresh };
    if record.phase == Phase::Creating {
        return Decision::Resume;
    }
    let (there, asked) = (&record.spec, &request.spec);
    let mut differences = Vec::new();
    let mut compare = |what: &str, there: String, asked: String| {
        if there != asked {
            differences.push(format!("{what} is {there}, and {asked} was asked for"));
        }
    };
    compare("name", there.name.clone(), asked.name.clone());
    compare("pool", there.pool.to_string(), asked.pool.to_string());
    compare("content", there.content.to_string(), asked.content.to_string());
    compare("sparse", there.sparse.to_string(), asked.sparse.to_string());
    compare("directIo", there.direct_io.to_string(), asked.direct_io.to_string());
    let owner = |owner: Option<Owner>| owner.map_or_else(|| "the default".to_owned(), |owner| owner.to_string());
    let inodes = |limit: Option<InodeLimit>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    compare("inodeLimit", inodes(there.inodes), inodes(asked.inodes));
    compare("owner", owner(there.owner), owner(asked.owner));
    if !request.accepted.contains(there.size) {
        differences.push(format!("size is {}, and {} was asked for", there.size, request.accepted));
    }
    if differences.is_empty() { Decision::Same } else { Decision::Conflict(differences.join("; ")) }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::model::{Bytes, Claim, Content, FsKind, PoolName};

    fn request(change: impl Fn(&mut CreateRequest)) -> CreateRequest {
        let spec = VolumeSpec {
            name: "db".into(),
            pool: PoolName::parse("default").unwrap(),
            size: Bytes::gib(1),
            content: Content::Filesystem(FsKind::Xfs),
            sparse: false,
            direct_io: true,
            inodes: None,
            warn_percent: None,
            owner: None,
            claim: Claim::default(),
        };
        let mut request = CreateRequest { spec, accepted: SizeRange { at_least: Bytes::gib(1), at_most: None } };
        change(&mut request);
        request
    }

    fn record(phase: Phase) -> Record {
        let spec = request(|_| {}).spec;
        let mut record = Record::creating(VolumeId::from_name("db"), spec, OffsetDateTime::UNIX_EPOCH);
        record.phase = phase;
        record
    }

    #[test]
    fn decides_by_what_is_there() {
        let plain = request(|_| {});
        assert_eq!(decide(None, &plain), Decision::Fresh);
        assert_eq!(decide(Some(&record(Phase::Creating)), &plain), Decision::Resume);
        assert_eq!(decide(Some(&record(Phase::Ready)), &plain), Decision::Same);
    }

    #[test]
    fn another_size_is_the_same_while_it_is_accepted() {
        let ready = record(Phase::Ready);
        let sized = |at_least, at_most| request(|request| request.accepted = SizeRange { at_least, at_most });
        assert_eq!(decide(Some(&ready), &sized(Bytes::mib(100), None)), Decision::Same);
        assert_eq!(decide(Some(&ready), &sized(Bytes::ZERO, Some(Bytes::gib(1)))), Decision::Same);
        for other in [sized(Bytes::gib(2), None), sized(Bytes::ZERO, Some(Bytes::mib(100)))] {
            assert!(
                matches!(decide(Some(&ready), &other), Decision::Conflict(text) if text.starts_with("size is 1Gi"))
            );
        }
    }

    #[test]
    fn a_conflict_names_every_difference() {
        let other = request(|request| {
            request.spec.sparse = true;
            request.spec.content = Content::Block;
            request.spec.owner = Some(Owner { uid: 1000, gid: 0, mode: 0o750 });
            request.spec.claim.name = Some("another claim is no difference".into());
        });
        let expected = "content is xfs, and block was asked for; sparse is false, and true was asked for; \
                        owner is the default, and 1000:0 with mode 0750 was asked for";
        assert_eq!(decide(Some(&record(Phase::Ready)), &other), Decision::Conflict(expected.into()));
    }
}
