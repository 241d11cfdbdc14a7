//! Which pods use a volume: noted beside its record, and believed only as far as the kernel agrees.

use std::path::Path;

use ullage::engine::{Error, PublishRequest};
use ullage::host::fake::How;
use ullage::model::PodRef;

use crate::world::{Volume, World};

const NOTE: &str = "/pool/volumes/db/pods.yaml";

fn pod(name: &str) -> PodRef {
    PodRef { namespace: "shop".into(), name: name.into(), uid: format!("uid-of-{name}") }
}

fn staged() -> (World, Volume) {
    let (world, volume) = (World::new(), Volume::xfs("db"));
    world.create(&volume).unwrap();
    world.stage(&volume).unwrap();
    (world, volume)
}

fn publish(world: &World, volume: &Volume, target: &str, pod: Option<PodRef>) {
    let (staging, target, access) = (volume.staging(), target.into(), volume.access());
    let request = PublishRequest { staging, target, access, read_only: false, exclusive: false, pod };
    world.engine.publish(&volume.id(), &request).unwrap();
}

fn note(world: &World) -> Option<String> {
    world.fake.machine().files.read(Path::new(NOTE)).unwrap().map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn they_come_and_go_with_their_targets() {
    let (world, volume) = staged();
    let users = || world.engine.users(&volume.id()).unwrap();
    publish(&world, &volume, "/kubelet/b", Some(pod("two")));
    publish(&world, &volume, "/kubelet/a", Some(pod("one")));
    publish(&world, &volume, "/kubelet/c", None);
    assert_eq!(users(), [pod("one"), pod("two")]);
    world.engine.unpublish(&volume.id(), Path::new("/kubelet/b")).unwrap();
    assert_eq!(users(), [pod("one")]);
    // Published again by somebody who does not say for whom.
    publish(&world, &volume, "/kubelet/a", None);
    assert_eq!((users(), note(&world)), (vec![], None));
    let gone = Volume::xfs("gone").id();
    assert!(matches!(world.engine.users(&gone), Err(Error::NoVolume(_))));
}

#[test]
fn what_is_mounted_no_more_has_no_pod() {
    let (mut world, volume) = staged();
    publish(&world, &volume, "/kubelet/a", Some(pod("one")));
    world.fake.machine().mounts.unmount(Path::new("/kubelet/a")).unwrap();
    assert_eq!(world.engine.users(&volume.id()).unwrap(), []);
    publish(&world, &volume, "/kubelet/a", Some(pod("one")));
    for how in [How::Reboot, How::PowerCut] {
        world.restart(how);
        world.engine.recover();
        assert_eq!(world.engine.users(&volume.id()).unwrap(), [], "{how:?}");
        world.stage(&volume).unwrap();
        publish(&world, &volume, "/kubelet/b", Some(pod("two")));
        assert_eq!(world.engine.users(&volume.id()).unwrap(), [pod("two")]);
        assert!(!note(&world).unwrap().contains("/kubelet/a"), "{how:?}");
    }
    // A process that is killed takes no mount with it.
    world.restart(How::Kill);
    world.engine.recover();
    assert_eq!(world.engine.users(&volume.id()).unwrap(), [pod("two")]);
}

#[test]
fn a_damaged_note_stops_nothing() {
    for damaged in [&b""[..], b"\xff\xfe", b"schema: 2\n", b"shown: 7\n", b"schema: 1\nshown: [{target: /kubelet/a}]\n"]
    {
        let (mut world, volume) = staged();
        publish(&world, &volume, "/kubelet/a", Some(pod("one")));
        world.fake.machine().files.write_whole(Path::new(NOTE), damaged).unwrap();
        world.restart(How::Kill);
        world.engine.recover();
        assert_eq!(world.engine.set_aside(), []);
        assert_eq!(world.engine.users(&volume.id()).unwrap(), []);
        publish(&world, &volume, "/kubelet/b", Some(pod("two")));
        assert_eq!(world.engine.users(&volume.id()).unwrap(), [pod("two")]);
        for target in ["/kubelet/a", "/kubelet/b"] {
            world.engine.unpublish(&volume.id(), Path::new(target)).unwrap();
        }
        assert_eq!(note(&world), None);
        world.fake.machine().files.write_whole(Path::new(NOTE), damaged).unwrap();
        world.engine.unpublish(&volume.id(), Path::new("/kubelet/a")).unwrap();
        assert!(world.fake.machine().files.read(Path::new(NOTE)).unwrap().is_none(), "it is taken away");
        world.unstage(&volume).unwrap();
        world.delete(&volume).unwrap();
    }
}
