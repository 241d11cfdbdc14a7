//! What the monitor tells, and does not tell, of volumes that this machine takes off their places itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use ullage::api::machine::{Machine, Settings};
use ullage::api::volumes::{Create, Volume, Volumes};
use ullage::config::Defaults;
use ullage::engine::Engine;
use ullage::host::fake::Fake;
use ullage::model::{Backend, Bytes, FsKind, Level, PoolName, Thresholds};
use ullage::monitor::{Event, Monitor};

use crate::world::{POOL, pool};

struct House {
    fake: Fake,
    machine: Machine,
    monitor: Monitor,
    events: Receiver<Arc<Event>>,
}

impl House {
    async fn new() -> (Self, Volume) {
        let fake = Fake::new(Bytes::gib(100));
        fake.machine().files.create_dir(Path::new(POOL)).unwrap();
        let engine = Arc::new(Engine::new(fake.machine(), vec![pool("default", POOL)]).keeping_mounts());
        engine.recover();
        let settings = Settings {
            mount_dir: "/run/ullage/mnt".into(),
            pools: vec![(PoolName::parse("default").unwrap(), Backend::Loop)],
            defaults: Defaults::default(),
            deleted: Arc::new(|| {}),
        };
        let machine = Machine::new(engine, settings);
        let monitor = Monitor::new(Thresholds::default());
        let events = monitor.subscribe();
        let mut house = Self { fake, machine, monitor, events };
        let asked = Create { size: Some(Bytes::mib(1024)), fs: Some(FsKind::Ext4), ..Create::default() };
        let volume = house.machine.create(asked).await.unwrap().volume;
        house.follow().await;
        assert_eq!((house.news(), house.monitor.ready()), (vec![], Ok(())));
        (house, volume)
    }

    /// What a change of the mounts leads to.
    async fn follow(&self) {
        self.monitor.set_targets(self.machine.targets().unwrap());
        for status in self.monitor.statuses() {
            self.monitor.measure(&status.id).await;
        }
    }

    /// Work, while somebody looks at the mounts as fast as can be.
    async fn watched<T>(&mut self, work: impl Future<Output = T>) -> (T, Vec<&'static str>) {
        let done = {
            let this = &*self;
            let mut work = std::pin::pin!(work);
            loop {
                tokio::select! {
                    done = &mut work => break done,
                    () = this.follow() => assert_eq!(this.monitor.ready(), Ok(())),
                }
            }
        };
        self.follow().await;
        (done, self.news())
    }

    fn news(&mut self) -> Vec<&'static str> {
        let mut news = Vec::new();
        loop {
            match self.events.try_recv().as_deref() {
                Ok(Event::Measured(_)) => {}
                Ok(Event::Level { .. }) => news.push("level"),
                Ok(Event::Resized { .. }) => news.push("resized"),
                Ok(Event::Lost(_)) => news.push("lost"),
                Ok(Event::Found(_)) => news.push("found"),
                Ok(Event::Gone(_)) => news.push("gone"),
                Ok(Event::Reminder(_)) => news.push("reminder"),
                Err(TryRecvError::Empty) => return news,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shrinking_and_deleting_lose_no_volume() {
    let (mut house, volume) = House::new().await;
    let machine = house.machine.clone();
    for size in [900, 800, 700, 600, 500] {
        let (resized, news) = house.watched(machine.resize(&volume, Bytes::mib(size))).await;
        resized.unwrap();
        assert_eq!(news, ["resized"]);
    }
    let path = volume.path.clone().unwrap();
    house.fake.set_busy(&path, true);
    for _ in 0..20 {
        let (refused, news) = house.watched(machine.delete(&volume)).await;
        assert!(refused.is_err());
        assert_eq!(news, [""; 0]);
    }
    house.fake.set_busy(&path, false);
    let (deleted, news) = house.watched(machine.delete(&volume)).await;
    deleted.unwrap();
    assert_eq!((news, house.monitor.ready()), (vec!["gone"], Ok(())));
}

/// 1 GiB with nothing in it would be 97 % of 40 GiB.
#[tokio::test(start_paused = true)]
async fn a_filesystem_that_waits_for_its_next_mount_is_not_full() {
    let (mut house, volume) = House::new().await;
    house.fake.refuse_online_ext4(true);
    let (before, after) = (volume.size, Bytes::gib(40));
    assert!(house.machine.resize(&volume, after).await.unwrap().is_pending);
    house.follow().await;
    // As the next start does.
    let restarted = Monitor::new(Thresholds::default());
    restarted.set_targets(house.machine.targets().unwrap());
    for _ in 0..20 {
        for monitor in [&house.monitor, &restarted] {
            let status = monitor.measure(&volume.id).await.unwrap();
            assert_eq!((status.reading.unwrap().size, status.level), (before, Level::Ok));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(house.news(), [""; 0]);
    house.fake.refuse_online_ext4(false);
    house.machine.resize(&volume, after).await.unwrap();
    for monitor in [&house.monitor, &restarted] {
        let status = monitor.measure(&volume.id).await.unwrap();
        assert_eq!((status.reading.unwrap().size, status.level), (after, Level::Ok));
    }
    assert_eq!(house.news(), ["resized"]);
}

#[tokio::test]
async fn a_volume_that_somebody_unmounts_is_lost_until_it_is_back() {
    let (mut house, volume) = House::new().await;
    let path = volume.path.clone().unwrap();
    house.fake.machine().mounts.unmount(&path).unwrap();
    house.monitor.nudge();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(house.news(), ["lost"]);
    house.follow().await;
    let reason = house.monitor.ready().unwrap_err();
    assert_eq!(reason, format!("{}: {}: somebody has unmounted it", volume.id, path.display()));
    assert_eq!(house.news(), [""; 0], "it is still watched");
    let asked = Create { name: Some(volume.name.clone()), ..Create::default() };
    house.machine.create(asked).await.unwrap();
    house.follow().await;
    assert_eq!((house.news(), house.monitor.ready()), (vec!["found"], Ok(())));
}
