//! What holds a volume to its size is not as it should be.

use super::*;

#[test]
fn what_was_changed_behind_is_told_once_and_mended() {
    let mut world = world();
    let made = create(&world, "a", Bytes::gib(1)).unwrap();
    let (data, kept) = (data(&made.id), of_bytes(Bytes::gib(1)));
    let of = |world: &World, limit| {
        world.fake.machine().quotas.set_limit(Path::new(POOL), project(100), of_bytes(limit)).unwrap();
    };
    type Change<'a> = &'a dyn Fn(&World);
    let changes: [(Change, &str); 7] = [
        (&|world| of(world, Bytes::gib(50)), "its limit is 50Gi, and should be 1Gi"),
        (&|world| of(world, Bytes::mib(50)), "its limit is 50Mi, and should be 1Gi"),
        (
            &|world| world.fake.set_soft_limit(project(100), of_bytes(Bytes::mib(512))),
            "its limit is 1Gi, with a soft one of 512Mi, and should be 1Gi",
        ),
        (
            &|world| world.fake.set_soft_limit(project(100), ProjectLimit { bytes: None, inodes: Some(5) }),
            "its limit is 1Gi, with a soft one of none and 5 inodes, and should be 1Gi",
        ),
        (&|world| world.fake.set_project_behind(&data, None).unwrap(), "its project is none, and should be 100"),
        (
            &|world| world.fake.set_project_behind(&data, Some(project(7))).unwrap(),
            "its project is 7, and should be 100",
        ),
        (&|world| world.fake.stop_inheriting(&data).unwrap(), "what is made in it does not get its project, 100"),
    ];
    for (number, (change, said)) in (1..).zip(changes) {
        change(&world);
        assert_eq!(world.engine.health(&made.id).unwrap(), [Fault::LimitDrifted(said.into())]);
        assert!(usage(&world, project(100)).is_held_to(kept), "{said}");
        let tag = world.fake.machine().quotas.project_of(&data).unwrap();
        assert_eq!(tag, Some(ProjectTag { id: project(100), inherited: true }), "{said}");
        assert_eq!(world.engine.health(&made.id).unwrap(), [], "{said}");
        assert_eq!(world.engine.pools()[0].mended, number, "{said}");
    }
    // A power cut takes a limit that was not on disk.
    world.restart(How::PowerCut);
    world.engine.recover();
    assert_eq!(usage(&world, project(100)).limit, kept);
}

#[test]
fn a_directory_that_is_gone_is_a_fault_and_is_not_made_anew() {
    let mut world = world();
    let id = create(&world, "a", Bytes::gib(1)).unwrap().id.clone();
    let aside = Path::new("/aside");
    world.fake.machine().files.rename(&data(&id), aside).unwrap();
    for _ in 0..2 {
        assert_eq!(world.engine.health(&id).unwrap(), [Fault::DirectoryMissing]);
        let refused = world.engine.mount(&id, &MountRequest { target: "/mnt/a".into(), read_only: false }).unwrap_err();
        assert!(refused.to_string().contains("the volume's directory is missing"), "{refused}");
        world.restart(How::Reboot);
        world.engine.recover();
    }
    assert_eq!(world.engine.pools()[0].mended, 0);
    world.fake.machine().files.rename(aside, &data(&id)).unwrap();
    assert_eq!(world.engine.health(&id).unwrap(), []);
}
