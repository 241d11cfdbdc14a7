//! Whose id.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::sync::{Arc, Barrier};

use ullage::engine::{Engine, Kind};
use ullage::host::linux;
use ullage::model::{Bytes, ProjectLimit};
use ullage::store::Record;

use super::*;
use crate::world::{Node, tree};

#[test]
fn ids_that_others_have_or_mean_to_use_are_nobody_elses() {
    let scratch = Scratch::xfs(ROOM, "prjquota");
    let (quotas, pool) = (scratch.machine().quotas, scratch.pool());
    let others = [
        (
            "projects",
            "# mine\n103:/srv/www\n\n  nonsense : with spaces\n104:/srv/data\n4294967295:/far\n# no end".to_owned(),
        ),
        ("projid", (0..500).map(|n| format!("name{n}:{}\n", 200 + n)).collect::<String>() + "web:105"),
    ];
    for (name, content) in &others {
        fs::write(etc(&scratch).join(name), content).unwrap();
    }
    let tagged = pool.join("tagged");
    fs::create_dir(&tagged).unwrap();
    quotas.set_project(&tagged, project(100)).unwrap();
    quotas.set_limit(&pool, project(101), of_bytes(SIZE)).unwrap();
    fs::create_dir(pool.join("left")).unwrap();
    quotas.set_project(&pool.join("left"), project(106)).unwrap();
    let mut config = of_limits(scratch.dir(), etc(&scratch));
    config.limits.writes_names = true;
    let world = World::with(scratch, config);
    let volumes = ["a", "b", "c"].map(volume);
    let ids = volumes.each_ref().map(|volume| world.create(volume).unwrap().project.unwrap().get());
    assert_eq!(ids, [102, 107, 108]);
    let written = |name: &str| fs::read_to_string(etc(&world.scratch).join(name)).unwrap();
    for (name, content) in &others {
        let (ours, theirs) = parted(&written(name));
        assert_eq!(theirs, *content, "{name}: to the byte");
        assert_eq!(ours.len(), 3, "{name}: {ours:?}");
    }
    assert_eq!(parted(&written("projects")).0[0], format!("102:{}", data(&world, &volumes[0]).display()));
    world.take_down(&volumes.each_ref());
    for (name, content) in &others {
        assert_eq!(written(name), *content, "{name}: to the byte");
    }
    let left: Vec<_> = known(&world.scratch).into_iter().map(|(project, usage)| (project.get(), usage.limit)).collect();
    let none = ProjectLimit::default();
    assert_eq!(left, [(100, none), (101, of_bytes(SIZE)), (106, none)], "what is others' is as it was");
}

/// The lines of our pool in a file of many, and everything else.
fn parted(content: &str) -> (Vec<String>, String) {
    let (mut ours, mut theirs, mut inside) = (Vec::new(), String::new(), false);
    for line in content.split_inclusive('\n') {
        let is_marker = line.starts_with("# ullage default ");
        match (is_marker, inside) {
            (true, _) => inside = !inside,
            (false, true) => ours.push(line.trim_end().to_owned()),
            (false, false) => theirs.push_str(line),
        }
    }
    (ours, theirs)
}

#[test]
fn the_id_of_a_damaged_record_is_not_given_again() {
    let mut world = world();
    let volumes = ["a", "b", "c"].map(volume);
    let [a, b, c] = &volumes;
    world.create(a).unwrap();
    world.create(b).unwrap();
    let file = world.pool.join("volumes/a/volume.yaml");
    let whole = fs::read(&file).unwrap();
    let config = world.config.clone();
    world.stop();
    fs::write(&file, b"\0\0\0").unwrap();
    world.node = Node::serving(linux::machine(), config, world.scratch.mount_point(""));
    assert_eq!(world.engine.set_aside().len(), 1);
    assert_eq!(world.create(c).unwrap().project, Some(project(102)));
    let limits: Vec<_> =
        known(&world.scratch).into_iter().map(|(project, usage)| (project.get(), usage.limit)).collect();
    assert_eq!(limits, [100, 101, 102].map(|id| (id, of_bytes(SIZE))), "and its limit holds");
    world.stop();
    fs::write(&file, whole).unwrap();
    world.restart();
    assert_eq!(world.engine.record(&a.id()).unwrap().project, Some(project(100)));
    take_down(&world, &volumes.each_ref());
}

#[test]
fn an_id_is_not_given_again_while_somebody_has_a_file_open() {
    let world = world();
    let volumes = ["a", "b", "c"].map(volume);
    let [a, b, c] = &volumes;
    world.create(a).unwrap();
    let file = data(&world, a).join("file");
    fs::write(&file, vec![1; 1 << 20]).unwrap();
    let open = File::open(&file).unwrap();
    world.delete(a).unwrap();
    world.engine.tend();
    assert_eq!(world.create(b).unwrap().project, Some(project(101)));
    let (held, usage) = known(&world.scratch)[0];
    // An open file holds its directory too.
    assert_eq!((held, usage.inodes, usage.limit), (project(100), 2, of_bytes(SIZE)));
    drop(open);
    soon("it is free", || {
        world.engine.tend();
        known(&world.scratch).len() == 1
    });
    assert_eq!(world.create(c).unwrap().project, Some(project(100)));
    take_down(&world, &[b, c]);
}

#[test]
fn of_parallel_creates_in_a_pool_with_room_for_one_exactly_one_wins() {
    let scratch = Scratch::xfs(ROOM, "prjquota");
    let config = without_reserve(&scratch);
    let world = World::with(scratch, config);
    let volumes: Vec<_> = (0..8).map(|number| volume(&format!("v{number}")).sized(Bytes::gib(2))).collect();
    let made = at_once(volumes.len(), |number| world.create(&volumes[number]));
    let (won, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|lost| kind(lost) == Kind::Full));
    let limits: Vec<_> = known(&world.scratch).into_iter().map(|(_, usage)| usage.limit).collect();
    assert_eq!(limits, [of_bytes(Bytes::gib(2))]);
    assert!(world.engine.pools()[0].room.clone().unwrap().available < Bytes::gib(1));
    world.engine.delete(&won[0].as_ref().unwrap().id).unwrap();
    take_down(&world, &[]);
}

/// What some threads get that begin at the same time.
fn at_once<T: Send>(threads: usize, act: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let begin = Barrier::new(threads);
    let one = |number| {
        begin.wait();
        act(number)
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads).map(|number| scope.spawn(move || one(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
fn two_engines_on_one_filesystem_never_share_an_id() {
    const EACH: usize = 40;
    let scratch = Scratch::xfs(Bytes::gib(16), "prjquota");
    let pools = ["one", "two"].map(|name| scratch.pool().join(name));
    let engines = pools.each_ref().map(|path| {
        fs::create_dir(path).unwrap();
        let engine = Engine::new(scratch.machine(), vec![of_limits(path.clone(), etc(&scratch))]);
        engine.recover();
        soon("the pool is served", || {
            engine.tend();
            engine.ready().is_ok()
        });
        engine
    });
    let volumes: Vec<_> = (0..EACH).map(|number| volume(&format!("v{number}")).sized(Bytes::mib(20))).collect();
    // Two of each engine, in step: every id is asked for by both.
    let made = at_once(4, |thread| {
        let (engine, half) = (&engines[thread % 2], thread / 2 * EACH / 2);
        let mine = volumes[half..half + EACH / 2].iter();
        mine.map(|volume| engine.create(&volume.request()).unwrap()).collect::<Vec<Arc<Record>>>()
    });
    let projects: Vec<_> = made.concat().into_iter().map(|record| record.project.unwrap()).collect();
    assert_eq!(projects.len(), 2 * EACH);
    assert_eq!(projects.iter().collect::<BTreeSet<_>>().len(), 2 * EACH, "{projects:?}");
    let expected =
        ProjectUsage { limit: of_bytes(Bytes::mib(20)), bytes: Bytes::ZERO, inodes: 1, ..ProjectUsage::default() };
    let found = known(&scratch);
    assert!(found.iter().all(|(_, usage)| *usage == expected), "{found:?}");
    assert_eq!(found.len(), 2 * EACH);
    for engine in &engines {
        engine.tend();
    }
    let trash = pools.each_ref().map(|pool| tree(&pool.join("trash")));
    assert!(trash.concat().is_empty(), "claims that were lost are left: {trash:?}");
    at_once(2, |number| {
        volumes.iter().for_each(|volume| engines[number].delete(&volume.id()).unwrap());
        engines[number].tend();
    });
    assert_eq!(known(&scratch), []);
}
