//! Mounts that are kept, and volumes that become smaller, on the real machine.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ullage::engine::{Engine, Kind, MountRequest};
use ullage::host::{Attach, Backing, linux};
use ullage::model::{Bytes, FsKind};

use crate::common::host_expectations::soon_free;
use crate::growth::may_grow_mounted_ext4;
use crate::world::{BLOCK, EXT4, Volume, World, XFS, kind};

const SIZE: Bytes = Bytes::mib(640);
const SHRUNK: Bytes = Bytes::mib(320);

/// An engine that keeps mounts, with a volume mounted at two places.
fn mounted(volume: &Volume) -> (World, [PathBuf; 2]) {
    let mut world = World::new(FsKind::Xfs);
    keep(&mut world);
    let places = ["a", "b"].map(|name| world.mounts.join(name));
    world.create(volume).unwrap();
    for place in &places {
        world.engine.mount(&volume.id(), &wanted(place)).unwrap();
    }
    (world, places)
}

/// The next process, which keeps mounts.
fn keep(world: &mut World) {
    let config = world.engine.pools().remove(0).config;
    world.stop();
    world.node.engine = Engine::new(linux::machine(), vec![config]).keeping_mounts();
    world.node.engine.recover();
    world.engine.ready().unwrap();
}

fn wanted(target: &Path) -> MountRequest {
    MountRequest { target: target.into(), read_only: false }
}

fn hash(file: &Path) -> u64 {
    let (mut file, mut hasher, mut piece) = (File::open(file).unwrap(), DefaultHasher::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).unwrap() {
            0 => return hasher.finish(),
            count => hasher.write(&piece[..count]),
        }
    }
}

/// Files all over the filesystem, so that many have to be moved.
fn write(dir: &Path) -> Vec<(PathBuf, u64)> {
    let name = |part: &str, number: u32| dir.join(format!("{part}{number}"));
    for number in 0..500 {
        fs::write(name("filler", number), vec![1; 1 << 20]).unwrap();
    }
    for number in 0..2000 {
        fs::create_dir(name("dir", number)).unwrap();
        fs::write(name("dir", number).join("small"), format!("small {number}")).unwrap();
    }
    for number in 0..20 {
        fs::write(name("large", number), vec![u8::try_from(number).unwrap(); (2 << 20) + 7]).unwrap();
    }
    for number in 0..500 {
        fs::remove_file(name("filler", number)).unwrap();
    }
    let large = (0..20).map(|number| name("large", number));
    let files = large.chain((0..2000).map(|number| name("dir", number).join("small")));
    files.map(|file| (file.clone(), hash(&file))).collect()
}

fn check(files: &[(PathBuf, u64)]) {
    for (file, before) in files {
        assert_eq!(hash(file), *before, "{}", file.display());
    }
}

fn fsck(image: &Path) -> bool {
    Command::new("/usr/sbin/e2fsck").args(["-f", "-n"]).arg(image).output().unwrap().status.success()
}

#[test]
fn an_ext4_shrinks_with_everything_in_it() {
    for sparse in [false, true] {
        let volume = Volume { sparse, ..Volume::new("db", EXT4).sized(SIZE) };
        let (world, [a, b]) = mounted(&volume);
        let files = write(&a);
        assert_eq!(world.engine.resize(&volume.id(), SHRUNK).unwrap(), SHRUNK);
        check(&files);
        assert_eq!(fs::metadata(world.image(&volume)).unwrap().len(), SHRUNK.get());
        let total = world.engine.usage(&volume.id(), &b).unwrap().0.total;
        assert!(total <= SHRUNK && total.get() > SHRUNK.get() / 10 * 9, "{total}");
        assert!(sparse || world.allocated(&volume) >= SHRUNK, "still reserved");
        assert!(world.allocated(&volume) <= SHRUNK.saturating_add(Bytes::mib(1)), "{}", world.allocated(&volume));
        assert_eq!(world.faults(&volume), [""; 0]);
        let place = world.engine.expected().unwrap().remove(0).place.unwrap();
        assert_eq!(world.engine.read(&place, &mut None).unwrap().size, SHRUNK);
        match may_grow_mounted_ext4() {
            true => assert_eq!(world.engine.resize(&volume.id(), SIZE).unwrap(), SIZE),
            false => assert_eq!(kind(world.engine.resize(&volume.id(), SIZE)), Kind::NotNow),
        }
        assert_eq!(world.engine.read(&place, &mut None).unwrap().size, SIZE, "seen at once");
        check(&files);
        for place in [&a, &b] {
            world.engine.unmount(&volume.id(), place).unwrap();
        }
        assert!(fsck(&world.image(&volume)));
        assert!(!a.exists() && !b.exists(), "what was made for the mounts is gone");
        world.delete(&volume).unwrap();
        world.check_empty();
    }
}

#[test]
fn what_is_too_small_is_refused_to_the_byte() {
    let volume = Volume::new("db", EXT4).sized(SIZE);
    let (world, [a, b]) = mounted(&volume);
    let files = write(&a);
    for size in [Bytes::mib(30), Bytes::mib(52)] {
        assert_eq!(kind(world.engine.resize(&volume.id(), size)), Kind::ShrinkRefused);
        check(&files); // it is mounted again
    }
    for place in [&a, &b] {
        world.engine.unmount(&volume.id(), place).unwrap();
    }
    let (before, record) = (hash(&world.image(&volume)), world.engine.record(&volume.id()).unwrap());
    assert_eq!(kind(world.engine.resize(&volume.id(), Bytes::mib(30))), Kind::ShrinkRefused);
    assert_eq!(hash(&world.image(&volume)), before, "an unmounted image is not touched");
    assert_eq!(world.engine.record(&volume.id()).unwrap(), record);
    world.engine.resize(&volume.id(), SHRUNK).unwrap();
    world.engine.mount(&volume.id(), &wanted(&a)).unwrap();
    check(&files);
    world.engine.remove(&volume.id()).unwrap();
    world.check_empty();
}

#[test]
fn what_is_used_or_cannot_shrink_stays_as_it_is() {
    for content in [EXT4, XFS, BLOCK] {
        let volume = Volume::new("db", content).sized(SIZE);
        let (world, places) = mounted(&volume);
        if content == EXT4 {
            fs::write(places[0].join("file"), "wine").unwrap();
        }
        let open = File::open(if content == EXT4 { places[0].join("file") } else { places[0].clone() }).unwrap();
        let before = world.scratch.mounts();
        let expected = if content == EXT4 { Kind::NotNow } else { Kind::ShrinkRefused };
        assert_eq!(kind(world.engine.resize(&volume.id(), SHRUNK)), expected, "{content}");
        assert_eq!(kind(world.engine.remove(&volume.id())), Kind::NotNow, "{content}");
        let (mut before, mut after) = (before, world.scratch.mounts());
        before.sort();
        after.sort();
        assert_eq!(after, before, "{content}");
        assert_eq!(fs::metadata(world.image(&volume)).unwrap().len(), SIZE.get());
        drop(open);
        world.engine.remove(&volume.id()).unwrap();
        world.check_empty();
    }
}

#[test]
fn a_resize2fs_that_is_killed_is_taken_back() {
    let volume = Volume::new("db", EXT4).sized(SIZE);
    let (mut world, [a, b]) = mounted(&volume);
    let files = write(&a);
    for place in [&a, &b] {
        world.engine.unmount(&volume.id(), place).unwrap();
    }
    let (machine, image) = (linux::machine(), world.image(&volume));
    let undo = image.with_file_name("shrink.undo");
    for milliseconds in [1, 20, 60, 120, 200] {
        // What a kill of everything in the middle leaves: the record, the undo file, and half of the work.
        world.rewrite_grown(&volume, SIZE, SHRUNK);
        world.stop();
        let attach = Attach { tag: Backing::tag_of(&volume.id()), direct_io: true };
        let device = machine.loops.attach(&image, &attach).unwrap();
        let path = device.device().path();
        Command::new("/usr/sbin/e2fsck").args(["-f", "-p"]).arg(&path).stdout(Stdio::null()).status().unwrap();
        let sectors = format!("{}s", SHRUNK.get() / 512);
        machine.files.create_synced(&undo).unwrap();
        let mut resize = Command::new("/usr/sbin/resize2fs");
        resize.arg("-z").arg(&undo).arg(&path).arg(sectors).stdout(Stdio::null()).stderr(Stdio::null());
        let mut resize = resize.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        resize.kill().unwrap();
        resize.wait().unwrap();
        drop(device);
        world.restart();
        keep(&mut world);
        assert!(!undo.exists(), "after {milliseconds} ms");
        world.engine.mount(&volume.id(), &wanted(&a)).unwrap();
        check(&files);
        assert!(!world.engine.record(&volume.id()).unwrap().growth_is_pending());
        world.engine.unmount(&volume.id(), &a).unwrap();
        assert!(fsck(&image));
    }
    world.engine.remove(&volume.id()).unwrap();
    world.check_empty();
}

#[test]
fn an_undo_file_that_knows_nothing_of_the_damage_mends_nothing() {
    let volume = Volume::new("db", EXT4).sized(SIZE);
    let (world, places) = mounted(&volume);
    for place in &places {
        world.engine.unmount(&volume.id(), place).unwrap();
    }
    let image = world.image(&volume);
    soon_free(&world.scratch, &image); // what the last mount has still to write comes before the damage
    let undo = image.with_file_name("shrink.undo");
    world.rewrite_grown(&volume, SIZE, SHRUNK);
    fs::write(&undo, [b"E2UNDO02".as_slice(), &[0; 2040]].concat()).unwrap();
    let mut damage = Command::new("/usr/sbin/debugfs");
    let damage = damage.args(["-w", "-R", "clri <8>"]).arg(&image).stderr(Stdio::null()).status().unwrap();
    assert!(damage.success() && !fsck(&image));
    let before = hash(&image);
    world.engine.mount(&volume.id(), &wanted(&places[0])).unwrap_err();
    assert!(undo.exists() && hash(&image) == before, "nothing is done to it");
    world.engine.remove(&volume.id()).unwrap();
    world.check_empty();
}

#[test]
fn what_was_mounted_is_there_after_a_restart_and_after_everything_was_unmounted() {
    let volume = Volume::new("db", EXT4).sized(SIZE);
    let (mut world, [a, b]) = mounted(&volume);
    let reader = world.mounts.join("reader");
    world.engine.mount(&volume.id(), &MountRequest { target: reader.clone(), read_only: true }).unwrap();
    fs::write(a.join("file"), "wine").unwrap();
    assert!(fs::write(reader.join("file"), "water").is_err());
    keep(&mut world);
    assert_eq!(world.scratch.mounts().len(), 3, "they stayed, and nothing is mounted twice");
    for place in world.scratch.mounts() {
        linux::machine().mounts.unmount(&place).unwrap();
        fs::remove_dir(place).unwrap();
    }
    keep(&mut world);
    assert_eq!(world.scratch.mounts().len(), 3);
    assert_eq!(fs::read_to_string(b.join("file")).unwrap(), "wine");
    assert!(fs::write(reader.join("file"), "water").is_err());
    assert_eq!(world.faults(&volume), [""; 0]);
    world.engine.remove(&volume.id()).unwrap();
    world.check_empty();
}
