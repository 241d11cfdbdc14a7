//! What hostlet has left becomes volumes, over a machine in memory.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use ullage::config::{Overcommit, PoolConfig, Reserve};
use ullage::engine::{Imported, Kind, MountRequest, Outcome};
use ullage::host::fake::{Cut, Fake, How};
use ullage::model::{Backend, Bytes, MountAttributes, ProjectId, ProjectLimit, ProjectUsage, VolumeId};
use ullage::projects::hostlet::State;
use ullage::store::PoolDir;

use crate::world::{POOL, Volume, World, pool};

const APPS: &str = "/opt/apps";

fn of_limits() -> PoolConfig {
    let reserve = Reserve::Amount(Bytes::ZERO);
    PoolConfig { backend: Backend::Quota, overcommit: Overcommit::NONE, reserve, ..pool("default", POOL) }
}

fn project(id: u32) -> ProjectId {
    ProjectId::new(id).unwrap()
}

fn apps(name: &str) -> PathBuf {
    Path::new(APPS).join(name)
}

fn data(name: &str) -> PathBuf {
    PoolDir::new(POOL).volume(&VolumeId::from_name(name)).data()
}

/// A machine on which hostlet has run: a project of a GiB for each name, from 1000 on, with half a GiB in it.
fn left_by_hostlet(names: &[&str]) -> World {
    let world = World::with(Fake::new(Bytes::gib(10)), vec![of_limits()]);
    let machine = world.fake.machine();
    for (id, name) in (1000..).zip(names) {
        machine.files.create_dir(&apps(name)).unwrap();
        machine.quotas.set_project(&apps(name), project(id)).unwrap();
        world.fake.write_in(&apps(name), "file", Bytes::mib(512)).unwrap();
    }
    world
}

fn items(names: &[&str]) -> State {
    let item = |(id, name): (u32, &&str)| format!("{{id: {id}, name: {name}, soft: 512Mi, hard: 1Gi, used: 1Mi}}");
    let items: Vec<_> = (1000..).zip(names).map(item).collect();
    State::parse(&format!("items: [{}]\nupdated: 0\n", items.join(", "))).unwrap()
}

fn import(world: &World, names: &[&str], apply: bool) -> Vec<Imported> {
    world.engine.import(&of_limits().name, &items(names), Some(Path::new(APPS)), apply).unwrap()
}

fn outcome(world: &World, apply: bool) -> Outcome {
    import(world, &["a"], apply).remove(0).outcome
}

fn usage(world: &World, id: u32) -> ProjectUsage {
    world.fake.machine().quotas.usage(Path::new(POOL), project(id)).unwrap().unwrap_or_default()
}

fn has(world: &World, path: &Path) -> bool {
    world.fake.machine().files.stat(path).unwrap().is_some()
}

#[test]
fn directories_become_volumes_where_their_data_lies_and_a_look_changes_nothing() {
    let world = left_by_hostlet(&["a", "b"]);
    let before = world.fake.paths();
    let looked: Vec<_> = import(&world, &["a", "b"], false).into_iter().map(|item| item.outcome).collect();
    assert_eq!((looked, world.fake.paths()), (vec![Outcome::Possible; 2], before));
    assert_eq!(world.engine.pools()[0].room.as_ref().unwrap().volumes, 0);
    let done: Vec<_> = import(&world, &["a", "b"], true).into_iter().map(|item| item.outcome).collect();
    assert_eq!(done, vec![Outcome::Done; 2]);
    let found = world.engine.inspect(&VolumeId::from_name("a")).unwrap();
    assert_eq!((found.record.project, found.record.spec.warn_percent), (Some(project(1000)), Some(50)));
    assert_eq!((found.faults, found.record.taken_from.clone()), (vec![], None));
    assert_eq!(usage(&world, 1000).limit, ProjectLimit { bytes: Some(Bytes::gib(1)), inodes: None });
    assert!(has(&world, &data("a").join("file")) && !has(&world, &apps("a")));
    let room = world.engine.pools()[0].room.clone().unwrap();
    assert_eq!((room.promised, room.pending, room.volumes), (Bytes::gib(2), Bytes::gib(1), 2));
    assert_eq!(outcome(&world, true), Outcome::Present);
    // It is a volume as every other.
    let id = VolumeId::from_name("a");
    world.engine.mount(&id, &MountRequest { target: "/mnt/a".into(), read_only: false }).unwrap();
    assert_eq!(world.engine.resize(&id, Bytes::gib(2)).unwrap(), Bytes::gib(2));
    world.engine.unmount(&id, Path::new("/mnt/a")).unwrap();
    world.engine.delete(&id).unwrap();
    world.engine.tend();
    assert_eq!(usage(&world, 1000), ProjectUsage::default());
}

#[test]
fn what_cannot_be_taken_over_is_left_and_says_why() {
    type Change = fn(&World);
    let cases: [(Change, &str); 9] = [
        (|world| world.fake.machine().files.remove_tree(&apps("a")).unwrap(), "/opt/apps/a: it does not exist"),
        (
            |world| {
                world.fake.machine().files.remove_tree(&apps("a")).unwrap();
                world.fake.machine().files.write_whole(&apps("a"), b"x").unwrap();
            },
            "/opt/apps/a is not a directory",
        ),
        (
            |world| {
                world.fake.machine().files.create_dir(Path::new("/mnt/a")).unwrap();
                world.fake.machine().mounts.bind(&apps("a"), Path::new("/mnt/a"), &MountAttributes::default()).unwrap();
            },
            "it is mounted itself, at /mnt/a",
        ),
        (
            |world| {
                world.fake.machine().files.create_dir(&apps("a").join("dir")).unwrap();
                world
                    .fake
                    .machine()
                    .mounts
                    .bind(Path::new(POOL), &apps("a").join("dir"), &MountAttributes::default())
                    .unwrap();
            },
            "something is mounted in it, or it is mounted itself, at /opt/apps/a/dir",
        ),
        (
            |world| world.fake.set_project_behind(&apps("a").join("file"), None).unwrap(),
            "1 of its files and directories are not of project 1000",
        ),
        (
            |world| {
                let mut request = Volume::xfs("a").request();
                request.spec.size = Bytes::gib(1);
                world.engine.create(&request).unwrap();
            },
            "its project is 100, and that of the item is 1000",
        ),
        (|world| world.fake.write_in(&apps("a"), "more", Bytes::gib(1)).unwrap(), "more than its limit of 1Gi"),
        (|world| world.fake.set_capacity_of_disk(Bytes::mib(900)), "is full"),
        (
            |world| {
                let mut request = Volume::xfs("big").request();
                request.spec.size = Bytes::new((Bytes::gib(9).get() + Bytes::mib(400).get()) & !4095);
                world.engine.create(&request).unwrap();
            },
            "is full",
        ),
    ];
    for (change, said) in cases {
        let world = left_by_hostlet(&["a"]);
        change(&world);
        let before = world.fake.paths();
        for apply in [false, true] {
            let outcome = outcome(&world, apply);
            assert!(matches!(&outcome, Outcome::Refused(reason) if reason.contains(said)), "{said}: {outcome:?}");
            assert_eq!(world.fake.paths(), before, "{said}");
        }
    }
    let world = World::new();
    let refused = world.engine.import(&of_limits().name, &items(&["a"]), Some(Path::new(APPS)), false).unwrap_err();
    assert_eq!(refused.kind(), Kind::Invalid, "{refused}");
}

#[test]
fn a_look_counts_the_room_of_all_together() {
    let world = left_by_hostlet(&["a", "b"]);
    let mut request = Volume::xfs("big").request();
    request.spec.size = Bytes::gib(8);
    world.engine.create(&request).unwrap();
    for apply in [false, true] {
        let outcomes: Vec<_> = import(&world, &["a", "b"], apply).into_iter().map(|item| item.outcome).collect();
        assert!(!matches!(outcomes[0], Outcome::Refused(_)), "{outcomes:?}");
        assert!(matches!(&outcomes[1], Outcome::Refused(reason) if reason.contains("is full")), "{outcomes:?}");
    }
}

#[test]
fn an_import_cut_at_any_step_leaves_the_old_or_the_new_and_goes_on() {
    let steps = {
        let world = left_by_hostlet(&["a"]);
        world.fake.cut(None);
        assert_eq!(outcome(&world, true), Outcome::Done);
        world.fake.steps()
    };
    for how in [How::Kill, How::Reboot, How::PowerCut, How::Fail(Errno::EIO), How::Fail(Errno::ENOSPC)] {
        for at in 1..=steps {
            let cut = Cut { at, how };
            let mut world = left_by_hostlet(&["a"]);
            world.fake.cut(Some(cut));
            let _ = world.engine.import(&of_limits().name, &items(&["a"]), Some(Path::new(APPS)), true);
            if matches!(how, How::Fail(_)) {
                world.fake.cut(None);
            } else {
                world.restart(how);
                world.engine.recover();
                assert_eq!(world.engine.set_aside(), [], "{cut:?}");
                let names: Vec<_> = world.engine.list(None, 0).unwrap().0.into_iter().map(|it| it.id.clone()).collect();
                let (old, new) = (has(&world, &apps("a").join("file")), has(&world, &data("a").join("file")));
                assert_eq!((old, names.len()), (!new, usize::from(new)), "{cut:?}");
            }
            let outcome = outcome(&world, true);
            assert!(matches!(outcome, Outcome::Done | Outcome::Present), "{cut:?}: {outcome:?}");
            let found = world.engine.inspect(&VolumeId::from_name("a")).unwrap();
            assert_eq!((found.faults, found.record.taken_from.clone()), (vec![], None), "{cut:?}");
            assert_eq!(usage(&world, 1000).limit.bytes, Some(Bytes::gib(1)), "{cut:?}");
            assert!(has(&world, &data("a").join("file")), "{cut:?}");
            world.engine.tend();
            let room = world.engine.pools()[0].room.clone().unwrap();
            assert_eq!((room.promised, room.volumes), (Bytes::gib(1), 1), "{cut:?}");
        }
    }
}
