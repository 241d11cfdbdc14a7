//! A volume grows from 1 to 2 to 10 GiB while an application writes to it, and whoever grows it is killed before a step. The
//! application lives on, and never sees an error.

use std::env;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ullage::engine::Kind;
use ullage::model::{Bytes, Content, FsKind};

use super::{Call, PLAY, dies, play};
use crate::common::host_expectations::soon;
use crate::growth::{is_about, may_grow_mounted_ext4, write_on};
use crate::scratch::Scratch;
use crate::world::{EXT4, Volume, World, XFS};

/// With room for the largest, and not for what it grows by a second time.
const POOL: Bytes = Bytes::gib(14);

/// However the test ends, the writer does: who started it waits for it.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn grow_killed_at_every_step(test: &str, content: Content) {
    if let Ok(what) = env::var(PLAY) {
        return play(&what, &Volume::new("db", content));
    }
    let mut world = World::over(Scratch::with_room(FsKind::Xfs, POOL));
    let kills: Vec<usize> =
        (1..).map(|at| grow(&mut world, test, content, at)).take_while(|kills| *kills > 0).collect();
    assert!(kills.iter().sum::<usize>() > 10, "only {kills:?} kills");
}

/// One volume grows twice, and each time the driver dies at that step. How often it did: it may have fewer.
fn grow(world: &mut World, test: &str, content: Content, at: usize) -> usize {
    let mut volume = Volume::new("db", content).sized(Bytes::gib(1));
    let target = world.bring_up(&volume);
    world.mark(&volume);
    let (rounds, stop, mut kills) = (AtomicU64::new(0), AtomicBool::new(false), 0);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| write_on(&target.join("running"), &rounds, &stop));
        for size in [Bytes::gib(2), Bytes::gib(10)] {
            volume.size = size;
            world.stop();
            kills += usize::from(dies(world, test, Call::Expand, &volume, at));
            world.restart();
            let online = content != EXT4 || may_grow_mounted_ext4();
            let answer = Call::Expand.run(world, &volume);
            assert_eq!(answer, if online { Ok(()) } else { Err(Kind::NotNow) }, "to {size}, killed at step {at}");
            assert!(!online || is_about(world.total(&volume), size), "{size}: {}", world.total(&volume));
            assert_eq!(world.faults(&volume).is_empty(), online);
            let before = rounds.load(Ordering::Relaxed);
            soon("the writer goes on", || rounds.load(Ordering::Relaxed) > before + 1);
        }
    });
    world.put_away(&volume);
    world.bring_up(&volume); // where a mounted ext4 may not grow, it has done so now
    assert!(is_about(world.total(&volume), volume.size), "{}", world.total(&volume));
    assert_eq!((world.faults(&volume), world.marked(&volume)), (vec![], "db".to_owned()));
    world.put_away(&volume);
    let check: &[&str] = if content == EXT4 { &["/usr/sbin/e2fsck", "-fn"] } else { &["/usr/sbin/xfs_repair", "-n"] };
    let checked = Command::new(check[0]).arg(check[1]).arg(world.image(&volume)).output().unwrap();
    assert!(checked.status.success(), "killed at step {at}: {}", String::from_utf8_lossy(&checked.stdout));
    world.take_down(&[&volume]);
    kills
}

#[test]
fn an_ext4_grows_to_10_gib_under_a_writer_though_its_driver_is_killed_at_any_step() {
    let test = "kills::growing::an_ext4_grows_to_10_gib_under_a_writer_though_its_driver_is_killed_at_any_step";
    grow_killed_at_every_step(test, EXT4);
}

#[test]
fn an_xfs_grows_to_10_gib_under_a_writer_though_its_driver_is_killed_at_any_step() {
    let test = "kills::growing::an_xfs_grows_to_10_gib_under_a_writer_though_its_driver_is_killed_at_any_step";
    grow_killed_at_every_step(test, XFS);
}
