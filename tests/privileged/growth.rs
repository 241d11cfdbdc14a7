//! Volumes that grow, on the real machine.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ullage::engine::Kind;
use ullage::model::{Bytes, FsKind};

use crate::common::host_expectations::soon;
use crate::scratch::run;
use crate::world::{BLOCK, EXT4, Volume, World, XFS, fill, kind};

const SIZE: Bytes = Bytes::mib(320);
const GROWN: Bytes = Bytes::mib(640);

/// Whether the kernel lets this process grow a mounted ext4: `CAP_SYS_RESOURCE`, the 24th of the effective ones.
pub(crate) fn may_grow_mounted_ext4() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(effective.trim(), 16).unwrap() & (1 << 24) != 0
}

pub(crate) fn is_about(total: Bytes, size: Bytes) -> bool {
    total <= size && total.get() > size.get() / 100 * 75
}

/// Writes and syncs until it is told to stop; any error is a failure.
pub(crate) fn write_on(file: &Path, rounds: &AtomicU64, stop: &AtomicBool) {
    let mut out = File::create(file).unwrap();
    while !stop.load(Ordering::Relaxed) {
        out.seek(SeekFrom::Start(0)).unwrap();
        out.write_all(&vec![3; 1 << 20]).unwrap();
        out.sync_all().unwrap();
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_mounted_xfs_grows_under_a_running_writer() {
    for sparse in [false, true] {
        let world = World::new(FsKind::Xfs);
        let volume = Volume { sparse, ..Volume::new("db", XFS).sized(SIZE) };
        let target = world.bring_up(&volume);
        let (rounds, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| write_on(&target.join("running"), &rounds, &stop));
            for size in [Bytes::mib(400), Bytes::mib(401), GROWN] {
                let before = rounds.load(Ordering::Relaxed);
                soon("the writer goes on", || rounds.load(Ordering::Relaxed) > before);
                assert_eq!(world.expand(&volume, size).unwrap(), size);
                assert!(is_about(world.total(&volume), size), "{size}");
                assert_eq!(world.faults(&volume), [""; 0]);
                assert_eq!(world.allocated(&volume) >= size, !sparse);
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert!(fill(&target.join("data")) > SIZE, "the new room can be written");
        assert_eq!(kind(world.expand(&volume, SIZE)), Kind::SizeRefused);
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_mounted_ext4_grows_at_once_or_at_the_next_stage_as_the_capability_says() {
    for sparse in [false, true] {
        let world = World::new(FsKind::Xfs);
        let volume = Volume { sparse, ..Volume::new("db", EXT4).sized(SIZE) };
        let target = world.bring_up(&volume);
        fs::write(target.join("file"), "wine").unwrap();
        let (before, grown) = (world.total(&volume), world.expand(&volume, GROWN));
        if may_grow_mounted_ext4() {
            assert_eq!(grown.unwrap(), GROWN);
        } else {
            let refused = grown.unwrap_err();
            assert_eq!(refused.kind(), Kind::NotNow);
            assert!(refused.to_string().contains("CAP_SYS_RESOURCE is missing"), "{refused}");
            assert_eq!(world.faults(&volume), ["GrowthPending"]);
            assert_eq!(world.total(&volume), before);
            assert_eq!(kind(world.expand(&volume, GROWN)), Kind::NotNow, "repeated");
            world.put_away(&volume);
            world.bring_up(&volume);
            assert_eq!(world.expand(&volume, GROWN).unwrap(), GROWN);
        }
        assert!(is_about(world.total(&volume), GROWN));
        assert_eq!(world.faults(&volume), [""; 0]);
        assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "wine");
        assert!(fill(&target.join("data")) > SIZE, "the new room can be written");
        assert_eq!(world.allocated(&volume) >= GROWN, !sparse, "{} of {GROWN}", world.allocated(&volume));
        world.take_down(&[&volume]);
    }
}

#[test]
fn nothing_zeroes_the_inode_tables_that_growing_added_to_an_ext4() {
    let world = World::new(FsKind::Xfs);
    let volume = Volume::new("db", EXT4).sized(SIZE);
    if may_grow_mounted_ext4() {
        world.bring_up(&volume);
    } else {
        world.create(&volume).unwrap();
    }
    world.expand(&volume, GROWN).unwrap();
    assert!(world.allocated(&volume) >= GROWN, "growing punched holes: {}", world.allocated(&volume));
    world.bring_up(&volume);
    assert!(world.allocated(&volume) >= GROWN, "mounting punched holes: {}", world.allocated(&volume));
    std::thread::sleep(Duration::from_secs(7)); // the kernel's thread would begin after some five
    assert!(world.allocated(&volume) >= GROWN, "it punches holes: {}", world.allocated(&volume));
    world.take_down(&[&volume]);
}

/// The superblocks of an XFS behind the first one: where they are, and what is in them.
fn copies_of_superblock(image: &Path) -> Vec<(u64, Vec<u8>)> {
    let image = File::open(image).unwrap();
    let read = |at: u64, length: usize| {
        let mut bytes = vec![0; length];
        image.read_exact_at(&mut bytes, at).unwrap();
        bytes
    };
    let number = |at: u64| u64::from(u32::from_be_bytes(read(at, 4).try_into().unwrap()));
    let (block, group_blocks, groups) = (number(4), number(84), number(88));
    (1..groups).map(|group| group * group_blocks * block).map(|at| (at, read(at, 512))).collect()
}

fn is_whole(image: &Path) -> bool {
    Command::new("/usr/sbin/xfs_repair").arg("-n").arg(image).output().unwrap().status.success()
}

#[test]
fn an_xfs_whose_growth_lost_its_power_before_the_copies_of_its_superblock_knew_is_finished() {
    let world = World::new(FsKind::Xfs);
    let volume = Volume::new("db", XFS).sized(SIZE);
    world.create(&volume).unwrap();
    let image = world.image(&volume);
    let before = copies_of_superblock(&image);
    world.bring_up(&volume);
    world.expand(&volume, GROWN).unwrap();
    world.put_away(&volume);
    assert!(is_whole(&image));
    let file = OpenOptions::new().write(true).open(&image).unwrap();
    for (at, copy) in before {
        file.write_all_at(&copy, at).unwrap();
    }
    world.rewrite_grown(&volume, GROWN, SIZE);
    assert!(!is_whole(&image), "xfs_repair believes the copies");
    world.bring_up(&volume);
    assert_eq!(world.faults(&volume), [""; 0]);
    world.put_away(&volume);
    assert!(is_whole(&image));
    world.take_down(&[&volume]);
}

#[test]
fn an_xfs_that_has_grown_twice_and_lost_its_power_can_be_mounted() {
    let mut world = World::new(FsKind::Xfs);
    let volume = Volume::new("db", XFS).sized(Bytes::mib(316));
    let target = world.bring_up(&volume);
    for (size, file) in [(380, "one"), (444, "two"), (508, "three")] {
        world.expand(&volume, Bytes::mib(size)).unwrap();
        fs::write(target.join(file), "wine").unwrap();
    }
    // What the device has been given, as a power cut would leave it: the log is not empty.
    let (image, lost) = (world.image(&volume), world.scratch.pool().join("lost"));
    fs::copy(&image, &lost).unwrap();
    world.put_away(&volume);
    world.stop();
    fs::rename(&lost, &image).unwrap();
    world.restart();
    world.stage(&volume).unwrap();
    world.publish(&volume).unwrap();
    assert!(is_about(world.total(&volume), Bytes::mib(508)));
    world.put_away(&volume);
    assert!(is_whole(&image));
    world.take_down(&[&volume]);
}

#[test]
fn an_xfs_that_a_killed_growth_has_left_frozen_goes_on_after_the_next_start() {
    let mut world = World::new(FsKind::Xfs);
    let volume = Volume::new("db", XFS).sized(SIZE);
    let target = world.bring_up(&volume);
    world.expand(&volume, GROWN).unwrap();
    world.stop();
    world.rewrite_grown(&volume, GROWN, SIZE);
    run(Command::new("/usr/sbin/xfs_io").args(["-x", "-c", "freeze"]).arg(&target));
    world.restart();
    let (done, written) = std::sync::mpsc::channel();
    let file = target.join("file");
    std::thread::spawn(move || done.send(fs::write(file, "wine")));
    let written = written.recv_timeout(Duration::from_secs(20));
    if written.is_err() {
        run(Command::new("/usr/sbin/xfs_io").args(["-x", "-c", "thaw"]).arg(&target));
    }
    written.expect("the writer waits for ever").unwrap();
    assert_eq!(world.expand(&volume, GROWN).unwrap(), GROWN);
    assert_eq!(world.faults(&volume), [""; 0]);
    world.take_down(&[&volume]);
}

#[test]
fn an_unmounted_volume_grows_when_it_is_staged_again() {
    for content in [EXT4, XFS, BLOCK] {
        let world = World::new(FsKind::Ext4);
        let volume = Volume::new("db", content).sized(SIZE);
        let target = world.bring_up(&volume);
        if content != BLOCK {
            fs::write(target.join("file"), "wine").unwrap();
        }
        world.put_away(&volume);
        assert_eq!(world.expand(&volume, GROWN).unwrap(), GROWN);
        assert!(world.allocated(&volume) >= GROWN, "{content}: reserved at once");
        let pending: &[&str] = if content == BLOCK { &[] } else { &["GrowthPending"] };
        assert_eq!(world.faults(&volume), pending, "{content}");
        world.bring_up(&volume);
        assert!(is_about(world.total(&volume), GROWN), "{content}");
        assert_eq!(world.faults(&volume), [""; 0], "{content}");
        if content != BLOCK {
            assert_eq!(fs::read_to_string(target.join("file")).unwrap(), "wine");
        }
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_published_block_volume_grows_for_those_who_have_it_open() {
    let world = World::new(FsKind::Xfs);
    let volume = Volume::new("raw", BLOCK).sized(SIZE);
    let target = world.bring_up(&volume);
    let mut node = OpenOptions::new().write(true).open(&target).unwrap();
    assert_eq!(world.expand(&volume, GROWN).unwrap(), GROWN);
    assert_eq!(node.seek(SeekFrom::End(0)).unwrap(), GROWN.get());
    node.seek(SeekFrom::Start(GROWN.get() - 4096)).unwrap();
    node.write_all(&[1; 4096]).unwrap();
    node.sync_all().unwrap();
    drop(node);
    assert_eq!(world.total(&volume), GROWN);
    world.take_down(&[&volume]);
}

#[test]
fn growing_past_the_pool_is_refused_and_nothing_is_changed() {
    for content in [EXT4, XFS, BLOCK] {
        let world = World::new(FsKind::Ext4);
        let volume = Volume::new("db", content).sized(SIZE);
        world.bring_up(&volume);
        let (before, image) = (world.total(&volume), world.image(&volume));
        assert_eq!(kind(world.expand(&volume, Bytes::gib(4))), Kind::SizeRefused);
        assert_eq!((world.total(&volume), fs::metadata(&image).unwrap().len()), (before, SIZE.get()), "{content}");
        assert_eq!(world.engine.record(&volume.id()).unwrap().spec.size, SIZE);
        assert_eq!(world.faults(&volume), [""; 0]);
        world.take_down(&[&volume]);
    }
}
