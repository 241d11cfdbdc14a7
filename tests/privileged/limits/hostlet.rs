//! What hostlet has left becomes volumes, in place.

use std::os::unix::fs::{MetadataExt, chown};

use ullage::engine::Outcome;
use ullage::model::VolumeId;
use ullage::projects::hostlet::State;

use super::*;

/// As hostlet writes it.
fn state(id: u32, name: &str, mount: &Path) -> State {
    let mount = mount.display();
    let (soft, hard) = (SIZE.get() / 2, SIZE.get());
    let item = format!(r#"{{"id":{id},"mnt":"{mount}","name":"{name}","soft":{soft},"hard":{hard},"used":0}}"#);
    State::parse(&format!(r#"{{"items":[{item}],"updated":1600000000}}"#)).unwrap()
}

#[test]
fn a_directory_of_hostlet_becomes_a_volume_with_its_files_its_id_and_its_limit() {
    let scratch = Scratch::xfs(ROOM, "prjquota");
    let (quotas, apps) = (scratch.machine().quotas, scratch.pool().join("apps"));
    let left = apps.join("shop");
    fs::create_dir_all(&left).unwrap();
    quotas.set_project(&left, project(1000)).unwrap();
    quotas.set_limit(&left, project(1000), of_bytes(SIZE)).unwrap();
    fs::write(left.join("wine"), vec![7; 10 << 20]).unwrap();
    chown(left.join("wine"), Some(1001), Some(1002)).unwrap();

    let world = over(scratch);
    let import = |apply| {
        let pool = world.engine.pools().remove(0).config.name;
        let done = world.engine.import(&pool, &state(1000, "shop", &world.scratch.pool()), Some(&apps), apply).unwrap();
        done.into_iter().map(|item| item.outcome).collect::<Vec<_>>()
    };
    assert_eq!(import(false), [Outcome::Possible]);
    assert!(left.join("wine").exists(), "a look changes nothing");
    assert_eq!(import(true), [Outcome::Done]);
    assert!(!left.exists());

    let shop = volume("shop");
    assert_eq!(world.engine.record(&VolumeId::from_name("shop")).unwrap().project, Some(project(1000)));
    assert_eq!(
        counted(&world, &shop),
        ProjectUsage { limit: of_bytes(SIZE), bytes: Bytes::mib(10), inodes: 2, ..ProjectUsage::default() }
    );
    world.stage(&shop).unwrap();
    world.publish(&shop).unwrap();
    let target = world.target(&shop);
    let wine = fs::metadata(target.join("wine")).unwrap();
    assert_eq!((wine.uid(), wine.gid(), wine.len()), (1001, 1002, 10 << 20));
    assert_eq!(fill(&target.join("more")), Bytes::new(SIZE.get() - (10 << 20)), "root, too, has no more");
    assert_eq!(world.faults(&shop), ["VolumeOutOfStorage"]);
    assert_eq!(world.engine.record(&shop.id()).unwrap().spec.warn_percent, Some(50));
    fs::remove_dir(&apps).unwrap();
    take_down(&world, &[&shop]);
}
