//! Volumes that are directories under a project quota, over a machine in memory.

mod drift;
mod lowered;
mod proof;
mod room;
mod trash;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};

use ullage::backend::Fault;
use ullage::config::{Overcommit, PoolConfig, Reserve};
use ullage::engine::{CreateRequest, Error, Kind, MountRequest, Result, SizeRange, StageRequest};
use ullage::host::QuotaState;
use ullage::host::fake::{Fake, How};
use ullage::model::{
    Backend, Bytes, Content, FsKind, InodeLimit, MountAttributes, MountOptions, ProjectId, ProjectLimit, ProjectTag,
    ProjectUsage, VolumeId,
};
use ullage::store::{PoolDir, Record};

use crate::world::{POOL, Volume, World, pool};

/// Where others keep what they have.
const ELSEWHERE: &str = "/elsewhere";

fn of_limits() -> PoolConfig {
    PoolConfig { backend: Backend::Quota, overcommit: Overcommit::NONE, ..pool("default", POOL) }
}

fn world() -> World {
    World::with(Fake::new(Bytes::gib(100)), vec![of_limits()])
}

fn at_least(size: Bytes) -> SizeRange {
    SizeRange { at_least: size, at_most: None }
}

fn data(id: &VolumeId) -> PathBuf {
    PoolDir::new(POOL).volume(id).data()
}

fn usage(world: &World, project: ProjectId) -> ProjectUsage {
    world.fake.machine().quotas.usage(Path::new(POOL), project).unwrap().unwrap_or_default()
}

fn project(id: u32) -> ProjectId {
    ProjectId::new(id).unwrap()
}

fn of_bytes(bytes: Bytes) -> ProjectLimit {
    ProjectLimit { bytes: Some(bytes), inodes: None }
}

fn create(world: &World, name: &str, size: Bytes) -> Result<Arc<Record>> {
    world.engine.create(&request(name, size))
}

fn request(name: &str, size: Bytes) -> CreateRequest {
    let mut request = Volume { size, ..Volume::xfs("any") }.request();
    request.spec.name = name.to_owned();
    request
}

fn record(world: &World, name: &str) -> Arc<Record> {
    world.engine.record(&VolumeId::from_name(name)).unwrap()
}

/// As another driver does it: it counts before it sets a limit, and leaves what is not its own.
fn take(fake: &Fake, id: u32) -> bool {
    let (quotas, place) = (fake.machine().quotas, Path::new(ELSEWHERE));
    fake.set_project_behind(place, Some(project(id))).unwrap();
    let counted = quotas.usage(Path::new(POOL), project(id)).unwrap().unwrap().inodes;
    match counted {
        1 => quotas.set_limit(Path::new(POOL), project(id), of_bytes(Bytes::gib(7))).unwrap(),
        _ => fake.set_project_behind(place, None).unwrap(),
    }
    counted == 1
}

#[test]
fn a_volume_is_a_directory_with_a_project_and_a_limit() {
    let world = world();
    let made = create(&world, "a", Bytes::gib(1)).unwrap();
    assert_eq!((made.project, made.spec.content), (Some(project(100)), Content::Filesystem(FsKind::Xfs)));
    let tag = world.fake.machine().quotas.project_of(&data(&made.id)).unwrap().unwrap();
    assert_eq!((Some(tag.id), tag.inherited), (made.project, true));
    assert_eq!(usage(&world, project(100)).limit, of_bytes(Bytes::gib(1)));
    assert_eq!(create(&world, "b", Bytes::gib(1)).unwrap().project, Some(project(101)));
    assert_eq!(create(&world, "a", Bytes::gib(1)).unwrap(), made, "the same");
}

#[test]
fn a_volume_grows_and_shrinks_where_it_is_mounted_and_nothing_else_changes() {
    let world = world();
    let id = create(&world, "a", Bytes::gib(1)).unwrap().id.clone();
    let request = MountRequest { target: "/mnt/a".into(), read_only: false };
    world.engine.mount(&id, &request).unwrap();
    assert_eq!(world.engine.expand(&id, None, at_least(Bytes::gib(3))).unwrap(), Bytes::gib(3));
    assert_eq!(usage(&world, project(100)).limit, of_bytes(Bytes::gib(3)));
    assert!(!record(&world, "a").growth_is_pending());
    world.fake.write_in(&data(&id), "file", Bytes::gib(1)).unwrap();
    let refused = world.engine.shrink(&id, Bytes::gib(1)).unwrap_err();
    assert!(matches!(&refused, Error::TooFull { least, .. } if *least > Bytes::gib(1)), "{refused}");
    assert_eq!(usage(&world, project(100)).limit, of_bytes(Bytes::gib(3)), "nothing is touched");
    assert_eq!(world.engine.shrink(&id, Bytes::gib(2)).unwrap(), Bytes::gib(2));
    assert_eq!(
        (usage(&world, project(100)).limit, record(&world, "a").spec.size),
        (of_bytes(Bytes::gib(2)), Bytes::gib(2))
    );
    world.fake.write_in(&data(&id), "more", Bytes::gib(2)).unwrap_err();
}

#[test]
fn mount_options_hold_where_it_is_staged_and_published() {
    let world = world();
    let id = create(&world, "a", Bytes::gib(1)).unwrap().id.clone();
    let volume = Volume::xfs("a");
    let options = MountOptions::from_flags(&["noexec", "nodev"]);
    let request = StageRequest { staging: volume.staging(), access: volume.access(), options };
    world.engine.stage(&id, &request).unwrap();
    world.engine.stage(&id, &request).unwrap();
    world.publish(&volume).unwrap();
    let attributes = MountAttributes { no_exec: true, no_dev: true, ..MountAttributes::default() };
    let mounts = world.fake.machine().mounts.list().unwrap();
    let found: Vec<_> = mounts.into_iter().map(|mount| (mount.target, mount.attributes)).collect();
    assert_eq!(found, [(volume.staging(), attributes), (volume.target(), attributes)]);
    let options = MountOptions::from_flags(&["noexec", "discard"]);
    let refused = world.engine.stage(&id, &StageRequest { options, ..request }).unwrap_err();
    assert!(refused.to_string().contains("mount option 'discard'"), "{refused}");
}

#[test]
fn an_id_that_anybody_has_is_nobody_elses() {
    let world = world();
    let machine = world.fake.machine();
    machine.quotas.set_limit(Path::new(POOL), project(100), of_bytes(Bytes::gib(1))).unwrap();
    machine.files.create_dir(Path::new("/elsewhere")).unwrap();
    machine.quotas.set_project(Path::new("/elsewhere"), project(101)).unwrap();
    machine.files.create_dir(Path::new("/etc")).unwrap();
    machine.files.write_whole(Path::new("/etc/projects"), b"# mine\n102:/srv/data\nnonsense").unwrap();
    assert_eq!(create(&world, "a", Bytes::gib(1)).unwrap().project, Some(project(103)));
}

#[test]
fn ids_are_known_again_after_a_restart_though_a_record_is_damaged() {
    let mut world = world();
    let ids: Vec<_> = ["a", "b", "c"].map(|name| create(&world, name, Bytes::gib(1)).unwrap().id.clone()).into();
    world.engine.delete(&ids[2]).unwrap();
    let files = world.fake.machine().files;
    files.write_whole(&PoolDir::new(POOL).volume(&ids[0]).record(), b"\0\0\0").unwrap();
    world.restart(How::Kill);
    world.engine.recover();
    world.engine.tend();
    assert_eq!(create(&world, "d", Bytes::gib(1)).unwrap().project, Some(project(102)), "the trash is empty by now");
}

#[test]
fn inodes_are_limited_where_that_is_asked_for() {
    let world = world();
    let make = |name: &str, inodes| {
        let mut request = request(name, Bytes::gib(1));
        request.spec.inodes = Some(inodes);
        world.engine.create(&request).unwrap()
    };
    let auto = make("auto", InodeLimit::Auto);
    make("few", InodeLimit::Count(10));
    assert_eq!(usage(&world, project(100)).limit.inodes, Some(262_144));
    assert_eq!(usage(&world, project(101)).limit.inodes, Some(10));
    world.engine.expand(&auto.id, None, at_least(Bytes::gib(2))).unwrap();
    assert_eq!(usage(&world, project(100)).limit.inodes, Some(524_288));
}

#[test]
fn an_audit_finds_files_that_have_left_and_mends_what_has_drifted() {
    let world = world();
    let id = create(&world, "a", Bytes::gib(1)).unwrap().id.clone();
    let other = create(&world, "b", Bytes::gib(1)).unwrap().id.clone();
    world.fake.machine().files.create_dir(&data(&id).join("dir")).unwrap();
    for name in ["file", "dir/file"] {
        world.fake.write_in(&data(&id), name, Bytes::mib(1)).unwrap();
    }
    let (faults, samples) = (|| world.engine.health(&id).unwrap(), || world.engine.view().unwrap().samples().unwrap());
    let counts = || samples().iter().map(|sample| sample.files_left).collect::<Vec<_>>();
    assert_eq!(counts(), [None, None], "not known before");
    world.engine.audit();
    assert_eq!((faults(), counts()), (vec![], vec![Some(0), Some(0)]));
    world.fake.set_project_behind(&data(&id).join("file"), None).unwrap();
    world.fake.set_project_behind(&data(&id).join("dir"), Some(project(7))).unwrap();
    world.fake.machine().quotas.set_limit(Path::new(POOL), project(101), of_bytes(Bytes::gib(9))).unwrap();
    world.engine.audit();
    assert_eq!((faults(), counts()), (vec![Fault::FilesLeft(2)], vec![Some(2), Some(0)]));
    assert_eq!(usage(&world, project(101)).limit, of_bytes(Bytes::gib(1)));
    assert_eq!((world.engine.pools()[0].mended, world.engine.health(&other).unwrap()), (1, vec![]));
    for name in ["file", "dir"] {
        world.fake.set_project_behind(&data(&id).join(name), Some(project(100))).unwrap();
    }
    world.engine.audit();
    assert_eq!(faults(), []);
    world.engine.delete(&id).unwrap();
    world.engine.audit();
    assert_eq!(counts(), [Some(0)]);
}
