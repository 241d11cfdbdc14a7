//! A pool is proven before it is served, and takes nobody's id for it.

use std::sync::mpsc;

use ullage::host::fake::Lie;

use super::*;

const LIES: [Lie; 3] = [Lie::Bounds, Lie::Takes, Lie::Clears];

#[test]
fn a_pool_whose_limits_do_not_hold_says_why_and_is_tried_again() {
    let state = |fs, accounting, enforcement| QuotaState { fs, accounting, enforcement, limits_everybody: false };
    let on = state("xfs", true, true);
    for (state, said) in [
        (state("xfs", false, false), "mount it with prjquota"),
        (state("xfs", true, false), "not enforced"),
        (state("ext4", false, false), "tune2fs -O project,quota"),
        (state("tmpfs", false, false), "only xfs and ext4"),
        (QuotaState { limits_everybody: true, ..on }, "limits for everybody"),
    ] {
        let fake = Fake::new(Bytes::gib(10));
        fake.set_project_quotas(Some(state));
        let world = World::with(fake, vec![of_limits()]);
        let refused = world.engine.ready().unwrap_err();
        assert!(refused.contains(said), "{refused}");
        world.fake.set_project_quotas(Some(on));
        world.engine.tend();
        create(&world, "a", Bytes::gib(1)).unwrap();
    }
}

#[test]
fn a_kernel_that_says_more_than_it_does_is_not_believed() {
    for (lie, said) in LIES.into_iter().zip([
        "of a limit of 1Mi, 4Mi could be written",
        "was given a limit of 1Mi, and has none",
        "was given a limit of none, and has 1Mi",
    ]) {
        let fake = Fake::new(Bytes::gib(10));
        fake.lie(Some(lie));
        let world = World::with(fake, vec![of_limits()]);
        let refused = world.engine.ready().unwrap_err();
        assert!(refused.contains(said), "{lie:?}: {refused}");
        assert_eq!(create(&world, "a", Bytes::gib(1)).unwrap_err().kind(), Kind::Full);
        world.fake.lie(None);
        world.engine.tend();
        create(&world, "a", Bytes::gib(1)).unwrap();
    }
}

#[test]
fn a_limit_that_is_not_kept_is_an_error_of_whoever_sets_it() {
    let world = world();
    let id = create(&world, "a", Bytes::gib(2)).unwrap().id.clone();
    world.fake.lie(Some(Lie::Takes));
    let refusals = [
        create(&world, "b", Bytes::gib(1)).map(drop),
        world.engine.expand(&id, None, at_least(Bytes::gib(3))).map(drop),
        world.engine.shrink(&id, Bytes::gib(1)).map(drop),
    ];
    for refused in refusals {
        let refused = refused.unwrap_err();
        assert!(refused.to_string().contains("was given a limit of"), "{refused}");
    }
    assert_eq!(record(&world, "a").spec.size, Bytes::gib(2));
    assert_eq!(world.engine.list(None, 0).unwrap().0.len(), 1);
}

/// What stops a writer there is the end of the disk, and says nothing of limits.
#[test]
fn in_a_full_pool_nothing_is_proven_and_nothing_made_until_it_is() {
    for lie in [None].into_iter().chain(LIES.map(Some)) {
        let mut world = world();
        let id = create(&world, "a", Bytes::gib(1)).unwrap().id.clone();
        let free = world.fake.machine().files.space(Path::new(POOL)).unwrap().available;
        world.fake.write_in(Path::new("/"), "others", free.saturating_sub(Bytes::new(512 << 10))).unwrap();
        world.restart(How::Kill);
        world.fake.lie(lie.filter(|lie| *lie == Lie::Bounds));
        world.engine.recover();
        world.engine.ready().unwrap();
        assert_eq!(world.engine.health(&id).unwrap().first(), Some(&Fault::PoolNearlyFull));
        world.fake.write_in(Path::new("/"), "others", Bytes::ZERO).unwrap();
        let refused = create(&world, "b", Bytes::gib(1)).unwrap_err();
        assert!(refused.to_string().contains("its limits are not proven"), "{refused}");
        world.fake.lie(lie);
        world.engine.tend();
        match lie {
            None => assert_eq!(create(&world, "b", Bytes::gib(1)).unwrap().project, Some(project(101))),
            Some(lie) => assert!(world.engine.ready().is_err(), "{lie:?}"),
        }
    }
}

#[test]
fn an_id_that_another_driver_takes_while_a_pool_is_proven_is_left_to_him_with_its_limit() {
    let mut outcomes = Vec::new();
    for at in 1.. {
        let mut world = world();
        world.fake.machine().files.create_dir(Path::new(ELSEWHERE)).unwrap();
        world.restart(How::Kill);
        let (fake, (tell, told)) = (world.fake.clone(), mpsc::channel());
        world.fake.meanwhile(at, move || tell.send(take(&fake, 100)).unwrap());
        world.engine.recover();
        world.engine.ready().unwrap();
        let Ok(theirs) = told.try_recv() else { break };
        let (limit, free) = if theirs { (of_bytes(Bytes::gib(7)), 101) } else { (ProjectLimit::default(), 100) };
        assert_eq!(usage(&world, project(100)).limit, limit, "at {at}");
        assert_eq!(create(&world, "a", Bytes::gib(1)).unwrap().project, Some(project(free)), "at {at}");
        outcomes.push(theirs);
    }
    assert!(outcomes.contains(&true) && outcomes.contains(&false), "{outcomes:?}");
}
