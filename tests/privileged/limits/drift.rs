//! What a hand has changed of a volume is seen, mended and counted.

use std::process::Command;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use ullage::model::ProjectTag;
use ullage::sys::fsxattr;

use super::*;
use crate::scratch::run;

/// Changes the tag of a directory, as `chattr` and `xfs_io` do.
fn tag(dir: &Path, id: u32, inherited: bool) {
    let opened = open(dir, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).unwrap();
    fsxattr::set_project(&opened, fsxattr::Project { id, inherited }).unwrap();
}

fn with_xfs_quota(world: &World, words: &str) {
    let words = format!("limit -p {words} 100");
    run(Command::new("/usr/sbin/xfs_quota").args(["-x", "-c", &words]).arg(world.scratch.pool()));
}

/// What there is after a look, on any filesystem that has limits.
fn check_mended(world: &World, volume: &Volume, change: impl FnOnce(), said: &str) {
    let (dir, quotas) = (data(world, volume), world.scratch.machine().quotas);
    let mended = world.engine.pools()[0].mended;
    change();
    let faults = world.engine.health(&volume.id()).unwrap();
    let found: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(found, [format!("{said}: it was mended")]);
    let found = quotas.usage(&world.pool, project(100)).unwrap().unwrap();
    assert!(found.is_held_to(of_bytes(volume.size)), "{said}: {found:?}");
    assert_eq!(quotas.project_of(&dir).unwrap(), Some(ProjectTag { id: project(100), inherited: true }), "{said}");
    assert_eq!(world.faults(volume), [""; 0], "{said}");
    assert_eq!(world.engine.pools()[0].mended, mended + 1, "{said}");
}

#[test]
fn what_a_hand_has_changed_is_seen_by_the_next_look_and_mended() {
    for (scratch, content) in
        [(Scratch::xfs(ROOM, "prjquota"), XFS), (Scratch::ext4("quota,project", "prjquota"), EXT4)]
    {
        let world = over(scratch);
        let volume = Volume::new("db", content).sized(SIZE);
        let target = world.bring_up(&volume);
        let (dir, quotas) = (data(&world, &volume), world.scratch.machine().quotas);
        let set = |limit| quotas.set_limit(&world.pool, project(100), limit).unwrap();
        for (limit, said) in
            [(of_bytes(Bytes::gib(1)), "1Gi"), (of_bytes(Bytes::mib(1)), "1Mi"), (ProjectLimit::default(), "none")]
        {
            check_mended(&world, &volume, || set(limit), &format!("its limit is {said}, and should be 64Mi"));
        }
        check_mended(&world, &volume, || tag(&dir, 0, false), "its project is none, and should be 100");
        check_mended(&world, &volume, || tag(&target, 7, true), "its project is 7, and should be 100");
        let said = "what is made in it does not get its project, 100";
        check_mended(&world, &volume, || tag(&dir, 100, false), said);
        File::create(target.join("new")).unwrap();
        assert_eq!(counted(&world, &volume).inodes, 2, "what is made now is in the project");
        take_down(&world, &[&volume]);
    }
}

/// XFS shows it as the size, and after its grace refuses what is above.
#[test]
fn a_soft_limit_that_somebody_sets_is_taken_away() {
    let world = world();
    let volume = volume("db");
    let target = world.bring_up(&volume);
    let shown = || world.scratch.machine().mounts.usage(&target).unwrap().total;
    let said = "its limit is 64Mi, with a soft one of 32Mi, and should be 64Mi";
    let soft = || {
        with_xfs_quota(&world, "bsoft=32m");
        assert_eq!(shown(), Bytes::mib(32));
        let located = world.engine.view().unwrap().locate(&volume.id()).unwrap();
        assert_eq!(
            world.engine.read(&located.place.unwrap(), &mut None).unwrap().size,
            SIZE,
            "and the driver does not"
        );
    };
    check_mended(&world, &volume, soft, said);
    assert_eq!(shown(), SIZE);
    let said = "its limit is 64Mi, with a soft one of none and 5 inodes, and should be 64Mi";
    check_mended(&world, &volume, || with_xfs_quota(&world, "isoft=5"), said);
    take_down(&world, &[&volume]);
}

/// Given away by its owner, it is deleted all the same, and whose limit that is keeps it.
#[test]
fn a_directory_that_was_given_to_another_project_is_deleted_with_its_own_limit_alone() {
    let world = world();
    let volume = volume("db");
    world.create(&volume).unwrap();
    let quotas = world.scratch.machine().quotas;
    quotas.set_limit(&world.pool, project(7), of_bytes(SIZE)).unwrap();
    fs::write(data(&world, &volume).join("file"), "wine").unwrap();
    tag(&data(&world, &volume), 7, true);
    world.delete(&volume).unwrap();
    world.engine.tend();
    let theirs = ProjectUsage { limit: of_bytes(SIZE), ..ProjectUsage::default() };
    assert_eq!(known(&world.scratch), [(project(7), theirs)]);
    quotas.set_limit(&world.pool, project(7), ProjectLimit::default()).unwrap();
    take_down(&world, &[]);
}

/// Its filesystem ends before the limit that is tried.
#[test]
fn a_full_pool_proves_nothing_until_there_is_room() {
    let mut world = world();
    let volumes = ["a", "b"].map(volume);
    world.create(&volumes[0]).unwrap();
    let others = fill_pool(&world);
    world.restart();
    assert!(world.engine.health(&volumes[0].id()).is_ok(), "what is there is served");
    fs::remove_file(others).unwrap();
    let refused = world.create(&volumes[1]).unwrap_err();
    assert_eq!(refused.kind(), Kind::Full, "{refused}");
    soon("it is proven", || {
        world.engine.tend();
        world.create(&volumes[1]).is_ok()
    });
    take_down(&world, &[&volumes[0], &volumes[1]]);
}
