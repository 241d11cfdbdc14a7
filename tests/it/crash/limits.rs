//! The same of volumes that are held by a limit.

use std::collections::BTreeSet;
use std::path::Path;

use ullage::config::{Overcommit, PoolConfig};
use ullage::engine::Error;
use ullage::host::fake::{Cut, Fake, How};
use ullage::model::{Backend, Bytes, ProjectId, ProjectLimit, ProjectUsage};

use super::WAYS;
use crate::world::{POOL, Volume, World, pool};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Call {
    Create,
    Stage,
    Publish,
    Expand,
    Lower,
    Unpublish,
    Unstage,
    Delete,
}

const VOLUME: Volume = Volume::xfs("limited");
const BYSTANDER: Volume = Volume::xfs("bystander");
const GROWN: Bytes = Bytes::gib(3);
const LOWERED: Bytes = Bytes::mib(200);
const WRITTEN: Bytes = Bytes::mib(100);

impl Call {
    const ALL: [Self; 8] = [
        Self::Create,
        Self::Stage,
        Self::Publish,
        Self::Expand,
        Self::Lower,
        Self::Unpublish,
        Self::Unstage,
        Self::Delete,
    ];

    /// How far up the staircase it begins, and how far it ends: nothing, created, staged, published.
    fn floors(self) -> (usize, usize) {
        match self {
            Self::Create => (0, 1),
            Self::Stage => (1, 2),
            Self::Publish => (2, 3),
            Self::Expand | Self::Lower => (3, 3),
            Self::Unpublish => (3, 2),
            Self::Unstage => (2, 1),
            Self::Delete => (1, 0),
        }
    }

    fn run(self, world: &World) -> Result<String, Error> {
        let unit = |()| "done".to_owned();
        match self {
            Self::Create => world.create(&VOLUME).map(|record| format!("{:?} {:?}", record.phase, record.spec)),
            Self::Stage => world.stage(&VOLUME).map(unit),
            Self::Publish => world.publish(&VOLUME).map(unit),
            Self::Expand => world.expand(&VOLUME, GROWN, Some(&VOLUME.target())).map(|size| size.to_string()),
            Self::Lower => world.engine.shrink(&VOLUME.id(), LOWERED).map(|size| size.to_string()),
            Self::Unpublish => world.unpublish(&VOLUME).map(unit),
            Self::Unstage => world.unstage(&VOLUME).map(unit),
            Self::Delete => world.delete(&VOLUME).map(unit),
        }
    }

    fn size(self) -> Bytes {
        match self {
            Self::Expand => GROWN,
            Self::Lower => LOWERED,
            _ => VOLUME.size,
        }
    }
}

fn climb(world: &World, volume: &Volume, floor: usize) {
    let steps: [fn(&World, &Volume); 3] = [
        |world, volume| drop(world.create(volume).unwrap()),
        |world, volume| world.stage(volume).unwrap(),
        |world, volume| world.publish(volume).unwrap(),
    ];
    steps.iter().take(floor).for_each(|step| step(world, volume));
}

fn write(world: &World, volume: &Volume) {
    let record = world.engine.record(&volume.id()).unwrap();
    assert!(record.project.is_some());
    world.fake.write_in(&data(volume), "file", WRITTEN).unwrap();
    world.fake.machine().files.sync(&data(volume).join("file")).unwrap();
}

fn data(volume: &Volume) -> std::path::PathBuf {
    Path::new(POOL).join("volumes").join(volume.name).join("data")
}

fn prepared(call: Call) -> World {
    let config = PoolConfig { backend: Backend::Quota, overcommit: Overcommit::NONE, ..pool("default", POOL) };
    let world = World::with(Fake::new(Bytes::gib(100)), vec![config]);
    climb(&world, &BYSTANDER, 3);
    write(&world, &BYSTANDER);
    climb(&world, &VOLUME, call.floors().0);
    if call != Call::Create {
        write(&world, &VOLUME);
    }
    world
}

fn cut_and_repeat(call: Call, cut: Cut) -> (World, String) {
    let mut world = prepared(call);
    world.fake.cut(Some(cut));
    let _ = call.run(&world);
    if matches!(cut.how, How::Fail(_)) {
        world.fake.cut(None);
    } else {
        world.restart(cut.how);
        world.engine.recover();
        assert_eq!(world.engine.set_aside(), [], "something was not understood");
        check_limits(&world);
        if cut.how != How::Kill {
            climb(&world, &BYSTANDER, 3);
            if matches!(call, Call::Publish | Call::Expand) {
                climb(&world, &VOLUME, call.floors().0);
            }
        }
    }
    let answer = call.run(&world).unwrap();
    world.engine.tend();
    (world, answer)
}

fn projects(world: &World) -> Vec<(ProjectId, ProjectUsage)> {
    world.fake.machine().quotas.projects(Path::new(POOL)).unwrap()
}

/// What the kernel holds whom to is what the records say.
fn check_limits(world: &World) {
    let (records, known) = (world.engine.list(None, 0).unwrap().0, projects(world));
    for record in &records {
        let usage = known.iter().find(|(id, _)| Some(*id) == record.project).map(|(_, usage)| *usage);
        let limit = usage.and_then(|usage| usage.limit.bytes);
        assert_eq!(limit, Some(record.spec.size), "{}", record.id);
        assert_eq!(world.engine.health(&record.id).unwrap(), [], "{}", record.id);
    }
}

fn check(world: &World, call: Call) {
    check_limits(world);
    assert_eq!(projects(world).len(), world.engine.list(None, 0).unwrap().0.len(), "a project is left");
    let bystander = world.engine.record(&BYSTANDER.id()).unwrap().project;
    let of = |project| projects(world).into_iter().find(|(id, _)| Some(*id) == project).unwrap().1;
    assert_eq!(of(bystander).bytes, WRITTEN);
    if call.floors().1 > 0 {
        let record = world.engine.record(&VOLUME.id()).unwrap();
        assert_eq!(record.spec.size, call.size());
        assert_ne!(record.project, bystander);
        assert_eq!(of(record.project).bytes, if call == Call::Create { Bytes::ZERO } else { WRITTEN });
    }
}

fn check_nothing_leaks(world: &World) {
    for volume in [&VOLUME, &BYSTANDER] {
        match world.take_down(volume) {
            Ok(()) | Err(Error::NoVolume(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    world.engine.tend();
    let left: Vec<_> = world.fake.paths().into_iter().filter(|path| !path.starts_with("/kubelet/")).collect();
    assert_eq!(left, ["/pool/", "/pool/pool.yaml", "/pool/trash/", "/pool/volumes/"]);
    assert_eq!(world.fake.mount_targets(), Vec::<std::path::PathBuf>::new());
    assert_eq!(projects(world), []);
    let room = world.engine.pools()[0].room.clone().unwrap();
    assert_eq!((room.pending, room.promised, room.volumes), (Bytes::ZERO, Bytes::ZERO, 0));
}

#[test]
fn a_call_cut_at_any_step_gives_its_answer_when_repeated() {
    let mut cuts = 0;
    for call in Call::ALL {
        let world = prepared(call);
        world.fake.cut(None);
        let expected = call.run(&world).unwrap();
        let steps = world.fake.steps();
        for (at, how) in (1..=steps).flat_map(|at| WAYS.map(|how| (at, how))) {
            let done = std::panic::catch_unwind(|| {
                let (world, answer) = cut_and_repeat(call, Cut { at, how });
                assert_eq!(answer, expected);
                check(&world, call);
                check_nothing_leaks(&world);
            });
            assert!(done.is_ok(), "{call:?} at step {at} of {steps}: {how:?}");
            cuts += 1;
        }
    }
    assert!(cuts > 300, "only {cuts} cuts were tried");
}

/// What is left of the deleted volume: its data, its limit, its record.
fn left(world: &World, project: ProjectId) -> [bool; 3] {
    let machine = world.fake.machine();
    let usage = machine.quotas.usage(Path::new(POOL), project).unwrap().unwrap_or_default();
    let has_record =
        world.fake.paths().iter().any(|path| path.starts_with("/pool/trash/") && path.ends_with("/volume.yaml"));
    [usage.inodes > 0, usage.limit != ProjectLimit::default(), has_record]
}

/// Nobody gets the id of data that is left, and what is left is known by its record: data, then limit, then record.
#[test]
fn what_is_taken_out_of_the_trash_goes_in_its_order_wherever_that_is_cut() {
    let deleted = || {
        let world = prepared(Call::Delete);
        let project = world.engine.record(&VOLUME.id()).unwrap().project.unwrap();
        world.delete(&VOLUME).unwrap();
        (world, project)
    };
    let (world, _) = deleted();
    world.fake.cut(None);
    world.engine.tend();
    let (steps, mut seen) = (world.fake.steps(), BTreeSet::new());
    for (at, how) in (1..=steps).flat_map(|at| WAYS.map(|how| (at, how))) {
        let what = format!("step {at} of {steps}: {how:?}");
        let (mut world, project) = deleted();
        world.fake.cut(Some(Cut { at, how }));
        world.engine.tend();
        world.fake.cut(None);
        if !matches!(how, How::Fail(_)) {
            world.restart(how);
        }
        let [has_data, has_limit, has_record] = left(&world, project);
        assert!(!has_data || has_limit && has_record, "{what}: data that nothing holds, or that nobody knows");
        assert!(!has_limit || has_record, "{what}: a limit that nobody knows");
        seen.insert([has_data, has_limit, has_record]);
        match how {
            // Such a failure may look as if the pool were lost; opened again, its trash waits for the next round.
            How::Fail(_) if world.engine.ready().is_err() => world.engine.tend(),
            How::Fail(_) => {}
            _ => world.engine.recover(),
        }
        let next = world.create(&Volume::xfs("next")).unwrap().project.unwrap();
        // Where only the empty directory could not be taken away, the process itself waits for that, too.
        let is_free = next == project || matches!(how, How::Fail(_)) && !has_record;
        assert_eq!(is_free, !has_record, "{what}: the id is free once nothing is left, and no sooner");
        world.engine.tend();
        check_limits(&world);
        assert_eq!(projects(&world).len(), 2, "{what}");
        world.delete(&Volume::xfs("next")).unwrap();
        check_nothing_leaks(&world);
    }
    let moments = [[true, true, true], [false, true, true], [false, false, true], [false; 3]];
    assert_eq!(seen, BTreeSet::from(moments), "every moment was met");
}
