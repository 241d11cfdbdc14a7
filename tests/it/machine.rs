//! The volumes of one machine, as the quota API asks for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ullage::api::machine::{Machine, Settings};
use ullage::api::volumes::{Create, Error, Volume, Volumes};
use ullage::config::Defaults;
use ullage::engine::Engine;
use ullage::host::fake::{Fake, How};
use ullage::model::{Backend, Bytes, FsKind, PoolName};

use crate::world::{POOL, pool};

const MOUNTS: &str = "/run/ullage/mnt";

struct Place {
    fake: Fake,
    engine: Arc<Engine>,
    machine: Machine,
    woken: Arc<AtomicUsize>,
}

impl Place {
    fn new() -> Self {
        let fake = Fake::new(Bytes::gib(100));
        fake.machine().files.create_dir(Path::new(POOL)).unwrap();
        Self::over(fake)
    }

    fn over(fake: Fake) -> Self {
        let engine = Arc::new(Engine::new(fake.machine(), vec![pool("default", POOL)]).keeping_mounts());
        engine.recover();
        let woken = Arc::<AtomicUsize>::default();
        let count = woken.clone();
        let settings = Settings {
            mount_dir: MOUNTS.into(),
            pools: vec![(PoolName::parse("default").unwrap(), Backend::Loop)],
            defaults: Defaults::default(),
            deleted: Arc::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
            }),
        };
        Self { fake, engine: engine.clone(), machine: Machine::new(engine, settings), woken }
    }

    async fn create(&self, create: Create) -> Volume {
        let created = self.machine.create(create).await.unwrap();
        assert!(created.is_new);
        created.volume
    }

    fn left(&self) -> Vec<String> {
        let ours = |path: &String| {
            ["/pool/volumes/", "/run/ullage/mnt/"].iter().any(|dir| path.starts_with(dir) && path != dir)
        };
        self.fake.paths().into_iter().filter(ours).collect()
    }
}

fn sized(mib: u64) -> Create {
    Create { size: Some(Bytes::mib(mib)), ..Create::default() }
}

fn named(name: &str) -> Create {
    Create { name: Some(name.into()), ..Create::default() }
}

#[tokio::test]
async fn a_client_that_says_little_gets_a_volume_that_is_mounted() {
    let place = Place::new();
    let (xfs, ext4) = (FsKind::Xfs, FsKind::Ext4);
    for (create, size, fs) in [(sized(2048), 2048, xfs), (Create::default(), 1024, xfs), (sized(20), 20, ext4)] {
        let volume = place.create(create).await;
        assert_eq!((volume.size, volume.fs), (Bytes::mib(size), Some(fs)));
        assert_eq!(volume.path, Some(Path::new(MOUNTS).join(volume.id.as_str())));
        assert_eq!((volume.id.as_str().len(), volume.name.as_str()), (36, volume.id.as_str()));
        assert!(place.fake.mount_targets().contains(&volume.path.unwrap()));
    }
    assert_eq!(place.machine.list().await.unwrap().len(), 3);
    for (create, reason) in [
        (sized(19), "size must be at least 20 MB"),
        (Create { fs: Some(FsKind::Xfs), ..sized(299) }, "xfs needs 300Mi, and 299Mi was asked for"),
        (named(" "), "name is empty"),
        (named("a\nb"), "name has a control character in it"),
        (named(&"x".repeat(254)), "name is longer than 253 bytes"),
    ] {
        assert_eq!(place.machine.create(create).await.unwrap_err(), Error::Invalid(reason.into()));
    }
    let unknown = Create { pool: Some(PoolName::parse("fast").unwrap()), ..Create::default() };
    assert!(matches!(place.machine.create(unknown).await.unwrap_err(), Error::Invalid(_)));
    let full = place.machine.create(sized(200 << 10)).await.unwrap_err();
    assert_eq!(full, Error::NoRoom { reason: None });
}

#[tokio::test]
async fn a_name_is_had_once() {
    let place = Place::new();
    let first = place.create(named("../my volume")).await;
    assert!(first.path.as_ref().unwrap().starts_with(MOUNTS) && first.name == "../my volume");
    for same in
        [named("../my volume"), Create { fs: Some(FsKind::Xfs), name: named("../my volume").name, ..sized(1024) }]
    {
        let again = place.machine.create(same).await.unwrap();
        assert!(!again.is_new);
        assert_eq!(again.volume, first);
    }
    for other in [sized(2048), Create { fs: Some(FsKind::Ext4), ..Create::default() }] {
        let refused = place.machine.create(Create { name: named("../my volume").name, ..other }).await.unwrap_err();
        assert!(matches!(&refused, Error::Refused { code: Some("exists"), .. }), "{refused:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_mounted_is_not_left() {
    let place = Place::new();
    place.fake.machine().files.create_dir(&Path::new(MOUNTS).join("db/letters")).unwrap();
    let refused = place.machine.create(named("db")).await.unwrap_err();
    assert!(matches!(&refused, Error::Refused { code: Some("in_use"), .. }), "{refused:?}");
    assert_eq!(place.left(), ["/run/ullage/mnt/db/", "/run/ullage/mnt/db/letters/"]);
    assert_eq!(place.woken.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_volume_becomes_larger_and_smaller_and_goes() {
    let place = Place::new();
    let volume = place.create(Create { fs: Some(FsKind::Ext4), ..sized(1024) }).await;
    for (size, previous) in [(1024, 1024), (2048, 1024), (512, 2048)] {
        let resized = place.machine.resize(&volume, Bytes::mib(size)).await.unwrap();
        assert_eq!(
            (resized.previous, resized.size, resized.is_pending),
            (Bytes::mib(previous), Bytes::mib(size), false)
        );
        assert!(!place.machine.pending(&volume, volume.size));
    }
    let path = volume.path.clone().unwrap();
    let at = place.engine.expected().unwrap().remove(0).place.unwrap();
    assert_eq!(at.path, path);
    assert_eq!(place.engine.read(&at, &mut None).unwrap().size, Bytes::mib(512));
    assert_eq!(
        place.machine.resize(&volume, Bytes::mib(19)).await.unwrap_err().to_string(),
        "size must be at least 20 MB"
    );
    place.fake.write_data(&path, 400);
    let too_small = place.machine.resize(&volume, Bytes::mib(300)).await.unwrap_err();
    assert!(matches!(&too_small, Error::Refused { code: Some("shrink_refused"), .. }), "{too_small:?}");
    let too_large = place.machine.resize(&volume, Bytes::gib(200)).await.unwrap_err();
    assert_eq!(too_large, Error::NoRoom { reason: None });

    place.fake.set_busy(&path, true);
    for refused in [place.machine.resize(&volume, Bytes::mib(450)).await.map(drop), place.machine.delete(&volume).await]
    {
        assert!(matches!(&refused, Err(Error::Refused { code: Some("in_use"), .. })), "{refused:?}");
    }
    place.fake.set_busy(&path, false);
    place.machine.delete(&volume).await.unwrap();
    assert_eq!(place.machine.delete(&volume).await, Err(Error::NotFound));
    assert_eq!((place.left(), place.fake.mount_targets()), (vec![], Vec::<PathBuf>::new()));
    assert!(place.engine.read(&at, &mut None).unwrap_err().to_string().contains("not mounted there"));
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let place = Place::new();
    let volume = place.create(sized(1024)).await;
    let before = place.machine.list().await.unwrap();
    place.fake.restart(How::Reboot);
    let place = Place::over(place.fake);
    assert_eq!(place.machine.list().await.unwrap(), before);
    assert_eq!(place.fake.mount_targets(), [volume.path.unwrap()]);
}

#[tokio::test]
async fn a_filesystem_that_may_not_grow_now_is_waited_for() {
    let place = Place::new();
    place.fake.refuse_online_ext4(true);
    let volume = place.create(Create { fs: Some(FsKind::Ext4), ..sized(512) }).await;
    let resized = place.machine.resize(&volume, Bytes::mib(1024)).await.unwrap();
    assert_eq!((resized.size, resized.is_pending), (Bytes::mib(1024), true));
    assert!(place.machine.pending(&volume, volume.size));
    place.fake.restart(How::Reboot);
    let place = Place::over(place.fake);
    place.machine.list().await.unwrap();
    assert!(!place.machine.pending(&volume, volume.size), "mounted again, it has grown");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_loses_a_race_for_a_name_takes_nothing_from_the_winner() {
    for _ in 0..50 {
        let place = Place::new();
        let race = (0..4).map(|_| {
            let machine = place.machine.clone();
            tokio::spawn(async move { machine.create(named("db")).await })
        });
        let race: Vec<_> = race.collect();
        let mut new = 0;
        for created in race {
            match created.await.unwrap() {
                Ok(created) => new += usize::from(created.is_new),
                Err(refused) => assert!(matches!(refused, Error::Refused { code: Some("busy"), .. }), "{refused:?}"),
            }
        }
        assert_eq!(new, 1);
        let volumes = place.machine.list().await.unwrap();
        assert_eq!(place.fake.mount_targets(), [volumes[0].path.clone().unwrap()]);
    }
}
