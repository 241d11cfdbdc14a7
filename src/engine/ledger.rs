use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};

use super::Result;
use super::room::{Account, Ground, Promises, Room};
use crate::host::{self, Machine};
use crate::model::{Bytes, PoolName, ProjectId, VolumeId};
use crate::store::{Record, VolumeDir};

/// What a pool has promised: rebuilt from the records when it is opened, changed under one short lock, which is that of all
/// pools on its filesystem: what one has promised no other has.
pub(super) struct Ledger {
    ground: Arc<Ground>,
    /// In which it writes; a pool that is not served is alone in its own.
    books: RwLock<Arc<Books>>,
    /// Shared by those who have an admission, of which nothing may tell yet but the ledger: no pool is opened under their hands.
    under_way: RwLock<()>,
}

/// What was promised on one filesystem, by the pools that are served there.
#[derive(Default)]
pub(super) struct Books {
    /// The filesystem; none where a pool is alone.
    device: Option<u64>,
    pools: Mutex<HashMap<PoolName, Promises>>,
}

/// The books of every filesystem, by its number (`st_dev`), as long as any pool on it is served.
#[derive(Default)]
pub(super) struct Library(Mutex<HashMap<u64, Weak<Books>>>);

/// A volume's size, that it was promised.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) dir: VolumeDir,
    pub(super) project: Option<ProjectId>,
    pub(super) size: Bytes,
    pub(super) sparse: bool,
}

/// A promise in the making, taken back when dropped before [`Admission::keep`].
pub(super) struct Admission<'a> {
    ledger: &'a Ledger,
    id: VolumeId,
    before: Option<Promise>,
    _under_way: RwLockReadGuard<'a, ()>,
}

impl Promise {
    pub(super) fn of(dir: VolumeDir, record: &Record) -> Self {
        Self { dir, project: record.project, size: record.spec.size, sparse: record.spec.sparse }
    }
}

impl Library {
    fn books(&self, device: u64) -> Arc<Books> {
        let mut all = self.0.lock().expect("no holder panics");
        let known = all.get(&device).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let books = Arc::new(Books { device: Some(device), pools: Mutex::default() });
            all.retain(|_, books| books.strong_count() > 0);
            all.insert(device, Arc::downgrade(&books));
            books
        })
    }
}

impl Ledger {
    pub(super) fn new(ground: Ground) -> Self {
        Self { ground: Arc::new(ground), books: RwLock::default(), under_way: RwLock::default() }
    }

    /// The right to open the pool, while nobody makes anything in it.
    pub(super) fn at_rest(&self) -> Option<RwLockWriteGuard<'_, ()>> {
        self.under_way.try_write().ok()
    }

    /// The right to make something in the pool, which is not opened meanwhile: what is looked for there and not found is not there.
    /// `None`: it is just being opened.
    pub(super) fn at_work(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.under_way.try_read().ok()
    }

    /// Begins anew, beside the others on the pool's filesystem. What was promised there before counts until it is known what there
    /// is ([`Ledger::keep_only`]): it is nobody else's meanwhile.
    pub(super) fn begin(&self, library: &Library, device: u64) {
        if !self.is_of(device) {
            self.write_in(library.books(device));
        }
        self.own(|own| {
            own.pending.clear();
            own.lacking.clear();
        });
    }

    /// There is nothing else.
    pub(super) fn keep_only(&self, ids: &BTreeSet<VolumeId>) {
        self.own(|own| own.volumes.retain(|id, _| ids.contains(id)));
    }

    /// Whether it counts on that filesystem.
    pub(super) fn is_of(&self, device: u64) -> bool {
        self.books.read().expect("no holder panics").device == Some(device)
    }

    /// Takes its promises out of the books of the filesystem.
    pub(super) fn leave(&self) {
        self.write_in(Arc::default());
    }

    fn write_in(&self, books: Arc<Books>) {
        let mut now = self.books.write().expect("no holder panics");
        now.pools.lock().expect("no holder panics").remove(&self.ground.config.name);
        *now = books;
    }

    /// Whether a promise is bound by nothing but what others have been promised.
    pub(super) fn is_sparse(&self, sparse: bool) -> bool {
        self.ground.is_sparse(sparse)
    }

    pub(super) fn record(&self, id: &VolumeId, promise: Promise) {
        self.own(|own| own.volumes.insert(id.clone(), promise));
    }

    pub(super) fn forget(&self, id: &VolumeId) {
        self.own(|own| {
            own.volumes.remove(id);
            own.pending.remove(id);
            own.lacking.remove(id);
        });
    }

    pub(super) fn has(&self, id: &VolumeId) -> bool {
        self.own(|own| own.volumes.contains_key(id))
    }

    pub(super) fn ids(&self) -> Vec<VolumeId> {
        self.own(|own| own.volumes.keys().cloned().collect())
    }

    /// The volumes that are reserved.
    pub(super) fn reserved(&self) -> Vec<VolumeId> {
        self.own(|own| {
            let reserved = own.volumes.iter().filter(|(_, promise)| !promise.sparse);
            reserved.map(|(id, _)| id.clone()).collect()
        })
    }

    /// What a reserved volume is promised.
    pub(super) fn reserved_for(&self, id: &VolumeId) -> Option<Bytes> {
        self.own(|own| own.volumes.get(id).filter(|promise| !promise.sparse).map(|promise| promise.size))
    }

    /// Whether an image has lost blocks that it was promised: those are nobody else's.
    pub(super) fn set_lacking(&self, id: &VolumeId, dir: VolumeDir, size: Option<Bytes>) {
        self.own(|own| match size {
            Some(size) => {
                own.pending.insert(id.clone(), (dir, size));
                own.lacking.insert(id.clone());
            }
            None => {
                own.pending.remove(id);
                own.lacking.remove(id);
            }
        });
    }

    /// The volumes that lacked blocks when they were last looked at.
    pub(super) fn lacking(&self) -> Vec<VolumeId> {
        self.own(|own| own.lacking.iter().cloned().collect())
    }

    pub(super) fn room(&self, machine: &Machine) -> Result<Room, host::Error> {
        self.all(|all| self.account(all).room(machine, Bytes::ZERO))
    }

    /// Promises a volume its size, or a volume that there is already a larger one.
    pub(super) fn admit(&self, machine: &Machine, id: &VolumeId, promise: Promise) -> Result<Admission<'_>> {
        self.admit_held(machine, id, promise, Bytes::ZERO)
    }

    /// The same of something that lies on the filesystem already, and takes so much there.
    pub(super) fn admit_held(
        &self,
        machine: &Machine,
        id: &VolumeId,
        promise: Promise,
        held: Bytes,
    ) -> Result<Admission<'_>> {
        let under_way = self.under_way.read().expect("no holder panics");
        let (config, is_sparse) = (&self.ground.config, self.is_sparse(promise.sparse));
        self.all(|all| {
            let before = all[&config.name].volumes.get(id).cloned();
            let more = promise.size.saturating_sub(before.as_ref().map(|before| before.size).unwrap_or_default());
            let fits = |room: Room| if is_sparse { room.fits_sparse(config, more) } else { room.fits(config, more) };
            let account = self.account(all);
            // Where there is room though nothing were taken yet of what is promised, no volume has to be asked.
            let is_roomy = fits(account.at_worst(machine, held)?).is_ok();
            if !is_roomy {
                fits(account.room(machine, held)?)?;
            }
            let own = all.get_mut(&config.name).expect("whoever asks for them has some");
            if !promise.sparse && !self.ground.has_limits() {
                own.pending.insert(id.clone(), (promise.dir.clone(), promise.size));
            }
            own.volumes.insert(id.clone(), promise);
            Ok(Admission { ledger: self, id: id.clone(), before, _under_way: under_way })
        })
    }

    fn account<'a>(&self, all: &'a HashMap<PoolName, Promises>) -> Account<'a> {
        Account::of(&all[&self.ground.config.name], all.values())
    }

    /// Under the lock of the filesystem's books, this pool's promises among them.
    fn all<T>(&self, act: impl FnOnce(&mut HashMap<PoolName, Promises>) -> T) -> T {
        let books = self.books.read().expect("no holder panics"); // to the end: what was left is not written in
        let mut all = books.pools.lock().expect("no holder panics");
        all.entry(self.ground.config.name.clone()).or_insert_with(|| Promises::none(&self.ground));
        act(&mut all)
    }

    fn own<T>(&self, act: impl FnOnce(&mut Promises) -> T) -> T {
        self.all(|all| act(all.get_mut(&self.ground.config.name).expect("whoever asks for them has some")))
    }
}

impl Admission<'_> {
    /// The promise holds.
    pub(super) fn keep(mut self) {
        self.before = self.ledger.own(|own| own.volumes.get(&self.id).cloned());
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        let (id, before) = (self.id.clone(), self.before.take());
        self.ledger.own(|own| {
            own.pending.remove(&id);
            match before {
                Some(before) => own.volumes.insert(id, before),
                None => own.volumes.remove(&id),
            }
        });
    }
}
