//! What a volume means: who may have it, when it exists, how large it is. Synchronous; the only writer of records.
//!
//! Every call owns its volume's lock from beginning to end, and nobody waits for another's call. The lock of a filesystem is held
//! only while its room is counted. A call that is killed at any instruction gives, repeated after [`Engine::recover`], the
//! answer it would have given.

mod audit;
mod capacity;
mod create;
mod delete;
mod error;
mod expand;
mod import;
mod inspect;
mod ledger;
mod located;
mod locks;
mod lost;
mod mount;
mod opening;
mod pods;
mod pool;
mod projects;
mod publish;
mod recover;
mod refusals;
mod remount;
mod room;
mod shrink;
mod view;

pub use capacity::Capacity;
pub use create::CreateRequest;
pub use error::{Error, Kind, Result};
pub use expand::SizeRange;
pub use import::{Imported, Outcome};
pub use inspect::{PoolStatus, SetAside};
pub use located::{Expected, Located, Place, Source, Whereabouts};
pub use mount::MountRequest;
pub use publish::{Access, PublishRequest, StageRequest};
pub use room::Room;
pub use view::{Inspection, Sample, View};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use crate::backend::Backend;
use crate::config::PoolConfig;
use crate::host::Machine;
use crate::model::{PoolName, Thresholds, VolumeId};
use crate::store::{self, Phase, Record, Records, VolumeDir};
use audit::Audited;
use ledger::Library;
use locks::VolumeLocks;
use lost::Lost;
use pool::Pool;
use projects::Tables;
use refusals::Refusals;

/// The engine over one machine's pools.
pub struct Engine {
    machine: Machine,
    pools: Vec<Pool>,
    records: Records,
    library: Library,
    tables: Tables,
    audited: Audited,
    locks: VolumeLocks,
    lost: Lost,
    refusals: Refusals,
    /// When a volume is nearly full, and full.
    thresholds: Thresholds,
    recovered: AtomicBool,
    set_aside: RwLock<Vec<SetAside>>,
    /// Whether mounts are written down, and come back after a restart.
    keeps_mounts: bool,
    /// Where volumes are wanted and could not be mounted, and why.
    absent: Mutex<BTreeMap<(PathBuf, VolumeId), String>>,
}

/// A volume that was found.
struct Found<'a> {
    pool: &'a Pool,
    dir: VolumeDir,
    record: Arc<Record>,
}

impl Found<'_> {
    /// The record to be changed: whoever else has it keeps what they have.
    fn record_mut(&mut self) -> &mut Record {
        Arc::make_mut(&mut self.record)
    }
}

impl Engine {
    /// An engine that serves nothing yet: call [`Engine::recover`].
    pub fn new(machine: Machine, pools: Vec<PoolConfig>) -> Self {
        Self {
            pools: pools.into_iter().map(|config| Pool::new(&machine, config)).collect(),
            records: Records::new(machine.files.clone()),
            machine,
            library: Library::default(),
            tables: Tables::default(),
            audited: Audited::default(),
            locks: VolumeLocks::default(),
            lost: Lost::default(),
            refusals: Refusals::default(),
            thresholds: Thresholds::default(),
            recovered: AtomicBool::new(false),
            set_aside: RwLock::default(),
            keeps_mounts: false,
            absent: Mutex::default(),
        }
    }

    /// The engine that finds a volume nearly full, and full, by these.
    pub fn judging_by(mut self, thresholds: Thresholds) -> Self {
        self.thresholds = thresholds;
        self
    }

    /// Whether what an earlier process left is in order: before that no call can be answered.
    pub fn is_recovered(&self) -> bool {
        self.recovered.load(Ordering::Acquire)
    }

    /// Whether calls can be answered: recovered, and at least one pool served. Else why not.
    pub fn ready(&self) -> Result<(), String> {
        if !self.is_recovered() {
            return Err("volumes are being recovered".to_owned());
        }
        let states = self.pools.iter().map(|pool| Ok::<_, String>((pool.name(), pool.state().as_ref().err().cloned())));
        let refused: Vec<_> = states.flatten().filter_map(|(name, reason)| Some((name, reason?))).collect();
        if refused.len() < self.pools.len() {
            return Ok(());
        }
        let reasons: Vec<_> = refused.iter().map(|(name, reason)| format!("pool '{name}': {reason}")).collect();
        Err(format!("no pool is served: {}", reasons.join("; ")))
    }

    fn pool(&self, name: &PoolName) -> Result<&Pool> {
        self.pools.iter().find(|pool| pool.name() == name).ok_or_else(|| Error::NoPool {
            pool: name.clone(),
            known: self.pools.iter().map(|pool| pool.name().as_str()).collect::<Vec<_>>().join(", "),
        })
    }

    fn served_pools(&self) -> impl Iterator<Item = &Pool> {
        self.pools.iter().filter(|pool| pool.is_served())
    }

    /// Looks a volume up in the pools that are served. One small file is read for each.
    fn find(&self, id: &VolumeId) -> Result<Option<Found<'_>>> {
        let (mut found, mut sick): (Option<Found>, _) = (None, None);
        for pool in self.served_pools() {
            match self.find_in(pool, id) {
                Ok(Some(second)) if found.is_some() => {
                    let pools = [found.map(|first| first.pool), Some(second.pool)];
                    let names: Vec<_> = pools.into_iter().flatten().map(|pool| pool.name().as_str()).collect();
                    let reason = format!("it lies in more than one pool: {}", names.join(", "));
                    return Err(Error::Unreadable { id: id.clone(), reason });
                }
                Ok(None) => {}
                Ok(some) => found = some,
                Err(error @ Error::Unreadable { .. }) => return Err(error),
                // It may lie in another pool, and then this one is not the matter.
                Err(error) => sick = Some(error),
            }
        }
        match (found, sick) {
            (None, Some(error)) => Err(error),
            (found, _) => Ok(found),
        }
    }

    fn find_in<'a>(&self, pool: &'a Pool, id: &VolumeId) -> Result<Option<Found<'a>>> {
        let dir = pool.dir.volume(id);
        if let Some(record) = self.record_in(&dir, id)? {
            return Ok(Some(Found { pool, dir, record }));
        }
        let Some(reason) = self.remains(&dir)? else { return Ok(None) };
        // A question takes no lock: meanwhile it may have been made, or thrown away.
        if let Some(record) = self.record_in(&dir, id)? {
            return Ok(Some(Found { pool, dir, record }));
        }
        match self.machine.files.stat(dir.path())? {
            Some(_) => Err(Error::Unreadable { id: id.clone(), reason }),
            None => Ok(None),
        }
    }

    fn record_in(&self, dir: &VolumeDir, id: &VolumeId) -> Result<Option<Arc<Record>>> {
        self.records.load(dir).map_err(|error| match error {
            store::Error::Unreadable { reason, .. } => Error::Unreadable { id: id.clone(), reason },
            error => error.into(),
        })
    }

    /// What is in a volume's directory though there is no record. A call that was killed before it wrote one leaves an
    /// empty directory; anything else is somebody's.
    fn remains(&self, dir: &VolumeDir) -> Result<Option<String>> {
        if self.machine.files.stat(dir.path())?.is_none() {
            return Ok(None);
        }
        let names = match self.machine.files.list(dir.path()) {
            Err(_) if self.machine.files.stat(dir.path())?.is_none() => return Ok(None),
            names => names?,
        };
        let strange = names.iter().find(|name| dir.path().join(name) != dir.half_record());
        Ok(strange.map(|name| format!("there is no record, and there is '{name}'")))
    }

    /// A volume that must be there, and finished.
    fn existing(&self, id: &VolumeId) -> Result<Found<'_>> {
        let found = self.find(id)?.map_or_else(|| Err(self.missing(id)), Ok)?;
        match found.record.phase {
            Phase::Ready => Ok(found),
            Phase::Creating => Err(Error::Unfinished(id.clone())),
        }
    }

    /// Not to be found: it does not exist, unless it may lie in a pool that is out of reach.
    fn missing(&self, id: &VolumeId) -> Error {
        let anywhere = || self.pools.iter().find_map(|pool| self.out_of_reach(pool, id));
        let out_of_reach = self.lost(id).or_else(anywhere);
        out_of_reach.unwrap_or_else(|| match self.find(id) {
            Ok(None) => Error::NoVolume(id.clone()),
            Ok(Some(_)) => Error::Unfinished(id.clone()), // just made, or its pool has come back
            Err(error) => error,
        })
    }

    fn out_of_reach(&self, pool: &Pool, id: &VolumeId) -> Option<Error> {
        match pool.still_there(&self.machine) {
            Err(Error::NotServed { pool, reason }) => Some(Error::NoVolumeHere { id: id.clone(), pool, reason }),
            _ => None,
        }
    }

    /// Who takes a volume off a path, though it may not be known in which pool it lies.
    fn backend_at<'a>(&'a self, found: Option<&Found<'a>>, path: &Path) -> &'a dyn Backend {
        let mut backends = self.pools.iter().map(|pool| &*pool.backend);
        match found {
            Some(found) => &*found.pool.backend,
            None => {
                let by_kernel = backends.clone().find(|backend| backend.recognises(path).unwrap_or_default());
                by_kernel.or_else(|| backends.next()).expect("a configuration without a pool is refused")
            }
        }
    }

    fn save(&self, found: &Found) -> Result<()> {
        Ok(self.records.save(&found.dir, &found.record)?)
    }
}
