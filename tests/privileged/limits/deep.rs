//! Volumes that somebody has made hard to take away.

use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::{Mode, mkdirat};
use ullage::sys::fsxattr::{self, Project};

use super::*;

const LEVELS: usize = 600;

/// Where what lies below is moved up to be removed, and that is much.
const WIDE: usize = 64;
const WIDTH: usize = 60;

/// From there on it is of no project.
const LEFT: usize = 300;

fn enter(above: &OwnedFd, name: &str) -> OwnedFd {
    openat(above, name, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).unwrap()
}

/// Its top has no room for names, and takes in nothing of another project.
#[test]
fn a_full_volume_of_any_depth_goes_though_a_part_of_it_has_left_its_project() {
    let world = world();
    let volume = volume("db");
    let target = world.bring_up(&volume);
    let mut dir: OwnedFd = open(&target, OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty()).unwrap();
    let mut wide = target.clone();
    for level in 1..=LEVELS {
        mkdirat(&dir, "down", Mode::S_IRWXU).unwrap();
        dir = enter(&dir, "down");
        match level {
            1..WIDE => wide.push("down"),
            LEFT => fsxattr::set_project(&dir, Project { id: 0, inherited: false }).unwrap(),
            _ => {}
        }
    }
    for number in 0..WIDTH {
        fs::create_dir(wide.join(format!("side{number}"))).unwrap();
        fs::write(wide.join(format!("side{number}/file")), "wine").unwrap();
    }
    fill(&wide.join("side0/full"));
    drop(dir);
    world.engine.audit();
    assert_eq!(world.faults(&volume), ["VolumeOutOfStorage", "NotAudited"]);
    take_down(&world, &[&volume]);
}
