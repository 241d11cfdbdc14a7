//! What the parameters of a StorageClass (or `--param`) ask for.

mod error;
mod values;

use std::collections::BTreeMap;

pub use error::ParameterError;

use crate::config::{Defaults, FsChoice};
use crate::model::{Backend, Bytes, Claim, Content, FsKind, InodeLimit, Owner, PoolName, VolumeSpec};

/// What a request says of a volume, besides its name.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The parameters.
    pub parameters: &'a BTreeMap<String, String>,
    /// `fs_type` of every capability that mounts.
    pub fs_types: &'a [&'a str],
    /// Whether a capability asks for raw blocks.
    pub block: bool,
    /// The size, where the request has one: GetCapacity has none.
    pub size: Option<Bytes>,
}

/// A request understood, with every default filled in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parsed {
    /// Where it shall lie.
    pub pool: PoolName,
    /// How that pool makes its volumes.
    pub backend: Backend,
    /// What shall be in it.
    pub content: Content,
    /// Whether space is taken only as it is written.
    pub sparse: bool,
    /// Whether its device shall bypass the page cache of the pool.
    pub direct_io: bool,
    /// How many inodes it may hold, where a limit holds it.
    pub inodes: Option<InodeLimit>,
    /// When a warning is due, where it says.
    pub warn_percent: Option<u8>,
    /// Owner and mode of its root, where any of them is given.
    pub owner: Option<Owner>,
    /// Who claims it.
    pub claim: Claim,
}

/// Every key that is known, sorted.
const SUPPORTED: [&str; 14] = [
    BACKEND,
    FS_TYPE,
    CLAIM_VOLUME,
    CLAIM_NAME,
    CLAIM_NAMESPACE,
    DIRECT_IO,
    FS,
    GID,
    INODES,
    MODE,
    POOL,
    SPARSE,
    UID,
    WARN,
];

const BACKEND: &str = "backend";
const FS_TYPE: &str = "csi.storage.k8s.io/fstype";
const CLAIM_VOLUME: &str = "csi.storage.k8s.io/pv/name";
const CLAIM_NAME: &str = "csi.storage.k8s.io/pvc/name";
const CLAIM_NAMESPACE: &str = "csi.storage.k8s.io/pvc/namespace";
const DIRECT_IO: &str = "directIo";
const FS: &str = "fs";
const GID: &str = "gid";
const INODES: &str = "inodeLimit";
const MODE: &str = "mode";
const POOL: &str = "pool";
const SPARSE: &str = "sparse";
const UID: &str = "uid";
const WARN: &str = "warnPercent";

/// What means nothing where volumes are directories of one filesystem, and why.
const OF_IMAGES: [(&str, &str); 4] = [
    (SPARSE, "a limit takes no space before it is written"),
    (FS, "its volumes are directories of the pool's own filesystem"),
    (FS_TYPE, "its volumes are directories of the pool's own filesystem"),
    (DIRECT_IO, "its volumes have no device: they are written at the disk's own speed"),
];

/// Understands a request, or says what is wrong with it. `pools` are those of this node, in their order.
///
/// One class serves filesystems and raw blocks: what only a filesystem has is not looked at for a block volume.
pub fn parse(
    request: &Request<'_>,
    pools: &[(PoolName, Backend)],
    defaults: &Defaults,
) -> Result<Parsed, ParameterError> {
    request.all_known()?;
    let (pool, backend) = request.pool(pools)?;
    let warn_percent = request.filled(WARN).map(values::percent).transpose()?;
    let claim = request.claim();
    match backend {
        Backend::Loop => {
            let boolean = |key, default| request.get(key).map_or(Ok(default), |value| values::boolean(key, value));
            let (content, owner) = match request.block {
                true => (Content::Block, None),
                false => (Content::Filesystem(request.filesystem(defaults)?), request.owner()?),
            };
            if request.filled(INODES).is_some() {
                let why = "the filesystem in its image has as many inodes as mkfs gives it";
                return Err(ParameterError::NotThere { key: INODES, pool: pool.to_string(), why });
            }
            let (sparse, direct_io) = (boolean(SPARSE, false)?, boolean(DIRECT_IO, true)?);
            Ok(Parsed { pool, backend, content, sparse, direct_io, inodes: None, warn_percent, owner, claim })
        }
        Backend::Quota => {
            request.no_image(&pool)?;
            // Whichever filesystem the pool has: the engine knows.
            let content = Content::Filesystem(FsKind::Xfs);
            let inodes = request.filled(INODES).map(values::inodes).transpose()?;
            let owner = request.owner()?;
            let (sparse, direct_io) = (false, false);
            Ok(Parsed { pool, backend, content, sparse, direct_io, inodes, warn_percent, owner, claim })
        }
    }
}

impl Parsed {
    /// The volume of that name and size.
    pub fn into_spec(self, name: String, size: Bytes) -> VolumeSpec {
        let Self { pool, content, sparse, direct_io, inodes, warn_percent, owner, claim, .. } = self;
        VolumeSpec { name, pool, size, content, sparse, direct_io, inodes, warn_percent, owner, claim }
    }
}

impl<'a> Request<'a> {
    fn get(&self, key: &str) -> Option<&'a str> {
        self.parameters.get(key).map(String::as_str)
    }

    /// The value of a key for which an empty text says nothing.
    fn filled(&self, key: &str) -> Option<&'a str> {
        self.get(key).filter(|value| !value.is_empty())
    }

    fn all_known(&self) -> Result<(), ParameterError> {
        let unknown = self.parameters.keys().filter(|key| !SUPPORTED.contains(&key.as_str()));
        let mut unknown: Vec<String> = unknown.cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        unknown.sort();
        Err(ParameterError::Unknown { unknown, supported: &SUPPORTED })
    }

    /// Refuses what only volumes in images have.
    fn no_image(&self, pool: &PoolName) -> Result<(), ParameterError> {
        let refused = |key, why| Err(ParameterError::NotThere { key, pool: pool.to_string(), why });
        for (key, why) in OF_IMAGES {
            if self.filled(key).is_some() {
                return refused(key, why);
            }
        }
        if self.block {
            return refused("volumeMode: Block", "a directory is no block device");
        }
        match self.fs_types.iter().find(|fs| !fs.trim().is_empty()) {
            Some(_) => refused("the capability's fs_type", "its volumes are directories of the pool's own filesystem"),
            None => Ok(()),
        }
    }

    /// The pool asked for, else the first that has the backend asked for.
    fn pool(&self, pools: &[(PoolName, Backend)]) -> Result<(PoolName, Backend), ParameterError> {
        let backend = self.get(BACKEND).map(backend).transpose()?;
        let asked = self.get(POOL);
        let mut those = pools.iter().filter(|(name, _)| asked.is_none_or(|asked| name.as_str() == asked));
        let Some((first, of_first)) = those.clone().next() else {
            let pools = pools.iter().map(|(name, _)| name.to_string()).collect();
            return Err(ParameterError::Pool { pool: asked.unwrap_or_default().to_owned(), pools });
        };
        let Some(backend) = backend.filter(|backend| backend != of_first) else {
            return Ok((first.clone(), *of_first));
        };
        those.find(|(_, of_it)| *of_it == backend).cloned().ok_or_else(|| {
            let backend = self.get(BACKEND).unwrap_or_default().to_owned();
            ParameterError::BackendOfPool { backend, pool: first.to_string() }
        })
    }

    /// The filesystem that all agree on who ask for one, else the default; refused where it does not fit the size.
    fn filesystem(&self, defaults: &Defaults) -> Result<FsKind, ParameterError> {
        let asked = [("parameter fs", self.get(FS)), ("parameter csi.storage.k8s.io/fstype", self.get(FS_TYPE))];
        let capabilities = self.fs_types.iter().map(|fs| ("the capability's fs_type", Some(*fs)));
        let mut agreed: Option<(&'static str, FsKind)> = None;
        for (other, text) in asked.into_iter().chain(capabilities) {
            let Some(text) = text.map(str::trim).filter(|text| !text.is_empty()) else { continue };
            let second = FsKind::parse(text).ok_or_else(|| ParameterError::Filesystem(text.to_owned()))?;
            let (place, first) = *agreed.get_or_insert((other, second));
            if first != second {
                return Err(ParameterError::Disagree { first, place, second, other });
            }
        }
        let choice = agreed.map_or(defaults.fs, |(_, fs)| FsChoice::Always(fs));
        let fs = choice.of(self.size.unwrap_or(defaults.size));
        match self.size {
            Some(size) if size < fs.smallest() => Err(ParameterError::TooSmall { fs, size }),
            _ => Ok(fs),
        }
    }

    fn owner(&self) -> Result<Option<Owner>, ParameterError> {
        let (uid, gid, mode) = (self.filled(UID), self.filled(GID), self.filled(MODE));
        if uid.is_none() && gid.is_none() && mode.is_none() {
            return Ok(None);
        }
        Ok(Some(Owner {
            uid: uid.map_or(Ok(0), |value| values::id(UID, value))?,
            gid: gid.map_or(Ok(0), |value| values::id(GID, value))?,
            mode: mode.map_or(Ok(0o755), values::mode)?,
        }))
    }

    fn claim(&self) -> Claim {
        let kept = |key| self.filled(key).map(str::to_owned);
        Claim { name: kept(CLAIM_NAME), namespace: kept(CLAIM_NAMESPACE), volume: kept(CLAIM_VOLUME) }
    }
}

fn backend(text: &str) -> Result<Backend, ParameterError> {
    match text {
        "loop" => Ok(Backend::Loop),
        "quota" => Ok(Backend::Quota),
        _ => Err(ParameterError::Backend(text.to_owned())),
    }
}

#[cfg(test)]
mod tests;
