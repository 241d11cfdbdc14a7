//! Which project ids volumes get, whatever fails, and whoever comes in between: the lowest that nobody has.

use std::path::Path;
use std::sync::{Arc, Mutex};

use nix::errno::Errno;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as Values};
use tracing::{Event, Level, Metadata, Subscriber};
use ullage::config::{Overcommit, PoolConfig};
use ullage::engine::{Kind, Result};
use ullage::host::fake::{Cut, Fake, How};
use ullage::model::{Backend, Bytes, ProjectId, ProjectLimit, VolumeId};
use ullage::store::{PoolDir, Record};

use crate::world::{POOL, Volume, World, pool};

fn world() -> World {
    let mut config = PoolConfig { backend: Backend::Quota, overcommit: Overcommit::NONE, ..pool("default", POOL) };
    config.limits.writes_names = true;
    let fake = Fake::new(Bytes::gib(100));
    fake.machine().files.create_dir(Path::new("/etc")).unwrap();
    World::with(fake, vec![config])
}

fn create(world: &World, name: &'static str) -> Result<Arc<Record>> {
    world.create(&Volume::xfs(name))
}

fn delete(world: &World, name: &str) -> Result<()> {
    world.engine.delete(&VolumeId::from_name(name))
}

/// The id that a volume gets which is made now.
fn next(world: &World, name: &'static str) -> u32 {
    create(world, name).unwrap().project.unwrap().get()
}

/// The paths in `/etc/projects`.
fn named(world: &World) -> Vec<String> {
    let content = world.fake.machine().files.read(Path::new("/etc/projects")).unwrap().unwrap_or_default();
    let lines = String::from_utf8(content).unwrap();
    lines.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

/// How many steps that takes uncut.
fn steps(prepare: impl Fn(&World) -> Result<()>, act: impl Fn(&World) -> Result<()>) -> usize {
    let world = world();
    prepare(&world).unwrap();
    world.fake.cut(None);
    act(&world).unwrap();
    world.fake.steps()
}

#[test]
fn no_failure_keeps_an_id_from_who_comes_next() {
    type Act = fn(&World) -> Result<()>;
    let made: Act = |world| create(world, "a").map(drop);
    let calls: [(_, Act, Act); 2] = [("create", |_| Ok(()), made), ("delete", made, |world| delete(world, "a"))];
    for (what, prepare, act) in calls {
        let steps = steps(prepare, act);
        for (at, errno) in (1..=steps).flat_map(|at| [(at, Errno::EIO), (at, Errno::ENOSPC)]) {
            let world = world();
            prepare(&world).unwrap();
            world.fake.cut(Some(Cut { at, how: How::Fail(errno) }));
            let _ = act(&world);
            world.fake.cut(None);
            delete(&world, "a").unwrap();
            world.engine.tend();
            let there = [next(&world, "b"), next(&world, "c")];
            assert_eq!(there, [100, 101], "{what} at step {at} of {steps}: {errno}");
            assert_eq!(named(&world), ["100:/pool/volumes/b/data", "101:/pool/volumes/c/data"], "{what} at step {at}");
        }
    }
}

#[test]
fn a_volume_that_is_out_of_the_trash_before_its_deletion_ends_leaves_its_id() {
    let world = Arc::new(world());
    create(&world, "a").unwrap();
    let meanwhile = world.clone();
    world.fake.after_next("rename", move || meanwhile.engine.tend());
    delete(&world, "a").unwrap();
    assert_eq!(next(&world, "b"), 100);
}

#[test]
fn a_volume_that_could_not_be_deleted_keeps_its_id_and_its_name() {
    let world = world();
    create(&world, "a").unwrap();
    world.fake.fail_next("rename", Errno::EIO);
    delete(&world, "a").unwrap_err();
    assert_eq!(next(&world, "b"), 101);
    assert_eq!(named(&world), ["100:/pool/volumes/a/data", "101:/pool/volumes/b/data"]);
    delete(&world, "a").unwrap();
    assert_eq!(next(&world, "c"), 102, "its data is still there");
    world.engine.tend();
    assert_eq!(next(&world, "d"), 100);
}

#[test]
fn a_directory_whose_record_is_lost_keeps_its_id_and_its_limit_and_is_left_alone() {
    let mut world = world();
    let files = world.fake.machine().files;
    let volume = Volume::xfs("a");
    create(&world, "a").unwrap();
    let dir = PoolDir::new(POOL).volume(&volume.id());
    world.fake.write_in(&dir.data(), "file", Bytes::mib(1)).unwrap();
    let usage =
        |world: &World| world.fake.machine().quotas.usage(Path::new(POOL), ProjectId::new(100).unwrap()).unwrap();
    let before = usage(&world);
    files.rename(&dir.record(), Path::new("/kubelet/record")).unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    let aside: Vec<_> = world.engine.set_aside().into_iter().map(|aside| aside.reason).collect();
    assert!(aside.len() == 1 && aside[0].contains("there is no record, and there is 'data'"), "{aside:?}");
    for refused in [create(&world, "a").map(drop), delete(&world, "a"), world.stage(&volume)] {
        assert_eq!(refused.unwrap_err().kind(), Kind::Failed);
    }
    assert_eq!(world.engine.health(&volume.id()).unwrap()[0].reason(), "RecordUnreadable");
    assert_eq!(next(&world, "b"), 101);
    world.engine.tend();
    assert_eq!(usage(&world), before);
    files.rename(Path::new("/kubelet/record"), &dir.record()).unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    assert_eq!(world.engine.health(&volume.id()).unwrap(), []);
    assert_eq!(named(&world), ["100:/pool/volumes/a/data", "101:/pool/volumes/b/data"]);
}

#[test]
fn names_that_somebody_takes_away_or_could_not_be_written_come_back_behind_the_calls() {
    let world = world();
    let files = world.fake.machine().files;
    create(&world, "a").unwrap();
    files.write_whole(Path::new("/etc/projects"), b"7:/theirs\n").unwrap();
    files.write_whole(Path::new("/etc/projid.ullage-new"), b"half a fi").unwrap();
    files.write_whole(Path::new("/etc/projid.new"), b"somebody's").unwrap();
    world.engine.tend();
    assert_eq!(named(&world), ["7:/theirs", "100:/pool/volumes/a/data"]);
    assert_eq!(files.list(Path::new("/etc")).unwrap(), ["projects", "projid", "projid.new"]);
}

/// Where limits are said to be nobody's.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Subscriber for Said {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.target() == "ullage::engine::projects" && *about.level() == Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Values<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Visit for Said {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "ids" {
            self.0.lock().unwrap().push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

#[test]
fn limits_of_nobody_are_told_of_when_a_pool_is_opened_and_left_alone() {
    let mut world = world();
    let machine = world.fake.machine();
    let limit = |id: u32, bytes: Option<Bytes>| {
        let limit = ProjectLimit { bytes, ..ProjectLimit::default() };
        machine.quotas.set_limit(Path::new(POOL), ProjectId::new(id).unwrap(), limit).unwrap();
    };
    create(&world, "a").unwrap();
    create(&world, "deleted").unwrap();
    delete(&world, "deleted").unwrap();
    for id in [7, 103, 104, 105, 106] {
        limit(id, Some(Bytes::gib(1)));
    }
    limit(106, None);
    machine.files.write_whole(Path::new("/etc/projects"), b"105:/planned\n").unwrap();
    let said = Said::default();
    let _log = tracing::subscriber::set_default(said.clone());
    world.restart(How::Kill);
    world.engine.recover();
    assert_eq!(*said.0.lock().unwrap(), ["103, 104"]);
    assert_eq!(["b", "c"].map(|name| next(&world, name)), [102, 106]);
}
