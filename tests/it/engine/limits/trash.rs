//! What is deleted gives its project and its limit back: those of its record, and no others.

use std::sync::mpsc;

use ullage::host::fake::Cut;

use super::*;

#[test]
fn what_is_deleted_gives_its_project_back_after_its_data_and_its_limit() {
    let world = world();
    let id = create(&world, "a", Bytes::gib(1)).unwrap().id.clone();
    world.fake.write_in(&data(&id), "file", Bytes::mib(100)).unwrap();
    world.engine.delete(&id).unwrap();
    assert_eq!(
        create(&world, "b", Bytes::gib(1)).unwrap().project,
        Some(project(101)),
        "the data of 100 is still there"
    );
    world.engine.tend();
    assert_eq!(usage(&world, project(100)), ProjectUsage::default());
    assert_eq!(create(&world, "c", Bytes::gib(1)).unwrap().project, Some(project(100)));
}

fn names_in_trash(world: &World) -> Vec<String> {
    world.fake.machine().files.list(&PoolDir::new(POOL).trash()).unwrap()
}

/// Its owner may do that, and the driver learns of it only by looking.
#[test]
fn what_was_given_to_another_project_leaves_that_its_limit_and_its_own_is_cleared() {
    let world = world();
    let quotas = world.fake.machine().quotas;
    let id = create(&world, "a", Bytes::gib(1)).unwrap().id.clone();
    world.fake.write_in(&data(&id), "file", Bytes::mib(1)).unwrap();
    quotas.set_limit(Path::new(POOL), project(7), of_bytes(Bytes::gib(3))).unwrap();
    for path in [data(&id), data(&id).join("file")] {
        world.fake.set_project_behind(&path, Some(project(7))).unwrap();
    }
    world.engine.delete(&id).unwrap();
    world.engine.tend();
    assert_eq!(usage(&world, project(7)), ProjectUsage { limit: of_bytes(Bytes::gib(3)), ..Default::default() });
    assert_eq!((usage(&world, project(100)), names_in_trash(&world)), (ProjectUsage::default(), vec![]));
    assert_eq!(create(&world, "b", Bytes::gib(1)).unwrap().project, Some(project(100)));
}

/// A finished volume's project is nobody else's, whatever its limit has become: what is left in it somebody has open.
#[test]
fn a_limit_that_has_drifted_is_cleared_too_once_nobody_has_anything_open() {
    let world = world();
    let (machine, id) = (world.fake.machine(), create(&world, "a", Bytes::gib(1)).unwrap().id.clone());
    machine.files.create_dir(Path::new(ELSEWHERE)).unwrap();
    world.fake.set_project_behind(Path::new(ELSEWHERE), Some(project(100))).unwrap();
    let drifted = of_bytes(Bytes::gib(9));
    machine.quotas.set_limit(Path::new(POOL), project(100), drifted).unwrap();
    world.fake.set_soft_limit(project(100), drifted);
    world.engine.delete(&id).unwrap();
    world.engine.tend();
    assert_eq!((usage(&world, project(100)).limit, names_in_trash(&world).len()), (drifted, 1), "it is still held");
    assert_eq!(create(&world, "b", Bytes::gib(1)).unwrap().project, Some(project(101)));
    world.fake.set_project_behind(Path::new(ELSEWHERE), None).unwrap();
    world.engine.tend();
    assert_eq!((usage(&world, project(100)), names_in_trash(&world)), (ProjectUsage::default(), vec![]));
    assert_eq!(create(&world, "c", Bytes::gib(1)).unwrap().project, Some(project(100)));
}

/// Killed there, too: the next start finds a claim with a tag, and somebody else's limit.
#[test]
fn an_id_that_another_driver_takes_at_the_same_time_is_left_to_him_with_its_limit() {
    let mut outcomes = Vec::new();
    for (at, is_killed) in (1..).flat_map(|at| [(at, false), (at, true)]) {
        let mut world = world();
        world.fake.machine().files.create_dir(Path::new(ELSEWHERE)).unwrap();
        let (fake, (tell, told)) = (world.fake.clone(), mpsc::channel());
        world.fake.meanwhile(at, move || {
            tell.send(take(&fake, 100)).unwrap();
            if is_killed {
                fake.cut(Some(Cut { at: 1, how: How::Kill }));
            }
        });
        let made = create(&world, "a", Bytes::gib(1));
        if is_killed {
            world.restart(How::Kill);
            world.engine.recover();
            world.engine.tend();
        } else {
            made.unwrap();
        }
        let Ok(theirs) = told.try_recv() else { break };
        let made = create(&world, "a", Bytes::gib(1)).unwrap();
        world.engine.tend();
        assert_eq!(made.project, Some(project(if theirs { 101 } else { 100 })), "at {at}");
        if theirs {
            assert_eq!(usage(&world, project(100)).limit, of_bytes(Bytes::gib(7)), "at {at}");
        }
        assert!(usage(&world, made.project.unwrap()).is_held_to(of_bytes(Bytes::gib(1))), "at {at}");
        assert_eq!(names_in_trash(&world), [""; 0], "at {at}");
        outcomes.push((theirs, is_killed));
    }
    for outcome in [(true, false), (true, true), (false, false), (false, true)] {
        assert!(outcomes.contains(&outcome), "{outcome:?}: {outcomes:?}");
    }
}
