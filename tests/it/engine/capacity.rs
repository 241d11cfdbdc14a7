//! What a pool has room for.

use nix::errno::Errno;
use ullage::config::{Overcommit, Reserve};
use ullage::engine::Kind;
use ullage::host::fake::{Cut, Fake, How};
use ullage::model::{Bytes, Content, PoolName};

use super::{EXT4, kind, sized};
use crate::world::{POOL, Volume, World, pool};

#[test]
fn a_full_pool_refuses_with_its_numbers_and_leaves_no_file() {
    let world = World::new();
    let before = world.fake.paths();
    let error = world.create(&sized("large", Bytes::gib(96))).unwrap_err();
    assert_eq!(error.kind(), Kind::Full);
    let text = "pool 'default' is full: 96Gi asked for, 94.9Gi available (99.9Gi free, 5Gi reserve, 0 promised and not taken yet)";
    assert_eq!(error.to_string(), text);
    assert_eq!(world.fake.paths(), before);
    world.create(&sized("fits", Bytes::gib(94))).unwrap();
}

#[test]
fn a_pool_that_others_fill_meanwhile_leaves_no_file() {
    let world = World::new();
    let before = world.fake.paths();
    world.fake.fail_next("fallocate", Errno::ENOSPC);
    let error = world.create(&Volume::xfs("db")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pool 'default' ran full while 1Gi were taken: others write there too (99.9Gi free now, 5Gi reserve)"
    );
    assert_eq!(error.kind(), Kind::Full);
    assert_eq!(world.fake.paths(), before);
}

#[test]
fn the_trash_is_emptied_before_a_pool_is_called_full() {
    let world = World::new();
    let (first, second) = (sized("first", Bytes::gib(60)), sized("second", Bytes::gib(60)));
    world.create(&first).unwrap();
    world.delete(&first).unwrap();
    assert!(world.fake.paths().iter().any(|path| path.starts_with("/pool/trash/first.")), "deleting only renames");
    world.create(&second).unwrap();
    assert_eq!(kind(world.create(&first)), Kind::Full);
}

#[test]
fn sparse_volumes_may_promise_more_than_the_disk_up_to_the_bound() {
    let mut bounded = pool("default", POOL);
    bounded.overcommit = Overcommit::Ratio(200);
    let world = World::with(Fake::new(Bytes::gib(100)), vec![bounded]);
    let sparse = |name, size| Volume { size, ..Volume::new(name, EXT4, true) };
    world.create(&sparse("a", Bytes::gib(150))).unwrap();
    let error = world.create(&sparse("b", Bytes::gib(51))).unwrap_err();
    assert_eq!(error.kind(), Kind::Full);
    assert!(
        error.to_string().ends_with("51Gi asked for, 150Gi of at most 200Gi promised to sparse volumes"),
        "{error}"
    );
    let name = PoolName::parse("default").unwrap();
    assert_eq!(world.engine.capacity(&name, true).unwrap().maximum, Bytes::gib(50));
    world.create(&sparse("b", Bytes::gib(50))).unwrap();
    // What is reserved is not for the taking by sparse volumes, and the other way round.
    assert!(world.engine.capacity(&name, false).unwrap().available > Bytes::gib(90));
}

#[test]
fn capacity_is_what_can_be_created() {
    let world = World::new();
    let name = PoolName::parse("default").unwrap();
    let capacity = world.engine.capacity(&name, false).unwrap();
    assert_eq!(capacity.available, capacity.maximum);
    assert_eq!(kind(world.create(&sized("more", capacity.maximum.saturating_add(Bytes::new(4096))))), Kind::Full);
    world.create(&sized("all", capacity.maximum.saturating_sub(Bytes::mib(1)))).unwrap();
    let unlimited = world.engine.capacity(&name, true).unwrap().maximum;
    assert_eq!(unlimited, Bytes::gib(16 << 10), "the longest file there is");
    let too_long = Volume { size: unlimited.saturating_add(Bytes::new(4096)), ..Volume::new("long", EXT4, true) };
    assert_eq!(kind(world.create(&too_long)), Kind::Full);
}

#[test]
fn blocks_that_a_discard_gave_away_are_taken_again_and_are_nobody_elses() {
    let world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let files = world.fake.machine().files;
    let punch = || {
        files.set_len(&volume.image(), Bytes::ZERO).unwrap();
        files.set_len(&volume.image(), Bytes::gib(1)).unwrap();
    };
    punch();
    world.engine.tend();
    assert_eq!(files.stat(&volume.image()).unwrap().unwrap().allocated, Bytes::gib(1));
    punch();
    world.fake.set_capacity_of_disk(Bytes::mib(600));
    world.engine.tend();
    let room = world.engine.pools()[0].room.clone().unwrap();
    assert!(room.pending > Bytes::mib(400) && room.available == Bytes::ZERO, "{room:?}");
    world.fake.set_capacity_of_disk(Bytes::gib(100));
    world.engine.tend();
    assert_eq!(world.engine.pools()[0].room.clone().unwrap().pending, Bytes::ZERO);
}

#[test]
fn where_nothing_can_be_reserved_a_volume_is_written_out_in_full() {
    let world = World::new();
    world.fake.forget_fallocate();
    for volume in [Volume::xfs("db"), Volume::new("web", EXT4, false), Volume::new("raw", Content::Block, false)] {
        let allocated = || world.engine.inspect(&volume.id()).unwrap().presence.allocated;
        world.create(&volume).unwrap();
        assert_eq!(allocated(), Bytes::gib(1), "{}", volume.name);
        world.stage(&volume).unwrap();
        world.expand(&volume, Bytes::gib(3), Some(&volume.staging())).unwrap();
        assert_eq!(allocated(), Bytes::gib(3), "{}", volume.name);
        world.engine.tend();
        assert_eq!(world.engine.health(&volume.id()).unwrap(), []);
        // Others fill the disk meanwhile.
        world.fake.fail_next("write", Errno::ENOSPC);
        assert_eq!(kind(world.expand(&volume, Bytes::gib(4), None)), Kind::SizeRefused);
        assert_eq!(allocated(), Bytes::gib(3), "{}", volume.name);
        world.unstage(&volume).unwrap();
        world.delete(&volume).unwrap();
        world.engine.tend();
    }
    let before = world.fake.paths();
    world.create(&Volume::new("thin", EXT4, true)).unwrap();
    assert!(world.engine.inspect(&Volume::xfs("thin").id()).unwrap().presence.allocated < Bytes::mib(2));
    world.delete(&Volume::xfs("thin")).unwrap();
    world.engine.tend();
    world.fake.fail_next("mkfs", Errno::EIO);
    assert_eq!(kind(world.create(&Volume::xfs("db"))), Kind::Failed);
    assert_eq!(world.fake.paths(), before);
}

#[test]
fn a_start_on_a_full_pool_cuts_what_a_growth_left_and_sets_nothing_aside() {
    let mut world = World::new();
    let volume = Volume::xfs("db");
    world.create(&volume).unwrap();
    let files = world.fake.machine().files;
    files.set_len(&volume.image(), Bytes::gib(2)).unwrap();
    files.allocate(&volume.image(), Bytes::gib(2)).unwrap();
    world.fake.set_capacity_of_disk(Bytes::gib(2)); // not a page is left for a record
    world.restart(How::Kill);
    world.engine.recover();
    assert_eq!(world.engine.set_aside(), []);
    let stat = files.stat(&volume.image()).unwrap().unwrap();
    assert_eq!((stat.size, stat.allocated), (Bytes::gib(1), Bytes::gib(1)));
    world.stage(&volume).unwrap();
}

/// Whatever else fails in a create that fails.
#[test]
fn what_a_failed_create_could_not_take_away_goes_without_a_restart() {
    let mut left_something = 0;
    for at in 1.. {
        let world = World::new();
        let before = world.fake.paths();
        world.fake.fail_next("fallocate", Errno::ENOSPC);
        world.fake.cut(Some(Cut { at, how: How::Fail(Errno::EIO) }));
        world.create(&Volume::xfs("db")).unwrap_err();
        let steps = world.fake.steps();
        world.fake.cut(None);
        left_something += usize::from(world.fake.paths().iter().any(|path| path.starts_with("/pool/volumes/db")));
        world.engine.tend();
        assert_eq!(world.fake.paths(), before, "a second failure at step {at}");
        if at > steps {
            break;
        }
    }
    assert!(left_something > 0);
}

#[test]
fn an_amount_in_reserve_is_kept_back() {
    let mut reserved = pool("default", POOL);
    reserved.reserve = Reserve::Amount(Bytes::gib(90));
    let world = World::with(Fake::new(Bytes::gib(100)), vec![reserved]);
    assert_eq!(kind(world.create(&sized("db", Bytes::gib(10)))), Kind::Full);
    world.create(&sized("db", Bytes::gib(9))).unwrap();
}
