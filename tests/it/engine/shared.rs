//! Pools that lie on one filesystem, and what one of them takes is the others' no more; and pools that come to lie on another.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use ullage::config::{LimitSettings, Overcommit, PoolConfig, PoolImage, Reserve};
use ullage::engine::{Kind, Result, SizeRange};
use ullage::host::Attach;
use ullage::host::fake::{Fake, How};
use ullage::model::{Backend, Bytes, PoolName, VolumeId};
use ullage::projects::ProjectRange;
use ullage::store::{PoolDir, Record};

use crate::world::{Volume, World, pool};

/// A pool that keeps nothing back and promises no more than there is.
fn bounded(name: &str, backend: Backend) -> PoolConfig {
    let path = format!("/{name}");
    let reserve = Reserve::Amount(Bytes::ZERO);
    PoolConfig { backend, reserve, overcommit: Overcommit::NONE, ..pool(name, &path) }
}

fn two(room: Bytes, backends: [Backend; 2]) -> Arc<World> {
    let [left, right] = backends;
    Arc::new(World::with(Fake::new(room), vec![bounded("left", left), bounded("right", right)]))
}

fn name(pool: &str) -> PoolName {
    PoolName::parse(pool).unwrap()
}

fn create(world: &World, pool: &str, volume: &str, size: Bytes) -> Result<Arc<Record>> {
    let mut request = Volume { size, ..Volume::xfs("any") }.request();
    (request.spec.name, request.spec.pool) = (volume.to_owned(), name(pool));
    world.engine.create(&request)
}

fn expand(world: &World, volume: &str, size: Bytes) -> Result<Bytes> {
    world.engine.expand(&VolumeId::from_name(volume), None, SizeRange { at_least: size, at_most: None })
}

fn available(world: &World, pool: &str) -> Bytes {
    world.engine.capacity(&name(pool), false).unwrap().available
}

/// In whole GiB, the last one begun: what the pools keep for themselves takes some kilobytes.
fn room(world: &World, pool: &str) -> u64 {
    available(world, pool).get().div_ceil(1 << 30)
}

fn fill(world: &World, pool: &str, volume: &str, bytes: Bytes) {
    let data = PoolDir::new(format!("/{pool}")).volume(&VolumeId::from_name(volume)).data();
    world.fake.write_in(&data, "file", bytes).unwrap();
}

/// All at once; how those ended.
fn at_once<T: Send + 'static>(world: &Arc<World>, tries: Vec<impl FnOnce(&World) -> T + Send + 'static>) -> Vec<T> {
    let begin = Arc::new(Barrier::new(tries.len()));
    let begun = tries.into_iter().map(|one| {
        let (world, begin) = (world.clone(), begin.clone());
        std::thread::spawn(move || {
            begin.wait();
            one(&world)
        })
    });
    let begun: Vec<_> = begun.collect();
    begun.into_iter().map(|one| one.join().unwrap()).collect()
}

const SIDES: [&str; 2] = ["left", "right"];

const BACKENDS: [[Backend; 2]; 4] = [
    [Backend::Quota, Backend::Quota],
    [Backend::Quota, Backend::Loop],
    [Backend::Loop, Backend::Quota],
    [Backend::Loop, Backend::Loop],
];

#[test]
fn of_parallel_creates_in_two_pools_with_room_for_one_exactly_one_wins() {
    for backends in BACKENDS {
        let world = two(Bytes::gib(15), backends);
        let one = |number: usize| {
            move |world: &World| create(world, SIDES[number % 2], &format!("v{number}"), Bytes::gib(10)).map(drop)
        };
        let ends = at_once(&world, (0..8).map(one).collect());
        let won = ends.iter().filter(|end| end.is_ok()).count();
        assert_eq!(won, 1, "{backends:?}: {ends:?}");
        assert!(ends.iter().flat_map(|end| end.as_ref().err()).all(|error| error.kind() == Kind::Full), "{ends:?}");
        for side in SIDES {
            assert!(available(&world, side) <= Bytes::gib(5), "{backends:?}: {}", available(&world, side));
        }
    }
}

#[test]
fn of_parallel_growths_in_two_pools_with_room_for_one_exactly_one_wins() {
    for backends in BACKENDS {
        let world = two(Bytes::gib(15), backends);
        let volumes: Vec<_> = (0..6).map(|number| format!("v{number}")).collect();
        for (number, volume) in volumes.iter().enumerate() {
            create(&world, SIDES[number % 2], volume, Bytes::gib(1)).unwrap();
        }
        let one = |volume: String| move |world: &World| expand(world, &volume, Bytes::gib(7));
        let ends = at_once(&world, volumes.into_iter().map(one).collect());
        assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 1, "{backends:?}: {ends:?}");
        let refused = ends.iter().flat_map(|end| end.as_ref().err());
        assert!(refused.clone().all(|error| error.kind() == Kind::SizeRefused), "{ends:?}");
    }
}

#[test]
fn what_a_pool_has_promised_is_taken_from_the_room_of_the_other_be_it_filled_or_not() {
    for backends in [[Backend::Quota, Backend::Quota], [Backend::Quota, Backend::Loop]] {
        let world = two(Bytes::gib(100), backends);
        create(&world, "left", "a", Bytes::gib(60)).unwrap();
        assert_eq!(SIDES.map(|side| room(&world, side)), [40, 40], "{backends:?}");
        fill(&world, "left", "a", Bytes::gib(50));
        assert_eq!(SIDES.map(|side| room(&world, side)), [40, 40], "{backends:?}: it was promised");
        // Not at worst, but as it is: that has to be asked for.
        create(&world, "right", "b", Bytes::gib(30)).unwrap();
        let full = create(&world, "right", "c", Bytes::gib(10)).unwrap_err();
        assert_eq!(full.kind(), Kind::Full, "{full}");
        expand(&world, "a", Bytes::gib(69)).unwrap();
        assert_eq!(SIDES.map(|side| room(&world, side)), [1, 1], "{backends:?}");
    }
}

#[test]
fn where_there_is_room_at_worst_no_volume_is_asked() {
    for backends in BACKENDS {
        let steps = |volumes: usize| {
            let world = two(Bytes::gib(100), backends);
            for number in 0..volumes {
                create(&world, SIDES[number % 2], &format!("v{number}"), Bytes::gib(2)).unwrap();
            }
            world.fake.cut(None);
            create(&world, "left", "last", Bytes::gib(2)).unwrap();
            world.fake.steps()
        };
        assert_eq!(steps(2), steps(12), "{backends:?}");
    }
}

#[test]
fn more_than_there_is_may_be_promised_and_once_only() {
    let config = |name| PoolConfig { overcommit: Overcommit::Ratio(200), ..bounded(name, Backend::Quota) };
    let world = World::with(Fake::new(Bytes::gib(100)), SIDES.map(config).into());
    create(&world, "left", "a", Bytes::gib(150)).unwrap();
    let full = create(&world, "right", "b", Bytes::gib(60)).unwrap_err();
    assert_eq!(full.kind(), Kind::Full);
    create(&world, "right", "b", Bytes::gib(49)).unwrap();
    let promised: Vec<_> = world.engine.pools().into_iter().map(|pool| pool.room.unwrap().promised).collect();
    assert_eq!(promised, [Bytes::gib(150), Bytes::gib(49)], "each says its own");
}

/// As sparse volumes: whoever promises what there is not holds nobody else's place.
#[test]
fn promises_without_a_bound_are_nobody_elses_concern() {
    let config = PoolConfig { overcommit: Overcommit::Unlimited, ..bounded("left", Backend::Quota) };
    let world = World::with(Fake::new(Bytes::gib(100)), vec![config, bounded("right", Backend::Loop)]);
    create(&world, "left", "a", Bytes::gib(1000)).unwrap();
    assert_eq!(room(&world, "right"), 100);
    fill(&world, "left", "a", Bytes::gib(30));
    assert_eq!(room(&world, "right"), 70);
}

#[test]
fn a_pool_counts_after_a_restart_and_while_its_limits_hold_though_it_is_not_served() {
    let mut world = Arc::into_inner(two(Bytes::gib(100), [Backend::Quota; 2])).unwrap();
    create(&world, "left", "a", Bytes::gib(60)).unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    assert_eq!(room(&world, "right"), 40);
    let files = world.fake.machine().files;
    files.rename(Path::new("/left/pool.yaml"), Path::new("/kubelet/lost")).unwrap();
    world.engine.tend();
    assert_eq!(world.engine.pools()[0].room.as_ref().ok(), None, "it is not served");
    assert_eq!(room(&world, "right"), 40);
    files.rename(Path::new("/kubelet/lost"), Path::new("/left/pool.yaml")).unwrap();
    world.engine.tend();
    assert_eq!(room(&world, "right"), 40);
    world.engine.delete(&VolumeId::from_name("a")).unwrap();
    assert_eq!(room(&world, "right"), 100);
}

/// What a call has been admitted, and the project that it has chosen, stand in no record yet.
#[test]
fn no_pool_is_opened_again_under_the_hands_of_a_call() {
    let world = Arc::new(World::with(Fake::new(Bytes::gib(100)), vec![bounded("left", Backend::Quota)]));
    let meanwhile = world.clone();
    world.fake.after_next("read", move || {
        let files = meanwhile.fake.machine().files;
        // What is read first is the pool's marker, before anything is admitted.
        meanwhile.fake.clone().after_next("read", move || {
            for (from, to) in [("/left/pool.yaml", "/kubelet/lost"), ("/kubelet/lost", "/left/pool.yaml")] {
                files.rename(Path::new(from), Path::new(to)).unwrap();
                meanwhile.engine.tend();
            }
            let reason = meanwhile.engine.ready().unwrap_err();
            assert!(reason.contains("a call that began before it was lost"), "{reason}");
        });
    });
    create(&world, "left", "a", Bytes::gib(1)).unwrap_err();
    world.engine.tend();
    world.engine.ready().unwrap();
    create(&world, "left", "a", Bytes::gib(1)).unwrap();
    assert_eq!(world.engine.health(&VolumeId::from_name("a")).unwrap(), []);
}

fn in_image(name: &str, ids: &str) -> PoolConfig {
    let image = PoolImage { file: format!("/images/{name}.img").into(), size: Bytes::gib(2) };
    let projects = ProjectRange::parse(ids).unwrap();
    let limits = LimitSettings { image: Some(image), projects, ..LimitSettings::default() };
    PoolConfig { limits, ..bounded(name, Backend::Quota) }
}

/// Numbers of devices are given out again.
#[test]
fn a_pool_that_is_mounted_by_the_number_of_another_has_nothing_of_it() {
    let fake = Fake::new(Bytes::gib(100));
    let world = World::with(fake, vec![in_image("left", "100-199"), in_image("right", "200-299")]);
    create(&world, "left", "a", Bytes::gib(1)).unwrap();
    create(&world, "right", "b", Bytes::gib(1)).unwrap();
    let machine = world.fake.machine();
    let number = |pool: &str| machine.files.stat(Path::new(pool)).unwrap().unwrap().id.device;
    let before = number("/right");
    for pool in ["/left", "/right"] {
        machine.mounts.unmount(Path::new(pool)).unwrap();
    }
    let other = PathBuf::from("/images/other.img");
    machine.files.create_image(&other, Bytes::gib(1)).unwrap();
    let _held = machine.loops.attach(&other, &Attach { tag: "somebody".into(), direct_io: false }).unwrap();
    world.engine.tend();
    assert_eq!(number("/left"), before, "the other's");
    for (side, volume, id) in [("left", "c", 101), ("right", "d", 201)] {
        let made = create(&world, side, volume, Bytes::mib(500)).unwrap();
        assert_eq!(made.project.map(|project| project.get()), Some(id), "{side}");
        assert!(available(&world, side) > Bytes::mib(400), "{side}: {}", available(&world, side));
    }
}
