//! The same calls, cut at every step in every way.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use ullage::engine::{MountRequest, Result};
use ullage::host::fake::{Cut, How};
use ullage::model::{Bytes, Content};

use super::{A, B, EXT4, mounted, reasons};
use crate::world::{Volume, World};

const WAYS: [How; 5] = [How::Kill, How::Reboot, How::PowerCut, How::Fail(Errno::EIO), How::Fail(Errno::ENOSPC)];

const BYSTANDER: Volume = Volume::xfs("bystander");
const ITS_PLACE: &str = "/kubelet/mnt/bystander";
const DATA: u64 = 7;
const SHRUNK: Bytes = Bytes::mib(100);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Mount,
    MountSecond,
    MountReadOnly,
    Unmount,
    UnmountFirst,
    Shrink,
    ShrinkUnmounted,
    Remove,
}

impl Call {
    const ALL: [Self; 8] = [
        Self::Mount,
        Self::MountSecond,
        Self::MountReadOnly,
        Self::Unmount,
        Self::UnmountFirst,
        Self::Shrink,
        Self::ShrinkUnmounted,
        Self::Remove,
    ];

    fn shrinks(self) -> bool {
        matches!(self, Self::Shrink | Self::ShrinkUnmounted)
    }

    /// Where the volume is before and after.
    fn places(self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Mount | Self::MountReadOnly => (&[], &[A]),
            Self::MountSecond => (&[B], &[A, B]),
            Self::Unmount => (&[A], &[]),
            Self::UnmountFirst => (&[A, B], &[B]),
            Self::Shrink => (&[A, B], &[A, B]),
            Self::ShrinkUnmounted => (&[], &[]),
            Self::Remove => (&[A, B], &[]),
        }
    }

    fn run(self, world: &World, volume: &Volume) -> Result<()> {
        let (id, engine) = (volume.id(), &world.engine);
        let read_only = self == Self::MountReadOnly;
        match self {
            Self::Mount | Self::MountSecond | Self::MountReadOnly => {
                engine.mount(&id, &MountRequest { target: A.into(), read_only })
            }
            Self::Unmount | Self::UnmountFirst => engine.unmount(&id, Path::new(A)),
            Self::Shrink | Self::ShrinkUnmounted => engine.resize(&id, SHRUNK).map(|size| assert_eq!(size, SHRUNK)),
            Self::Remove => engine.remove(&id),
        }
    }
}

fn prepared(call: Call, volume: &Volume) -> World {
    let world = World::keeping_mounts();
    for (volume, place) in [(&BYSTANDER, ITS_PLACE), (volume, A)] {
        world.create(volume).unwrap();
        world.mount(volume, place).unwrap();
        world.fake.write_data(Path::new(place), DATA);
    }
    world.engine.unmount(&volume.id(), Path::new(A)).unwrap();
    for place in call.places().0 {
        world.mount(volume, place).unwrap();
    }
    world
}

/// Whatever happened, after a start the bystander is mounted and the volume is whole.
fn check_recovered(world: &World, call: Call, volume: &Volume, how: How) {
    assert_eq!(world.engine.set_aside(), []);
    assert_eq!(world.fake.read_data(Path::new(ITS_PLACE)), Some(DATA), "the bystander");
    assert_eq!(reasons(world, &BYSTANDER), [""; 0]);
    let Ok(found) = world.engine.inspect(&volume.id()) else { return };
    let names: Vec<_> = found.faults.iter().map(|fault| fault.reason()).collect();
    // An unmount that could not be written down is asked for again.
    let survived = matches!(how, How::Fail(_));
    let may_be_off = survived && matches!(call, Call::Unmount | Call::UnmountFirst);
    assert!(names.iter().all(|name| *name == "GrowthPending" || (may_be_off && *name == "NotMounted")), "{names:?}");
    for wanted in found.record.mounts.iter().filter(|_| !may_be_off) {
        assert!(mounted(world).contains(&wanted.path), "{} is not mounted", wanted.path.display());
    }
    if let Some(fs) = world.fake.filesystem(&volume.image()) {
        assert_eq!(fs.data, DATA, "what was written is in pieces");
        assert!(fs.size <= found.record.spec.size, "the filesystem is larger than the volume");
        assert!(fs.size == found.record.spec.size || found.record.growth_is_pending(), "nobody lets it grow again");
    }
    if let Some(device) = found.presence.device {
        assert!(world.fake.machine().loops.size(device).unwrap() <= found.record.spec.size, "the device is too large");
    }
    let image = world.fake.machine().files.stat(&volume.image()).unwrap().unwrap();
    assert!(image.size == found.record.spec.size || survived, "the image was not cut");
}

fn check(world: &World, call: Call, volume: &Volume) {
    check_recovered(world, call, volume, How::Kill);
    let mut expected: Vec<_> = call.places().1.iter().copied().chain([ITS_PLACE]).map(Path::new).collect();
    expected.sort();
    assert_eq!(mounted(world), expected);
    if call == Call::Remove {
        assert!(world.engine.record(&volume.id()).is_err());
        return;
    }
    let record = world.engine.record(&volume.id()).unwrap();
    let mut kept: Vec<_> = record.mounts.iter().map(|mount| mount.path.as_path()).collect();
    kept.sort();
    assert_eq!(kept, call.places().1.iter().map(Path::new).collect::<Vec<_>>());
    let size = if call.shrinks() { SHRUNK } else { volume.size };
    assert_eq!((record.spec.size, record.grown_to), (size, size));
    let presence = world.engine.inspect(&volume.id()).unwrap().presence;
    assert!(volume.sparse || presence.allocated == size, "{} of {size} are reserved", presence.allocated);
    let at_a = presence.mounts.iter().find(|mount| mount.target == Path::new(A));
    assert!(at_a.is_none_or(|mount| mount.attributes.read_only == (call == Call::MountReadOnly)));
}

fn check_nothing_leaks(world: &World, volume: &Volume) {
    for volume in [volume, &BYSTANDER] {
        world.engine.remove(&volume.id()).unwrap();
    }
    world.engine.tend();
    let left: Vec<_> = world.fake.paths();
    let left: Vec<_> =
        left.iter().map(String::as_str).filter(|path| !matches!(*path, "/kubelet/" | "/kubelet/mnt/")).collect();
    assert_eq!(left, ["/pool/", "/pool/pool.yaml", "/pool/trash/", "/pool/volumes/"]);
    assert_eq!((mounted(world).len(), world.fake.attached()), (0, 0));
    let room = world.engine.pools()[0].room.clone().unwrap();
    assert_eq!((room.pending, room.promised, room.volumes), (Bytes::ZERO, Bytes::ZERO, 0));
}

fn cut(call: Call, volume: &Volume, cut: Cut) {
    let mut world = prepared(call, volume);
    world.fake.cut(Some(cut));
    let done = call.run(&world, volume);
    if matches!(cut.how, How::Fail(_)) {
        world.fake.cut(None);
        let is_there = |places: &[&str]| places.iter().all(|place| mounted(&world).contains(&PathBuf::from(place)));
        match done {
            Ok(()) => assert!(is_there(call.places().1), "a success is told, and it is not mounted"),
            Err(_) if call == Call::Remove && world.engine.record(&volume.id()).is_ok() => {
                assert!(is_there(call.places().0), "it stays, and is not mounted");
            }
            Err(_) => {}
        }
        world.engine.tend(); // what could not be put back
    } else {
        world.restart(cut.how);
        world.engine.recover();
    }
    check_recovered(&world, call, volume, cut.how);
    call.run(&world, volume).unwrap();
    world.engine.tend();
    check(&world, call, volume);
    check_nothing_leaks(&world, volume);
}

#[test]
fn a_call_cut_at_any_step_gives_its_answer_when_repeated() {
    let mut cuts = 0;
    let (ext4, block) = (Volume::new("ext4", EXT4, false), Volume::new("block", Content::Block, false));
    let sparse = Volume::new("sparse", EXT4, true);
    for volume in [ext4, sparse, block] {
        let can = |call: &Call| if call.shrinks() { volume.content == EXT4 } else { !volume.sparse };
        for call in Call::ALL.into_iter().filter(can) {
            let world = prepared(call, &volume);
            world.fake.cut(None);
            call.run(&world, &volume).unwrap();
            let steps = world.fake.steps();
            check(&world, call, &volume);
            for (at, how) in (1..=steps).flat_map(|at| WAYS.map(|how| (at, how))) {
                let done = std::panic::catch_unwind(|| cut(call, &volume, Cut { at, how }));
                assert!(done.is_ok(), "{call:?} of {} at step {at} of {steps}: {how:?}", volume.name);
                cuts += 1;
            }
        }
    }
    assert!(cuts > 1000, "only {cuts} cuts were tried");
}

/// A start that mounts, and takes back or finishes a shrink, cut itself: the next one goes on.
#[test]
fn a_start_cut_at_any_step_is_finished_by_the_next() {
    let volume = Volume::new("db", EXT4, false);
    let uncut = prepared(Call::Shrink, &volume);
    uncut.fake.cut(None);
    Call::Shrink.run(&uncut, &volume).unwrap();
    for (at, how) in (1..=uncut.fake.steps()).step_by(2).flat_map(|at| [(at, How::Kill), (at, How::Reboot)]) {
        let left = || {
            let mut world = prepared(Call::Shrink, &volume);
            world.fake.cut(Some(Cut { at, how }));
            let _ = Call::Shrink.run(&world, &volume);
            world.restart(how);
            world
        };
        let world = left();
        world.fake.cut(None);
        world.engine.recover();
        for second in (1..=world.fake.steps()).step_by(7) {
            let mut world = left();
            world.fake.cut(Some(Cut { at: second, how: How::PowerCut }));
            world.engine.recover();
            world.restart(How::PowerCut);
            world.engine.recover();
            check_recovered(&world, Call::Shrink, &volume, How::PowerCut);
            Call::Shrink.run(&world, &volume).unwrap();
            check(&world, Call::Shrink, &volume);
        }
    }
}
