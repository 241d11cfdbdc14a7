//! The volumes of one machine, as the quota API asks for them: [`Volumes`] over an engine that keeps mounts.

mod create;
mod gauge;
mod refusal;

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use super::volumes::{Create, Created, Error, Resized, Volume, Volumes};
use crate::backend;
use crate::config::Defaults;
use crate::engine::{self, Engine, Expected, Located};
use crate::model::{Backend, Bytes, PoolName, VolumeId};
use crate::monitor::Target;
use crate::store::Record;
use gauge::VolumeGauge;
use refusal::refused;

/// The volumes of this machine, whoever made them.
#[derive(Clone)]
pub struct Machine(Arc<House>);

/// What a machine is told.
pub struct Settings {
    /// Where a volume is mounted that nobody has mounted: under its id.
    pub mount_dir: PathBuf,
    /// The pools, the one for a request that names none first.
    pub pools: Vec<(PoolName, Backend)>,
    /// What a request that does not say gets.
    pub defaults: Defaults,
    /// Told when a volume was deleted: its space waits in the trash.
    pub deleted: Arc<dyn Fn() + Send + Sync>,
}

struct House {
    engine: Arc<Engine>,
    settings: Settings,
    /// Those that are just being resized.
    resizing: Mutex<HashSet<VolumeId>>,
    /// Those whose filesystem had yet to grow when their record was last read.
    waiting: Mutex<HashSet<VolumeId>>,
}

impl Machine {
    /// Over an engine; it keeps mounts, or what is mounted here is gone after a restart.
    pub fn new(engine: Arc<Engine>, settings: Settings) -> Self {
        Self(Arc::new(House { engine, settings, resizing: Mutex::default(), waiting: Mutex::default() }))
    }

    /// Work on a thread of its own, which goes on to its end when the client hangs up.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&House) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let house = self.0.clone();
        let done = spawn_blocking(move || house.ready().and_then(|()| work(&house))).await;
        done.unwrap_or_else(|error| Err(Error::Failed(error.to_string())))
    }
}

#[async_trait]
impl Volumes for Machine {
    async fn list(&self) -> Result<Vec<Volume>, Error> {
        self.work(House::list).await
    }

    async fn create(&self, create: Create) -> Result<Created, Error> {
        self.work(move |house| house.create(&create)).await
    }

    async fn resize(&self, volume: &Volume, size: Bytes) -> Result<Resized, Error> {
        let id = volume.id.clone();
        self.work(move |house| house.resize(&id, size)).await
    }

    async fn delete(&self, volume: &Volume) -> Result<(), Error> {
        let id = volume.id.clone();
        self.work(move |house| house.delete(&id)).await
    }

    fn pending(&self, volume: &Volume, _: Bytes) -> bool {
        self.0.resizing().contains(&volume.id) || self.0.waiting().contains(&volume.id)
    }

    fn targets(&self) -> Result<Vec<Target>, Error> {
        targets(&self.0.engine).map_err(refused)
    }
}

impl House {
    fn ready(&self) -> Result<(), Error> {
        if self.engine.is_recovered() { Ok(()) } else { Err(Error::Failed("volumes are being recovered".to_owned())) }
    }

    fn list(&self) -> Result<Vec<Volume>, Error> {
        let located = self.engine.view().and_then(|view| view.located()).map_err(refused)?;
        located.iter().for_each(|located| self.note(&located.record));
        Ok(located.into_iter().map(volume).collect())
    }

    fn resize(&self, id: &VolumeId, size: Bytes) -> Result<Resized, Error> {
        let size = size.round_up().ok_or_else(|| Error::Invalid("no volume can be so large".to_owned()))?;
        refusal::at_least_smallest(size)?;
        let previous = self.engine.record(id).map_err(refused)?.spec.size;
        let is_first = self.resizing().insert(id.clone());
        let resized = self.engine.resize(id, size);
        if is_first {
            self.resizing().remove(id);
        }
        let waits = matches!(
            resized,
            // The device has grown; the filesystem does when it is mounted again.
            Err(engine::Error::Backend(backend::Error::GrowthNotPermitted | backend::Error::GrowthReadOnly))
        );
        if !waits {
            resized.map_err(refused)?;
        }
        let record = self.engine.record(id).map_err(refused)?;
        self.note(&record);
        Ok(Resized { previous, size, is_pending: record.growth_is_pending() })
    }

    fn delete(&self, id: &VolumeId) -> Result<(), Error> {
        self.engine.record(id).map_err(refused)?; // deleting what is not there is a success there, and none here
        self.engine.remove(id).map_err(refused)?;
        self.waiting().remove(id);
        (self.settings.deleted)();
        Ok(())
    }

    fn note(&self, record: &Record) {
        match record.growth_is_pending() {
            true => self.waiting().insert(record.id.clone()),
            false => self.waiting().remove(&record.id),
        };
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<VolumeId>> {
        self.waiting.lock().expect("no holder panics")
    }

    fn resizing(&self) -> MutexGuard<'_, HashSet<VolumeId>> {
        self.resizing.lock().expect("no holder panics")
    }
}

/// Every volume with a filesystem that is mounted on this machine, or should be, as a monitor watches it.
///
/// # Errors
/// What is mounted cannot be read.
pub fn targets(engine: &Arc<Engine>) -> engine::Result<Vec<Target>> {
    // Another place, or another device there, is another gauge.
    let target = |Expected { id, place, warn_percent, behind }| {
        let generation = BuildHasherDefault::<DefaultHasher>::default().hash_one((&place, behind));
        let gauge = VolumeGauge::new(engine.clone(), id.clone(), place, behind.is_some());
        Target { id, gauge: Arc::new(gauge), generation, warn_percent }
    };
    Ok(engine.expected()?.into_iter().map(target).collect())
}

/// In the words of the API.
fn volume(located: Located) -> Volume {
    let Located { record, place } = located;
    let (backend, spec) = (Some(record.backend()), &record.spec);
    Volume {
        id: record.id.clone(),
        name: spec.name.clone(),
        claim: spec.claim.name.clone(),
        namespace: spec.claim.namespace.clone(),
        path: place.map(|place| place.path),
        created: record.created,
        size: spec.size,
        backend,
        fs: spec.content.filesystem(),
    }
}
