//! A driver that is killed (SIGKILL) before any of its steps, for real: the next one recovers, the call is repeated and
//! gives the answer it would have given, and there is no device, mount or file too many.
//!
//! The test runs itself once more as the driver that dies: what that one shall do stands in [`PLAY`].

mod growing;
mod machine;

use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

use nix::libc::SIGKILL;
use ullage::engine::Kind;
use ullage::model::{Bytes, FsKind, Owner};

use crate::common::host_expectations::soon;
use crate::world::{BLOCK, EXT4, Node, Volume, World, XFS, tree};
use machine::{Fuse, deadly};

const PLAY: &str = "ULLAGE_TEST_PLAY";

#[derive(Clone, Copy, PartialEq, Debug)]
enum Call {
    Create,
    Stage,
    StageGrowing,
    Publish,
    Expand,
    ExpandUnmounted,
    Unpublish,
    Unstage,
    Delete,
}

impl Call {
    const ALL: [Self; 9] = [
        Self::Create,
        Self::Stage,
        Self::StageGrowing,
        Self::Publish,
        Self::Expand,
        Self::ExpandUnmounted,
        Self::Unpublish,
        Self::Unstage,
        Self::Delete,
    ];

    fn run(self, node: &Node, volume: &Volume) -> Result<(), Kind> {
        let answer = match self {
            Self::Create => node.create(volume).map(drop),
            Self::Stage | Self::StageGrowing => node.stage(volume),
            Self::Publish => node.publish(volume),
            Self::Expand | Self::ExpandUnmounted => node.expand(volume, volume.size).map(drop),
            Self::Unpublish => node.unpublish(volume),
            Self::Unstage => node.unstage(volume),
            Self::Delete => node.delete(volume),
        };
        answer.map_err(|error| error.kind())
    }

    fn grows(self) -> bool {
        matches!(self, Self::StageGrowing | Self::Expand | Self::ExpandUnmounted)
    }

    /// Brings the volume to where the call begins, from wherever it is: put away, or not there.
    fn prepare(self, node: &Node, before: &Volume, volume: &Volume) {
        if self == Self::Create {
            return;
        }
        if node.engine.record(&before.id()).is_err() {
            node.bring_up(before);
            node.mark(before);
            node.put_away(before);
        }
        match self {
            Self::StageGrowing => drop(node.expand(volume, volume.size).unwrap()),
            Self::Publish | Self::Unstage => node.stage(before).unwrap(),
            Self::Unpublish | Self::Expand => drop(node.bring_up(before)),
            _ => {}
        }
    }
}

/// Everything that a call may leave too many or too few of. Here whatever is attached is staged.
fn traces(world: &World) -> [Vec<PathBuf>; 3] {
    world.engine.tend();
    let staged =
        |mounts: &[PathBuf]| mounts.iter().filter(|mount| mount.starts_with(world.mounts.join("staging"))).count();
    let mounts = world.scratch.mounts();
    soon("no device is there but for what is staged", || world.scratch.loops().len() == staged(&mounts));
    [mounts, tree(&world.pool), tree(&world.mounts)]
}

fn bystander() -> Volume {
    Volume::new("bystander", EXT4)
}

/// Lets another process make the call, and die before a step. `false`: it had fewer steps, and lives.
fn dies(world: &World, test: &str, call: Call, volume: &Volume, at: usize) -> bool {
    let number = Call::ALL.iter().position(|known| *known == call).unwrap();
    let (pool, mounts) = (world.pool.display(), world.mounts.display());
    let play = format!("{number} {at} {} {pool} {mounts}", volume.size.get());
    let program = env::current_exe().unwrap();
    let output = Command::new(program).args(["--exact", test]).env(PLAY, play).output().unwrap();
    let killed = output.status.signal() == Some(SIGKILL);
    assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    killed
}

/// What the other process does.
fn play(play: &str, volume: &Volume) {
    let words: Vec<_> = play.split(' ').collect();
    let number = |at: usize| words[at].parse::<usize>().unwrap();
    let volume = volume.clone().sized(Bytes::new(words[2].parse().unwrap()));
    let fuse = Fuse::default();
    let call = Call::ALL[number(0)];
    let node = Node::new(deadly(&fuse, call == Call::Create), words[3].into(), words[4].into());
    fuse.light(number(1));
    let _ = call.run(&node, &volume);
    fuse.step(); // done, and not yet answered
}

fn kill_at_every_step(test: &str, volume: &Volume) {
    if let Ok(what) = env::var(PLAY) {
        return play(&what, volume);
    }
    let mut world = World::new(FsKind::Xfs);
    world.bring_up(&bystander());
    world.mark(&bystander());
    let mut volume = volume.clone();
    let mut kills = 0;
    for call in Call::ALL {
        kills += kill_one_call(&mut world, test, call, &mut volume);
    }
    assert!(kills > 30, "only {kills} kills");
    world.delete(&volume).unwrap();
    world.take_down(&[&bystander()]);
}

/// How often it was killed.
fn kill_one_call(world: &mut World, test: &str, call: Call, volume: &mut Volume) -> usize {
    let expected = make_ready(world, call, volume).run(world, volume);
    let expected_traces = traces(world);
    finish(world, call, volume);
    for at in 1.. {
        let call = make_ready(world, call, volume);
        world.stop();
        if !dies(world, test, call, volume, at) {
            world.restart();
            finish(world, call, volume);
            assert!(at > 1, "{call:?} was not killed once");
            return at - 1;
        }
        world.restart();
        let what = format!("{call:?} of {} killed at step {at}", volume.name);
        if world.engine.record(&volume.id()).is_ok() {
            let faults = world.faults(volume);
            assert!(faults.is_empty() || faults == ["GrowthPending"], "{what}: {faults:?}");
        }
        assert_eq!(call.run(world, volume), expected, "{what}");
        assert_eq!(traces(world), expected_traces, "{what}");
        if call.grows() {
            assert_eq!(world.engine.record(&volume.id()).unwrap().spec.size, volume.size, "{what}");
        }
        assert_eq!(world.marked(&bystander()), "bystander", "{what}");
        finish(world, call, volume);
    }
    unreachable!()
}

/// The volume where the call begins; a call that grows it has a larger size to reach each time.
fn make_ready(world: &World, call: Call, volume: &mut Volume) -> Call {
    let before = volume.clone();
    if call.grows() {
        volume.size = volume.size.saturating_add(Bytes::mib(32));
    }
    call.prepare(world, &before, volume);
    call
}

/// The volume works and has its data; then it is put away, made and not mounted.
fn finish(world: &World, call: Call, volume: &mut Volume) {
    if call == Call::Delete {
        return;
    }
    let is_new = call == Call::Create;
    if call.grows() {
        world.put_away(volume); // an ext4 may have to
    }
    world.bring_up(volume);
    assert_eq!(world.marked(volume), if is_new { "" } else { &volume.name }, "{call:?}");
    assert_eq!(world.faults(volume), [""; 0], "{call:?}");
    world.put_away(volume);
    if is_new {
        world.delete(volume).unwrap();
    }
}

#[test]
fn a_driver_killed_at_any_step_on_an_ext4_goes_on_where_it_was() {
    let owner = Some(Owner { uid: 1, gid: 2, mode: 0o750 });
    let volume = Volume { owner, ..Volume::new("db", EXT4) };
    kill_at_every_step("kills::a_driver_killed_at_any_step_on_an_ext4_goes_on_where_it_was", &volume);
}

#[test]
fn a_driver_killed_at_any_step_on_an_xfs_goes_on_where_it_was() {
    let volume = Volume::sparse("db", XFS);
    kill_at_every_step("kills::a_driver_killed_at_any_step_on_an_xfs_goes_on_where_it_was", &volume);
}

#[test]
fn a_driver_killed_at_any_step_on_a_block_device_goes_on_where_it_was() {
    let volume = Volume::new("db", BLOCK);
    kill_at_every_step("kills::a_driver_killed_at_any_step_on_a_block_device_goes_on_where_it_was", &volume);
}
