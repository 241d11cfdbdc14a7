//! Every call, cut at every step, in every way: repeated after the restart it gives the answer it would have given,
//! nothing is left over, and no other volume is touched.

mod limits;

use nix::errno::Errno;
use ullage::engine::{Engine, Error};
use ullage::host::fake::{Cut, How};
use ullage::model::{Bytes, Content, FsKind, Owner};
use ullage::store::Phase;

use crate::world::{Volume, World};

const WAYS: [How; 5] = [How::Kill, How::Reboot, How::PowerCut, How::Fail(Errno::EIO), How::Fail(Errno::ENOSPC)];

/// What an application wrote: the volume under test, and the bystander.
const DATA: u64 = 7;

const BYSTANDER: Volume = Volume::xfs("bystander");

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Call {
    Create,
    Stage,
    Publish,
    Expand,
    ExpandUnmounted,
    Unpublish,
    Unstage,
    Delete,
}

/// How far up the staircase a volume is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Floor {
    Nothing,
    Created,
    Staged,
    Published,
}

impl Call {
    const ALL: [Self; 8] = [
        Self::Create,
        Self::Stage,
        Self::Publish,
        Self::Expand,
        Self::ExpandUnmounted,
        Self::Unpublish,
        Self::Unstage,
        Self::Delete,
    ];

    fn needs(self) -> Floor {
        match self {
            Self::Create => Floor::Nothing,
            Self::Stage | Self::Delete | Self::ExpandUnmounted => Floor::Created,
            Self::Publish | Self::Unstage => Floor::Staged,
            Self::Unpublish | Self::Expand => Floor::Published,
        }
    }

    fn ends(self) -> Floor {
        match self {
            Self::Delete => Floor::Nothing,
            Self::Create | Self::Unstage | Self::ExpandUnmounted => Floor::Created,
            Self::Stage | Self::Unpublish => Floor::Staged,
            Self::Publish | Self::Expand => Floor::Published,
        }
    }

    /// The answer, in words that can be compared: a call's success says everything it promises.
    fn run(self, world: &World, volume: &Volume) -> Result<String, Error> {
        let unit = |()| String::from("done");
        match self {
            Self::Create => world.create(volume).map(|record| format!("{:?} {:?}", record.phase, record.spec)),
            Self::Stage => world.stage(volume).map(unit),
            Self::Publish => world.publish(volume).map(unit),
            Self::Expand => world.expand(volume, GROWN, Some(&volume.target())).map(|size| size.to_string()),
            Self::ExpandUnmounted => world.expand(volume, GROWN, None).map(|size| size.to_string()),
            Self::Unpublish => world.unpublish(volume).map(unit),
            Self::Unstage => world.unstage(volume).map(unit),
            Self::Delete => world.delete(volume).map(unit),
        }
    }
}

const GROWN: Bytes = Bytes::gib(3);

fn volumes() -> [Volume; 6] {
    let (ext4, xfs) = (Content::Filesystem(FsKind::Ext4), Content::Filesystem(FsKind::Xfs));
    [
        Volume::new("reserved-ext4", ext4, false),
        Volume::new("sparse-xfs", xfs, true),
        Volume::new("reserved-xfs", xfs, false),
        Volume::new("reserved-block", Content::Block, false),
        Volume::new("sparse-block", Content::Block, true),
        Volume { owner: Some(Owner { uid: 1, gid: 2, mode: 0o750 }), ..Volume::new("owned", ext4, false) },
    ]
}

/// Climbs to a floor. Every step is safe to repeat, as the kubelet repeats it.
fn climb(world: &World, volume: &Volume, floor: Floor) {
    if floor >= Floor::Created {
        world.create(volume).unwrap();
    }
    if floor >= Floor::Staged {
        world.stage(volume).unwrap();
    }
    if floor >= Floor::Published {
        world.publish(volume).unwrap();
        world.fake.write_data(&volume.target(), DATA);
    }
}

fn prepared(call: Call, volume: &Volume) -> World {
    let world = World::new();
    climb(&world, &BYSTANDER, Floor::Published);
    if volume.content != Content::Block && call != Call::Create {
        // An application has written before, so that a second format would be seen.
        climb(&world, volume, Floor::Published);
        world.unpublish(volume).unwrap();
        world.unstage(volume).unwrap();
    }
    climb(&world, volume, call.needs());
    world
}

/// The number of steps that the call takes uncut, and its answer.
fn uncut(call: Call, volume: &Volume) -> (usize, String) {
    let world = prepared(call, volume);
    world.fake.cut(None);
    let answer = call.run(&world, volume).unwrap();
    (world.fake.steps(), answer)
}

fn cut_and_repeat(call: Call, volume: &Volume, cut: Cut) -> (World, String) {
    let mut world = prepared(call, volume);
    world.fake.cut(Some(cut));
    let _ = call.run(&world, volume);
    if matches!(cut.how, How::Fail(_)) {
        world.fake.cut(None);
    } else {
        world.restart(cut.how);
        world.engine.recover();
        check_recovered(&world, volume);
        if cut.how != How::Kill {
            // After a reboot the kubelet begins again from below.
            climb(&world, &BYSTANDER, Floor::Published);
            if matches!(call, Call::Publish | Call::Expand) {
                climb(&world, volume, call.needs());
            }
        }
    }
    let answer = call.run(&world, volume).unwrap();
    world.engine.tend();
    (world, answer)
}

/// No Ready record without what it promises, and nothing else that a start should have undone.
fn check_recovered(world: &World, volume: &Volume) {
    assert_eq!(world.engine.set_aside(), [], "something was not understood");
    let is_half = |path: &String| path.starts_with("/pool/volumes/") && path.ends_with(".new");
    let half: Vec<_> = world.fake.paths().into_iter().filter(is_half).collect();
    assert_eq!(half, Vec::<String>::new(), "half a record is left");
    assert!(!world.fake.is_anything_frozen(), "an application waits for ever");
    if let Ok(found) = world.engine.inspect(&volume.id()) {
        assert_eq!(found.record.phase, Phase::Ready);
        let pending = found.record.growth_is_pending();
        let faults: Vec<_> = found.faults.iter().map(|fault| fault.reason()).collect();
        assert!(faults.is_empty() || (pending && faults == ["GrowthPending"]), "{faults:?}");
        let (allocated, size) = (found.presence.allocated, found.record.spec.size);
        assert!(allocated <= size, "{allocated} are allocated for a volume of {size}");
    }
}

fn check(world: &World, call: Call, volume: &Volume) {
    let there: Vec<_> =
        world.engine.list(None, 0).unwrap().0.into_iter().map(|record| record.spec.name.clone()).collect();
    let expected = if call.ends() == Floor::Nothing { vec!["bystander"] } else { vec!["bystander", volume.name] };
    assert_eq!(there, expected);
    check_bystander(world);
    if call.ends() == Floor::Nothing {
        return;
    }
    let inspection = world.engine.inspect(&volume.id()).unwrap();
    if !volume.sparse {
        assert!(inspection.presence.allocated >= inspection.record.spec.size, "not all of it is reserved");
    }
    let unmounted = call == Call::ExpandUnmounted && volume.content != Content::Block;
    let faults: Vec<_> = inspection.faults.iter().map(|fault| fault.reason()).collect();
    assert_eq!(faults, if unmounted { vec!["GrowthPending"] } else { vec![] });
    let grown = matches!(call, Call::Expand | Call::ExpandUnmounted);
    let size = if grown { GROWN } else { volume.size };
    assert_eq!(inspection.record.spec.size, size);
    if let Some(fs) = volume.content.filesystem() {
        let made = world.fake.filesystem(&volume.image()).unwrap();
        assert_eq!((made.kind, made.owner), (fs, volume.owner));
        assert_eq!(made.size, if unmounted { volume.size } else { size });
        assert_eq!(made.data, if call == Call::Create { 0 } else { DATA }, "the volume was formatted again");
    }
}

fn check_bystander(world: &World) {
    assert_eq!(world.fake.read_data(&BYSTANDER.target()), Some(DATA));
    assert!(world.engine.inspect(&BYSTANDER.id()).unwrap().faults.is_empty());
}

/// Nothing is left when both are gone: no path, mount, device, or space.
fn check_nothing_leaks(world: &World, volume: &Volume) {
    for volume in [volume, &BYSTANDER] {
        world.take_down(volume).unwrap_or_else(|error| match error {
            Error::NoVolume(_) => {}
            error => panic!("{error}"),
        });
    }
    world.engine.tend();
    let left: Vec<_> = world.fake.paths().into_iter().filter(|path| !path.starts_with("/kubelet/")).collect();
    assert_eq!(left, ["/pool/", "/pool/pool.yaml", "/pool/trash/", "/pool/volumes/"]);
    assert_eq!(world.fake.mount_targets(), Vec::<std::path::PathBuf>::new());
    assert_eq!(world.fake.attached(), 0, "a loop device is left");
    let room = world.engine.pools()[0].room.clone().unwrap();
    assert_eq!((room.pending, room.promised, room.volumes), (Bytes::ZERO, Bytes::ZERO, 0));
}

#[test]
fn a_call_cut_at_any_step_gives_its_answer_when_repeated() {
    let mut cuts = 0;
    for volume in volumes() {
        for call in Call::ALL {
            let (steps, expected) = uncut(call, &volume);
            for (at, how) in (1..=steps).flat_map(|at| WAYS.map(|how| (at, how))) {
                let what = format!("{call:?} of {} at step {at} of {steps}: {how:?}", volume.name);
                let done = std::panic::catch_unwind(|| {
                    let (world, answer) = cut_and_repeat(call, &volume, Cut { at, how });
                    assert_eq!(answer, expected);
                    check(&world, call, &volume);
                    check_nothing_leaks(&world, &volume);
                });
                assert!(done.is_ok(), "{what}");
                cuts += 1;
            }
        }
    }
    assert!(cuts > 1000, "only {cuts} cuts were tried");
}

/// A start that is cut itself: the next one finishes it.
#[test]
fn a_recovery_cut_at_any_step_is_finished_by_the_next() {
    let leave_unfinished = || {
        let mut world = World::new();
        climb(&world, &BYSTANDER, Floor::Published);
        let deleted = Volume::xfs("deleted");
        world.create(&deleted).unwrap();
        world.delete(&deleted).unwrap();
        world.fake.cut(Some(Cut { at: 12, how: How::Kill }));
        assert!(world.create(&Volume::xfs("unfinished")).is_err());
        world.restart(How::Kill);
        world
    };
    let start = |engine: &Engine| {
        engine.recover();
        engine.tend();
    };
    let world = leave_unfinished();
    world.fake.cut(None);
    start(&world.engine);
    let steps = world.fake.steps();
    for (at, how) in (1..=steps).flat_map(|at| [How::Kill, How::Reboot, How::PowerCut].map(|how| (at, how))) {
        let mut world = leave_unfinished();
        world.fake.cut(Some(Cut { at, how }));
        start(&world.engine);
        world.restart(how);
        start(&world.engine);
        climb(&world, &BYSTANDER, Floor::Published);
        check_bystander(&world);
        check_nothing_leaks(&world, &Volume::xfs("unfinished"));
    }
}
