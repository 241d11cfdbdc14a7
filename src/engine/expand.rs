use std::fmt;
use std::path::Path;

use tracing::info_span;

use super::ledger::Promise;
use super::{Engine, Error, Found, Kind, Result};
use crate::backend::Growth;
use crate::model::{Bytes, VolumeId};

/// The sizes that satisfy a caller (`CapacityRange` of CSI).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SizeRange {
    /// No smaller.
    pub at_least: Bytes,
    /// No larger, where there is a limit.
    pub at_most: Option<Bytes>,
}

impl SizeRange {
    /// Whether a size is in it.
    pub fn contains(&self, size: Bytes) -> bool {
        size >= self.at_least && self.at_most.is_none_or(|limit| size <= limit)
    }
}

impl fmt::Display for SizeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at_most {
            Some(limit) => write!(f, "{} to {limit}", self.at_least),
            None => write!(f, "at least {}", self.at_least),
        }
    }
}

impl Engine {
    /// Grows a volume to `range.at_least`, online where it is mounted (`NodeExpandVolume`); returns its size.
    ///
    /// Where `path` is given the volume must be there; one that is larger already is as it should be ("already larger than or
    /// equal to the target capacity": OK); and a size that was refused before the volume was published last is
    /// [`Error::RefusedAgain`]. Without a path a smaller size is somebody's mistake: [`Error::Smaller`].
    ///
    /// Image, record and device grow before the filesystem: killed in between, the same call or the next stage goes on.
    pub fn expand(&self, id: &VolumeId, path: Option<&Path>, range: SizeRange) -> Result<Bytes> {
        let _lock = self.locks.lock(id)?;
        let mut found = self.existing(id)?;
        let path = match path {
            Some(path) => Some(found.pool.backend.mounted(&found.dir, id, path)?.0),
            None => None,
        };
        match self.grow(&mut found, path.as_deref(), range) {
            Err(refused) if path.is_some() => Err(self.refusal(&found, range, refused)),
            grown => grown,
        }
    }

    /// What to say to a kubelet.
    fn refusal(&self, found: &Found, range: SizeRange, refused: Error) -> Error {
        match refused.kind() {
            Kind::SizeRefused if self.refusals.refused(&found.record.id, range.at_least) => {
                Error::RefusedAgain { size: found.record.spec.size, refused: Box::new(refused) }
            }
            _ => refused,
        }
    }

    fn grow(&self, found: &mut Found, path: Option<&Path>, range: SizeRange) -> Result<Bytes> {
        let size = found.record.spec.size;
        if let Some(limit) = range.at_most.filter(|limit| *limit < size) {
            return Err(Error::PastLimit { size, limit });
        }
        if path.is_none() && range.at_least < size && range.at_least > Bytes::ZERO {
            return Err(Error::Smaller { size, asked: range.at_least });
        }
        if range.at_least > size {
            self.enlarge(found, range.at_least)?;
        } else if !found.record.growth_is_pending() {
            return Ok(size);
        }
        let _step = info_span!("follow").entered();
        let growth = found.pool.backend.follow(&found.dir, &found.record, path)?;
        self.grown(found, growth)?;
        Ok(found.record.spec.size)
    }

    fn enlarge(&self, found: &mut Found, size: Bytes) -> Result<()> {
        let _step = info_span!("enlarge").entered();
        let (pool, before) = (found.pool, found.record.clone());
        let promise = Promise { size, ..Promise::of(found.dir.clone(), &before) };
        let admission = pool.admit(&self.machine, &before.id, promise).map_err(Error::when_growing)?;
        let full = |error: Error| match error.is_no_space() {
            true => pool.ran_full(&self.machine, size).when_growing(),
            false => error,
        };
        found.pool.backend.enlarge(&found.dir, &before, size).map_err(|error| full(error.into()))?;
        let record = found.record_mut();
        match pool.backend.has_limits() {
            true => record.set_size(size), // nothing has to follow
            false => record.spec.size = size,
        }
        if let Err(error) = self.save(found) {
            // Unless the record is the new one all the same: then the growth holds, and the next call goes on.
            let written = self.records.load(&found.dir)?;
            match written.as_ref() == Some(&before) {
                true => found.pool.backend.trim(&found.dir, &before)?,
                false => admission.keep(),
            }
            return Err(full(error));
        }
        admission.keep();
        Ok(())
    }

    /// Writes down that the filesystem has followed the volume's size.
    pub(super) fn grown(&self, found: &mut Found, growth: Growth) -> Result<()> {
        if growth == Growth::Done && found.record.growth_is_pending() {
            found.record_mut().grown_to = found.record.spec.size;
            self.save(found)?;
        }
        Ok(())
    }
}
