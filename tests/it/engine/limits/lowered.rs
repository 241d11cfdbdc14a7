//! A limit that is lowered, or raised, and what is left of it where that fails.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use ullage::host::fake::Cut;

use super::*;

#[test]
fn a_limit_is_lowered_by_a_resize_though_a_kubelet_keeps_the_mounts() {
    let world = world();
    let id = create(&world, "a", Bytes::gib(4)).unwrap().id.clone();
    world.fake.write_in(&data(&id), "file", Bytes::gib(1)).unwrap();
    assert_eq!(world.engine.resize(&id, Bytes::gib(2)).unwrap(), Bytes::gib(2));
    assert_eq!(usage(&world, project(100)).limit, of_bytes(Bytes::gib(2)));
    let refused = world.engine.resize(&id, Bytes::gib(1)).unwrap_err();
    assert_eq!((refused.kind(), record(&world, "a").spec.size), (Kind::ShrinkRefused, Bytes::gib(2)), "{refused}");
    assert_eq!(world.engine.resize(&id, Bytes::gib(2)).unwrap(), Bytes::gib(2), "the same");
    assert_eq!(world.engine.resize(&id, Bytes::gib(3)).unwrap(), Bytes::gib(3));
}

/// Files that are nobody's yet: each that is given to a project counts there, wherever it lies.
fn files(world: &World, dir: &str, count: u32) -> Vec<PathBuf> {
    let (files, dir) = (world.fake.machine().files, Path::new(dir));
    files.create_dir(dir).unwrap();
    let paths: Vec<_> = (0..count).map(|file| dir.join(file.to_string())).collect();
    paths.iter().for_each(|path| files.create_file(path).unwrap());
    paths
}

fn give(fake: &Fake, files: &[PathBuf], project: Option<ProjectId>) {
    files.iter().for_each(|file| fake.set_project_behind(file, project).unwrap());
}

/// A volume with 4800 inodes; one is the directory itself.
fn with_files(world: &World, name: &'static str, inodes: InodeLimit) -> Arc<Record> {
    let mut request = request(name, Bytes::gib(1));
    request.spec.inodes = Some(inodes);
    let made = world.engine.create(&request).unwrap();
    give(&world.fake, &files(world, &format!("/{name}"), 4799), made.project);
    made
}

#[test]
fn it_is_not_lowered_below_its_inodes_where_those_follow_its_size() {
    let world = world();
    let least = Bytes::new(4800 * 4096 + (1 << 20));
    let auto = with_files(&world, "auto", InodeLimit::Auto);
    let smaller = least.saturating_sub(Bytes::new(4096));
    let refused = world.engine.shrink(&auto.id, smaller).unwrap_err();
    assert!(matches!(&refused, Error::TooFull { least: found, .. } if *found == least), "{refused}");
    assert_eq!(usage(&world, project(100)).limit.bytes, Some(Bytes::gib(1)), "nothing is touched");
    assert_eq!(world.engine.shrink(&auto.id, least).unwrap(), least);
    assert_eq!(usage(&world, project(100)).limit.inodes, Some(4800 + 256));
    let count = with_files(&world, "count", InodeLimit::Count(9000));
    assert_eq!(
        world.engine.shrink(&count.id, smaller).unwrap(),
        smaller,
        "a number of its own says nothing of the size"
    );
}

/// So many of them the limit lets in.
fn fitting(fake: &Fake, files: usize) -> usize {
    let now = fake.machine().quotas.usage(Path::new(POOL), project(100)).unwrap().unwrap();
    files.min(usize::try_from(now.limit.inodes.unwrap().saturating_sub(now.inodes)).unwrap())
}

/// Wherever in that its owner writes.
#[test]
fn a_limit_that_is_lowered_holds_all_that_was_written_meanwhile() {
    let (world, lowered) = (world(), Bytes::mib(20));
    let made = with_files(&world, "a", InodeLimit::Auto);
    let (id, owner, more, mut refused) = (made.id.clone(), made.project, files(&world, "/more", 1000), 0);
    for (at, is_file) in (1..).flat_map(|at| [(at, true), (at, false)]) {
        let (fake, dir, others, has_begun) =
            (world.fake.clone(), data(&id), more.clone(), Arc::new(AtomicBool::new(false)));
        let begun = has_begun.clone();
        world.fake.meanwhile(at, move || {
            begun.store(true, Ordering::SeqCst);
            match is_file {
                true => drop(fake.write_in(&dir, "more", Bytes::mib(30))),
                false => give(&fake, &others[..fitting(&fake, others.len())], owner),
            }
        });
        let answer = world.engine.shrink(&id, lowered);
        if !has_begun.load(Ordering::SeqCst) {
            break;
        }
        let (now, size) = (usage(&world, project(100)), record(&world, "a").spec.size);
        assert_eq!(size, *answer.as_ref().unwrap_or(&Bytes::gib(1)), "{answer:?}");
        assert_eq!(now.limit.bytes, Some(size), "{answer:?} at {at}");
        let fits = now.bytes <= size && now.inodes <= now.limit.inodes.unwrap();
        assert!(fits, "{now:?}: {answer:?} at {at}");
        refused += usize::from(matches!(answer, Err(Error::TooFull { .. })));
        world.engine.resize(&id, Bytes::gib(1)).unwrap();
        world.fake.machine().files.remove_tree(&data(&id).join("more")).unwrap();
        give(&world.fake, &more, None);
    }
    assert!(refused > 5, "{refused}");
}

/// Also when it fails after the kernel has taken the new limit: where that is read back, say.
#[test]
fn a_limit_is_that_of_the_record_wherever_a_call_fails() {
    type Call = fn(&World, &VolumeId) -> Result<Bytes>;
    let calls: [Call; 2] = [
        |world, id| world.engine.expand(id, None, at_least(Bytes::gib(3))),
        |world, id| world.engine.shrink(id, Bytes::mib(512)),
    ];
    for call in calls {
        let mut failed = 0;
        for at in 1.. {
            let world = world();
            let id = create(&world, "a", Bytes::gib(1)).unwrap().id.clone();
            world.fake.cut(Some(Cut { at, how: How::Fail(Errno::EIO) }));
            let answer = call(&world, &id);
            failed += usize::from(answer.is_err());
            let is_over = world.fake.steps() < at;
            world.fake.cut(None);
            let size = record(&world, "a").spec.size;
            assert_eq!(usage(&world, project(100)).limit, of_bytes(size), "{answer:?} at step {at}");
            if is_over {
                break;
            }
        }
        assert!(failed > 5, "{failed}");
    }
}
