//! Who looks at a volume while somebody works on it changes nothing that was answered, and finds nothing wrong.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use ullage::backend::Fault;
use ullage::config::{Overcommit, PoolConfig};
use ullage::engine::{Kind, Result};
use ullage::host::fake::Fake;
use ullage::model::{Backend, Bytes};

use super::EXT4;
use crate::world::{POOL, Volume, World, pool};

type Call = fn(&World) -> Result<()>;

/// What is done to a volume of a GiB, and where that is possible.
struct Work {
    world: fn() -> World,
    volume: Volume,
    call: Call,
    /// Its size afterwards; `None`: it is gone.
    size: Option<Bytes>,
}

const LIMITED: Volume = Volume::xfs("limited");
const IMAGE: Volume = Volume::xfs("image");
const SHRUNK: Volume = Volume::new("shrunk", EXT4, false);

const WORKS: [Work; 6] = [
    Work {
        world: of_limits,
        volume: LIMITED,
        call: |world| world.expand(&LIMITED, Bytes::gib(3), None).map(drop),
        size: Some(Bytes::gib(3)),
    },
    Work {
        world: of_limits,
        volume: LIMITED,
        call: |world| world.engine.shrink(&LIMITED.id(), Bytes::mib(512)).map(drop),
        size: Some(Bytes::mib(512)),
    },
    Work { world: of_limits, volume: LIMITED, call: |world| world.delete(&LIMITED), size: None },
    Work {
        world: World::keeping_mounts,
        volume: IMAGE,
        call: |world| world.expand(&IMAGE, Bytes::gib(3), None).map(drop),
        size: Some(Bytes::gib(3)),
    },
    Work {
        world: World::keeping_mounts,
        volume: SHRUNK,
        call: |world| world.engine.shrink(&SHRUNK.id(), Bytes::mib(512)).map(drop),
        size: Some(Bytes::mib(512)),
    },
    Work { world: World::keeping_mounts, volume: IMAGE, call: |world| world.engine.remove(&IMAGE.id()), size: None },
];

fn of_limits() -> World {
    let config = PoolConfig { backend: Backend::Quota, overcommit: Overcommit::NONE, ..pool("default", POOL) };
    World::with(Fake::new(Bytes::gib(100)), vec![config])
}

impl Work {
    fn prepared(&self) -> Arc<World> {
        let world = (self.world)();
        world.create(&self.volume).unwrap();
        world.mount(&self.volume, "/mnt/it").unwrap();
        if self.size.is_none() && !world.engine.keeps_mounts() {
            world.engine.unmount(&self.volume.id(), Path::new("/mnt/it")).unwrap();
        }
        Arc::new(world)
    }

    fn check(&self, world: &World, looked: Result<Vec<Fault>>, done: Result<()>) {
        match (looked, self.size) {
            (Ok(faults), _) => assert_eq!(faults, []),
            (Err(error), None) => assert_eq!(error.kind(), Kind::NotFound, "{error}"),
            (Err(error), Some(_)) => panic!("{error}"),
        }
        let size = match (done, self.size) {
            (Err(error), _) => panic!("{error}"),
            (Ok(()), None) => {
                world.engine.tend();
                return assert_eq!(world.fake.paths().iter().find(|path| path.contains(self.volume.name)), None);
            }
            (Ok(()), Some(size)) => size,
        };
        assert_eq!(world.engine.record(&self.volume.id()).unwrap().spec.size, size);
        let machine = world.fake.machine();
        match machine.files.stat(&self.volume.image()).unwrap() {
            Some(image) => assert_eq!((image.size, image.allocated), (size, size)),
            None => {
                let known = machine.quotas.projects(Path::new(POOL)).unwrap();
                let limits: Vec<_> = known.iter().map(|(_, usage)| usage.limit.bytes).collect();
                assert_eq!(limits, [Some(size)]);
            }
        }
        assert_eq!(world.engine.health(&self.volume.id()).unwrap(), []);
    }
}

/// The one is begun, and before it asks the machine for the `at`th time the other is done, as far as it gets: it may have
/// to wait for a lock of the first. `None`: the one asks less often.
fn between<A, B: Send + 'static>(
    world: &Arc<World>,
    at: usize,
    one: impl FnOnce(&World) -> A,
    other: impl FnOnce(&World) -> B + Send + 'static,
) -> Option<(A, B)> {
    let (tell, told) = mpsc::channel();
    let here = world.clone();
    world.fake.meanwhile(at, move || {
        let thread = thread::spawn(move || other(&here));
        let end = Instant::now() + Duration::from_millis(50);
        while !thread.is_finished() && Instant::now() < end {
            thread::sleep(Duration::from_micros(100));
        }
        tell.send(thread).unwrap();
    });
    let one = one(world);
    let other: thread::JoinHandle<B> = told.try_recv().ok()?;
    Some((one, other.join().unwrap()))
}

#[test]
fn a_look_that_falls_into_a_call_anywhere_sees_nothing_wrong_and_changes_nothing() {
    for work in WORKS {
        let id = work.volume.id();
        let looks = (1..).map_while(|at| {
            let (world, id) = (work.prepared(), id.clone());
            let (done, looked) = between(&world, at, work.call, move |world| world.engine.health(&id))?;
            work.check(&world, looked, done);
            Some(())
        });
        assert!(looks.count() > 3, "{}", work.volume.name);
    }
}

#[test]
fn a_call_that_falls_into_a_look_anywhere_is_not_undone_by_it() {
    for work in WORKS {
        let id = work.volume.id();
        let calls = (1..).map_while(|at| {
            let world = work.prepared();
            let (looked, done) = between(&world, at, |world| world.engine.health(&id), work.call)?;
            work.check(&world, looked, done);
            Some(())
        });
        assert!(calls.count() > 3, "{}", work.volume.name);
    }
}
