//! How much a pool of limits promises.

use super::*;

#[test]
fn of_parallel_creates_in_a_pool_with_room_for_one_exactly_one_wins() {
    let config = PoolConfig { reserve: Reserve::Amount(Bytes::ZERO), ..of_limits() };
    let world = Arc::new(World::with(Fake::new(Bytes::gib(15)), vec![config]));
    let begin = Arc::new(Barrier::new(8));
    let tries: Vec<_> = (0..8)
        .map(|n| {
            let (world, begin) = (world.clone(), begin.clone());
            std::thread::spawn(move || {
                begin.wait();
                create(&world, &format!("v{n}"), Bytes::gib(10)).map_err(|error| error.kind())
            })
        })
        .collect();
    let (made, refused): (Vec<_>, Vec<_>) = tries.into_iter().map(|one| one.join().unwrap()).partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    assert!(refused.iter().all(|refused| matches!(refused, Err(Kind::Full))));
    let capacity = world.engine.capacity(&of_limits().name, false).unwrap().available;
    assert!(capacity <= Bytes::gib(5), "{capacity}");
}

#[test]
fn the_room_is_what_nobody_was_promised_and_nobody_else_has_taken() {
    let config = PoolConfig { reserve: Reserve::Amount(Bytes::gib(10)), ..of_limits() };
    let world = World::with(Fake::new(Bytes::gib(100)), vec![config]);
    // To the next GiB: what the pool keeps for itself takes some kilobytes.
    let room =
        || Bytes::gib(world.engine.capacity(&of_limits().name, false).unwrap().available.get().div_ceil(1 << 30));
    assert_eq!(room(), Bytes::gib(90));
    let id = create(&world, "a", Bytes::gib(20)).unwrap().id.clone();
    assert_eq!(room(), Bytes::gib(70));
    world.fake.write_in(&data(&id), "file", Bytes::gib(10)).unwrap();
    assert_eq!(room(), Bytes::gib(70), "what is filled was promised");
    world.fake.write_in(Path::new("/"), "others", Bytes::gib(30)).unwrap();
    assert_eq!(room(), Bytes::gib(40), "others have taken some");
}

/// A pool of 100 GiB that keeps nothing back.
fn promising(overcommit: Overcommit) -> World {
    let config = PoolConfig { reserve: Reserve::Amount(Bytes::ZERO), overcommit, ..of_limits() };
    World::with(Fake::new(Bytes::gib(100)), vec![config])
}

fn available(world: &World) -> Bytes {
    let available = world.engine.capacity(&of_limits().name, false).unwrap().available;
    Bytes::gib(available.get().div_ceil(1 << 30)) // what the pool keeps for itself takes some kilobytes
}

#[test]
fn a_ratio_promises_so_much_more_than_there_is_and_no_more() {
    let world = promising(Overcommit::Ratio(200));
    assert_eq!(available(&world), Bytes::gib(200));
    let id = create(&world, "a", Bytes::gib(150)).unwrap().id.clone();
    assert_eq!(available(&world), Bytes::gib(50));
    assert_eq!(usage(&world, project(100)).limit, of_bytes(Bytes::gib(150)));
    assert_eq!(create(&world, "b", Bytes::gib(51)).unwrap_err().kind(), Kind::Full);
    let refused = world.engine.expand(&id, None, at_least(Bytes::gib(201))).unwrap_err();
    assert_eq!((refused.kind(), usage(&world, project(100)).limit), (Kind::SizeRefused, of_bytes(Bytes::gib(150))));
    world.engine.expand(&id, None, at_least(Bytes::gib(160))).unwrap();
    create(&world, "b", Bytes::gib(39)).unwrap();
    // Of what is free twice as much, but for what is promised of it.
    world.fake.write_in(Path::new("/"), "others", Bytes::gib(1)).unwrap();
    assert_eq!(create(&world, "c", Bytes::gib(1)).unwrap_err().kind(), Kind::Full);
}

#[test]
fn without_a_bound_anything_is_promised_as_long_as_anything_is_free() {
    let world = promising(Overcommit::Unlimited);
    for name in ["a", "b"] {
        create(&world, name, Bytes::gib(500)).unwrap();
    }
    assert!(available(&world) > Bytes::gib(1 << 20), "any size is taken");
    let id = VolumeId::from_name("a");
    assert_eq!(world.engine.expand(&id, None, at_least(Bytes::gib(900))).unwrap(), Bytes::gib(900));
    assert_eq!(usage(&world, project(100)).limit, of_bytes(Bytes::gib(900)));
    world.fake.write_in(&data(&id), "file", Bytes::gib(90)).unwrap();
    world.fake.write_in(&data(&id), "file", Bytes::gib(100)).unwrap_err();
    let free = world.fake.machine().files.space(Path::new(POOL)).unwrap().available;
    world.fake.write_in(Path::new("/"), "others", free).unwrap();
    assert_eq!((available(&world), create(&world, "c", Bytes::gib(1)).unwrap_err().kind()), (Bytes::ZERO, Kind::Full));
}

/// Its size is told in many places: it is always the limit, also where that is beyond what the pool's filesystem has.
#[test]
fn a_size_beyond_the_pool_is_the_same_whoever_asks() {
    let world = promising(Overcommit::Unlimited);
    for (name, size) in [("small", 50), ("large", 150)] {
        let (size, target) = (Bytes::gib(size), PathBuf::from(format!("/mnt/{name}")));
        let id = create(&world, name, size).unwrap().id.clone();
        world.engine.mount(&id, &MountRequest { target: target.clone(), read_only: false }).unwrap();
        world.fake.write_in(&data(&id), "file", Bytes::gib(1)).unwrap();
        let place = world.engine.view().unwrap().locate(&id).unwrap().place.unwrap();
        let reading = world.engine.read(&place, &mut None).unwrap();
        let usage = world.engine.usage(&id, &target).unwrap().0;
        assert_eq!((reading.size, usage.total, record(&world, name).spec.size), (size, size, size));
        assert_eq!(reading.available, usage.available);
    }
}
