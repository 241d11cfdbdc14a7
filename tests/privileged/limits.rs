//! Pools of limits on a real kernel: the engine over XFS and ext4 with project quotas. `tests/run guest` has such a kernel.

mod deep;
mod drift;
mod hostlet;
mod ids;
mod pools;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use ullage::api::pod::MountGauge;
use ullage::config::{Overcommit, PoolConfig, Reserve};
use ullage::engine::{Error, Kind, MountRequest};
use ullage::model::{Backend, Bytes, FsKind, InodeLimit, MountAttributes, ProjectId, ProjectLimit, ProjectUsage};
use ullage::monitor::Gauge;
use ullage::sys::capability;

use crate::common::host_expectations::{Bed, soon};
use crate::scratch::Scratch;
use crate::volumes::fill_pool;
use crate::world::{EXT4, Volume, World, XFS, fill, kind, pool};

const ROOM: Bytes = Bytes::gib(3);
const SIZE: Bytes = Bytes::mib(64);

/// A pool of limits at that path. Of `/etc` it sees a directory of its own.
fn of_limits(path: PathBuf, etc: PathBuf) -> PoolConfig {
    let mut config = PoolConfig { backend: Backend::Quota, overcommit: Overcommit::NONE, ..pool(path) };
    config.limits.etc = etc;
    config
}

fn etc(scratch: &Scratch) -> PathBuf {
    let etc = scratch.mount_point("etc");
    fs::create_dir_all(&etc).unwrap();
    etc
}

fn over(scratch: Scratch) -> World {
    let config = of_limits(scratch.dir(), etc(&scratch));
    World::with(scratch, config)
}

fn world() -> World {
    over(Scratch::xfs(ROOM, "prjquota"))
}

fn volume(name: &str) -> Volume {
    Volume::new(name, XFS).sized(SIZE)
}

fn project(id: u32) -> ProjectId {
    ProjectId::new(id).unwrap()
}

fn of_bytes(bytes: Bytes) -> ProjectLimit {
    ProjectLimit { bytes: Some(bytes), inodes: None }
}

/// What the kernel says of a volume.
fn counted(world: &World, volume: &Volume) -> ProjectUsage {
    let project = world.engine.record(&volume.id()).unwrap().project.unwrap();
    world.scratch.machine().quotas.usage(&world.pool, project).unwrap().unwrap()
}

/// What the kernel knows of the filesystem on which a pool lies.
fn known(scratch: &Scratch) -> Vec<(ProjectId, ProjectUsage)> {
    scratch.machine().quotas.projects(&scratch.pool()).unwrap()
}

/// Where a volume's data lies in its pool.
fn data(world: &World, volume: &Volume) -> PathBuf {
    world.pool.join("volumes").join(&volume.name).join("data")
}

/// Everything down again, and nothing left, in the kernel neither.
fn take_down(world: &World, volumes: &[&Volume]) {
    world.take_down(volumes);
    assert_eq!(known(&world.scratch), []);
}

#[test]
fn a_volume_takes_its_size_exactly_and_root_no_more() {
    let world = world();
    let volume = volume("db");
    let target = world.bring_up(&volume);
    assert_eq!(fill(&target.join("data")), SIZE);
    let refused = fs::write(target.join("more"), "").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::StorageFull, "not even an empty file");
    assert_eq!(
        counted(&world, &volume),
        ProjectUsage { limit: of_bytes(SIZE), bytes: SIZE, inodes: 2, ..ProjectUsage::default() }
    );
    let usage = world.engine.usage(&volume.id(), &target).unwrap().0;
    assert_eq!((usage.total, usage.used, usage.available), (SIZE, SIZE, Bytes::ZERO));
    assert!(world.engine.pools()[0].room.clone().unwrap().free > Bytes::gib(2), "the pool has room");
    fs::remove_file(target.join("data")).unwrap();
    soon("the room is back", || counted(&world, &volume).bytes == Bytes::ZERO);
    fs::write(target.join("more"), "wine").unwrap();
    take_down(&world, &[&volume]);
}

#[test]
fn a_volume_takes_as_many_inodes_as_it_may() {
    let world = world();
    let volume = Volume { inodes: Some(InodeLimit::Count(10)), ..volume("few") };
    let target = world.bring_up(&volume);
    let made = (0..).take_while(|number| match File::create(target.join(number.to_string())) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::StorageFull);
            false
        }
    });
    assert_eq!(made.count(), 9, "the volume's own directory is one");
    let inodes = world.engine.usage(&volume.id(), &target).unwrap().0.inodes;
    assert_eq!((inodes.total, inodes.used, inodes.free), (10, 10, 0));
    fs::remove_file(target.join("0")).unwrap();
    soon("the inode is back", || File::create(target.join("0")).is_ok());
    take_down(&world, &[&volume]);
}

#[test]
fn a_writer_goes_on_past_the_old_limit_without_an_error() {
    let world = world();
    let volume = volume("db");
    let target = world.bring_up(&volume);
    let written = AtomicU64::new(0);
    let page = vec![7; 64 << 10];
    let grown = SIZE.saturating_add(SIZE);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut out = File::create(target.join("journal")).unwrap();
            while written.load(Ordering::Relaxed) < SIZE.get() * 3 / 2 {
                out.write_all(&page).unwrap();
                written.fetch_add(page.len() as u64, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        soon("it has begun", || written.load(Ordering::Relaxed) > 0);
        assert_eq!(world.expand(&volume, grown).unwrap(), grown);
        assert!(written.load(Ordering::Relaxed) < SIZE.get(), "in time: before it was full");
    });
    assert_eq!(counted(&world, &volume).limit, of_bytes(grown));
    assert_eq!(world.total(&volume), grown);
    take_down(&world, &[&volume]);
}

#[test]
fn a_writer_that_is_stuck_goes_on_when_the_limit_is_raised() {
    let world = world();
    let volume = volume("db");
    let target = world.bring_up(&volume);
    let (written, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut out, since) = (File::create(target.join("journal")).unwrap(), Instant::now());
            while !stop.load(Ordering::Relaxed) && since.elapsed() < Duration::from_secs(60) {
                match out.write(&[7; 64 << 10]) {
                    Ok(count) => drop(written.fetch_add(count as u64, Ordering::Relaxed)),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::StorageFull);
                        std::thread::sleep(Duration::from_millis(5));
                    }
                }
            }
        });
        for limit in [SIZE, Bytes::mib(65), Bytes::mib(80)] {
            world.expand(&volume, limit).unwrap();
            soon("it is full again", || written.load(Ordering::Relaxed) == limit.get());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(counted(&world, &volume).bytes, Bytes::mib(80));
    take_down(&world, &[&volume]);
}

#[test]
fn a_limit_is_lowered_to_what_is_used_and_no_further() {
    let world = world();
    let volume = volume("db");
    let target = world.bring_up(&volume);
    fs::write(target.join("data"), vec![1; 40 << 20]).unwrap();
    let refused = world.engine.shrink(&volume.id(), Bytes::mib(40)).unwrap_err();
    assert!(matches!(&refused, Error::TooFull { least, .. } if *least == Bytes::mib(41)), "{refused}");
    assert_eq!(refused.kind(), Kind::ShrinkRefused);
    assert_eq!((counted(&world, &volume).limit, world.total(&volume)), (of_bytes(SIZE), SIZE), "nothing is touched");
    let lowered = Bytes::mib(48);
    assert_eq!(world.engine.shrink(&volume.id(), lowered).unwrap(), lowered);
    assert_eq!((counted(&world, &volume).limit, world.total(&volume)), (of_bytes(lowered), lowered));
    assert_eq!(fill(&target.join("more")), Bytes::mib(8));
    assert_eq!(fs::metadata(target.join("data")).unwrap().len(), 40 << 20);
    take_down(&world, &[&volume]);
}

#[test]
fn the_numbers_are_the_limits_and_of_the_pool_what_is_less() {
    let world = world();
    let volume = volume("db");
    let target = world.bring_up(&volume);
    fs::write(target.join("data"), vec![1; 16 << 20]).unwrap();
    let read = || {
        let located = world.engine.view().unwrap().locate(&volume.id()).unwrap();
        let reading = world.engine.read(&located.place.unwrap(), &mut None).unwrap();
        let usage = world.engine.usage(&volume.id(), &target).unwrap().0;
        let of_usage = (usage.total, usage.available, usage.inodes);
        assert_eq!(of_usage, (reading.size, reading.available, reading.inodes));
        assert_eq!(usage.inodes.used, 2, "its own, and not all that there are");
        (usage.total, usage.used, usage.available)
    };
    soon("it is counted", || counted(&world, &volume).bytes == Bytes::mib(16));
    assert_eq!(read(), (SIZE, Bytes::mib(16), Bytes::mib(48)));
    let others = fill_pool(&world);
    let free = world.scratch.machine().files.space(&world.pool).unwrap().available;
    let (total, used, available) = read();
    assert_eq!((total, used), (SIZE, Bytes::mib(16)));
    assert!(available <= free && free < Bytes::mib(1), "{available} of {free}");
    assert_eq!(world.faults(&volume), ["VolumeOutOfStorage", "PoolNearlyFull"]);
    fs::remove_file(others).unwrap();
    soon("the room is back", || read().2 == Bytes::mib(48));
    take_down(&world, &[&volume]);
}

/// Its limit is most of the pool's device, of which others have taken the rest.
#[test]
fn a_pod_sees_the_limit_and_no_more_available_than_the_pool_has() {
    let world = world();
    let volume = Volume::new("db", XFS).sized(Bytes::gib(2));
    let target = world.bring_up(&volume);
    let gauge = MountGauge::new(&target, None, world.scratch.machine());
    fs::write(target.join("data"), vec![1; 16 << 20]).unwrap();
    File::open(target.join("data")).unwrap().sync_all().unwrap();
    let read = || gauge.read().map(|reading| (reading.size, reading.available)).unwrap();
    soon("it is counted", || read() == (volume.size, volume.size.saturating_sub(Bytes::mib(16))));
    let others = fill_pool(&world);
    assert_eq!(read().0, volume.size);
    assert!(read().1 < Bytes::mib(1), "{}", read().1);
    fs::remove_file(others).unwrap();
    take_down(&world, &[&volume]);
}

#[test]
fn ext4_is_served_and_bounds_whom_no_capability_lets_past() {
    let world = over(Scratch::ext4("quota,project", "prjquota"));
    let volume = Volume::new("db", EXT4).sized(SIZE);
    let target = world.bring_up(&volume);
    let file = File::create(target.join("data")).unwrap();
    let write = || {
        capability::drop_from_thread(capability::SYS_RESOURCE).unwrap();
        let page = [7; 4096];
        let refused = loop {
            if let Err(error) = (&file).write_all(&page) {
                break error;
            }
        };
        file.sync_all().unwrap();
        Errno::from_raw(refused.raw_os_error().unwrap())
    };
    let refused = std::thread::scope(|scope| scope.spawn(write).join().unwrap());
    assert_eq!(refused, Errno::EDQUOT);
    assert_eq!(
        counted(&world, &volume),
        ProjectUsage { limit: of_bytes(SIZE), bytes: SIZE, inodes: 2, ..ProjectUsage::default() }
    );
    let usage = world.engine.usage(&volume.id(), &target).unwrap().0;
    assert_eq!((usage.total, usage.used, usage.available), (SIZE, SIZE, Bytes::ZERO));
    // The known gap: whoever has that capability.
    fs::write(target.join("by root"), vec![1; 1 << 20]).unwrap();
    assert!(counted(&world, &volume).bytes > SIZE);
    drop(file);
    let refused = world.engine.shrink(&volume.id(), Bytes::mib(32));
    assert_eq!(kind(refused), Kind::ShrinkRefused);
    assert_eq!(world.expand(&volume, ROOM.min(Bytes::mib(128))).unwrap(), Bytes::mib(128));
    take_down(&world, &[&volume]);
}

#[test]
fn what_is_linked_or_mounted_in_a_volume_survives_it() {
    let world = world();
    let volume = volume("db");
    let outside = [world.scratch.pool().join("outside"), world.scratch.mount_point("outside")];
    for dir in &outside {
        fs::create_dir(dir).unwrap();
        fs::write(dir.join("file"), "wine").unwrap();
    }
    world.create(&volume).unwrap();
    let inside = data(&world, &volume);
    let mounts = world.scratch.machine().mounts;
    for (number, dir) in outside.iter().enumerate() {
        std::os::unix::fs::symlink(dir, inside.join(format!("dir{number}"))).unwrap();
        std::os::unix::fs::symlink(dir.join("file"), inside.join(format!("file{number}"))).unwrap();
        let place = inside.join(format!("place{number}"));
        fs::create_dir(&place).unwrap();
        mounts.bind(dir, &place, &MountAttributes::default()).unwrap();
    }
    world.delete(&volume).unwrap();
    world.engine.tend();
    let whole = || outside.iter().all(|dir| fs::read_to_string(dir.join("file")).unwrap() == "wine");
    assert!(whole(), "the mounts are in the way");
    assert_eq!(known(&world.scratch).len(), 1, "so it is still somebody's");
    for place in world.scratch.mounts() {
        mounts.unmount(&place).unwrap();
    }
    world.engine.tend();
    assert!(whole());
    outside.iter().for_each(|dir| fs::remove_dir_all(dir).unwrap());
    take_down(&world, &[]);
}

/// How many there are at once.
const MANY: u32 = 1000;

#[test]
#[allow(clippy::print_stdout, reason = "how long that takes, for whoever asks with --nocapture")]
fn a_thousand_volumes_are_made_and_seen_and_go() {
    let world = over(Scratch::xfs(Bytes::gib(64), "prjquota"));
    let size = |number: u32| Bytes::mib(20 + u64::from(number % 10));
    let volumes: Vec<_> = (0..MANY).map(|number| volume(&format!("v{number:04}")).sized(size(number))).collect();
    let since = Instant::now();
    let create = |volume| {
        let made = world.create(volume).unwrap().project.unwrap();
        (made, since.elapsed())
    };
    let (projects, times): (Vec<_>, Vec<_>) = volumes.iter().map(create).unzip();
    println!("made: 100 after {:?}, 900 after {:?}, 1000 after {:?}", times[99], times[899], times[999]);
    let found = known(&world.scratch);
    let expected = (0..MANY).map(|number| {
        let usage =
            ProjectUsage { limit: of_bytes(size(number)), bytes: Bytes::ZERO, inodes: 1, ..ProjectUsage::default() };
        (project(100 + number), usage)
    });
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert_eq!(projects, found.iter().map(|(project, _)| *project).collect::<Vec<_>>());
    for (number, volume) in volumes.iter().enumerate() {
        let target = world.scratch.mount_point("pods");
        mounted(&world, volume, &target, |target| {
            let bytes = 4096 * (number % 7 + 1);
            fs::write(target.join("file"), vec![1; bytes]).unwrap();
            let usage = world.engine.usage(&volume.id(), target).unwrap().0;
            assert_eq!((usage.total, usage.inodes.used), (volume.size, 2), "{}", volume.name);
            assert_eq!(usage.used.get(), bytes as u64, "{}", volume.name);
        });
    }
    volumes.iter().for_each(|volume| world.delete(volume).unwrap());
    println!("seen and deleted after {:?}", since.elapsed());
    take_down(&world, &[]);
    println!("emptied after {:?}", since.elapsed());
}

/// Does something where a volume is mounted, as without a kubelet.
fn mounted(world: &World, volume: &Volume, target: &Path, act: impl FnOnce(&Path)) {
    let request = MountRequest { target: target.to_owned(), read_only: false };
    world.engine.mount(&volume.id(), &request).unwrap();
    act(target);
    world.engine.unmount(&volume.id(), target).unwrap();
}

/// The pool of limits keeps nothing back.
fn without_reserve(scratch: &Scratch) -> PoolConfig {
    PoolConfig { reserve: Reserve::Amount(Bytes::ZERO), ..of_limits(scratch.dir(), etc(scratch)) }
}
