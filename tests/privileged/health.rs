//! What is wrong with a volume is found and named; what keeps one from going is said; and a node starts again.

use std::fs::{self, File, OpenOptions};
use std::process::Command;

use nix::fcntl::{FallocateFlags, fallocate};
use ullage::engine::Kind;
use ullage::host::LoopDevice;
use ullage::model::{Bytes, FsKind};

use crate::common::host_expectations::{Bed, soon};
use crate::kernel::hides_an_aborted_ext4;
use crate::scratch::run;
use crate::volumes::fill_pool;
use crate::world::{BLOCK, EXT4, Volume, World, XFS, kind};

fn device(world: &World, volume: &Volume) -> LoopDevice {
    world.engine.inspect(&volume.id()).unwrap().presence.device.unwrap()
}

#[test]
fn an_image_that_is_short_or_missing_is_a_fault_and_is_not_mounted() {
    let world = World::new(FsKind::Xfs);
    let volume = Volume::new("db", EXT4);
    world.create(&volume).unwrap();
    let (image, aside) = (world.image(&volume), world.scratch.dir().join("aside"));
    File::options().write(true).open(&image).unwrap().set_len(volume.size.get() - 4096).unwrap();
    assert_eq!(world.faults(&volume), ["ImageTruncated"]);
    assert_eq!(kind(world.stage(&volume)), Kind::Failed);
    assert_eq!(fs::metadata(&image).unwrap().len(), volume.size.get() - 4096, "it is left as it was found");
    fs::rename(&image, &aside).unwrap();
    assert_eq!(world.faults(&volume), ["ImageMissing"]);
    assert_eq!(kind(world.stage(&volume)), Kind::Failed);
    fs::rename(&aside, &image).unwrap();
    File::options().write(true).open(&image).unwrap().set_len(volume.size.get()).unwrap();
    world.bring_up(&volume);
    assert_eq!(world.faults(&volume), [""; 0]);
    world.take_down(&[&volume]);
}

#[test]
fn an_ext4_that_met_an_error_is_read_only_and_has_counted_it() {
    let world = World::new(FsKind::Xfs);
    let volume = Volume::new("db", EXT4);
    world.bring_up(&volume);
    assert_eq!(world.faults(&volume), [""; 0]);
    let number = device(&world, &volume).0;
    fs::write(format!("/sys/fs/ext4/loop{number}/trigger_fs_error"), "played").unwrap();
    soon("both are seen", || match world.faults(&volume)[..] {
        ["FilesystemErrors"] => hides_an_aborted_ext4(),
        ref faults => faults == ["FilesystemReadOnly", "FilesystemErrors"],
    });
    assert!(fs::write(world.target(&volume).join("file"), "").is_err());
    world.take_down(&[&volume]);
}

#[test]
fn direct_io_that_is_off_is_a_fault() {
    let world = World::new(FsKind::Xfs);
    for content in [XFS, BLOCK] {
        let volume = Volume::sparse("db", content);
        world.bring_up(&volume);
        let turn = |word: &str| {
            let direct_io = format!("--direct-io={word}");
            let device = device(&world, &volume).path();
            run(Command::new("losetup").arg(direct_io).arg(device));
        };
        turn("off");
        assert_eq!(world.faults(&volume), ["DirectIoOff"], "{content}");
        turn("on");
        assert_eq!(world.faults(&volume), [""; 0], "{content}");
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_reservation_that_cannot_be_restored_is_a_fault_until_it_can() {
    let world = World::new(FsKind::Xfs);
    let volume = Volume::new("raw", BLOCK);
    world.bring_up(&volume);
    let image = OpenOptions::new().write(true).open(world.image(&volume)).unwrap();
    let punch = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    fallocate(&image, punch, 0, Bytes::mib(16).signed()).unwrap();
    drop(image);
    fill_pool(&world);
    assert_eq!(world.faults(&volume), ["ReservationBroken", "PoolNearlyFull"]);
    fs::remove_file(world.scratch.dir().join("others")).unwrap();
    soon("it is restored", || world.faults(&volume).is_empty());
    assert!(world.allocated(&volume) >= volume.size);
    world.take_down(&[&volume]);
}

#[test]
fn a_mount_in_use_is_not_taken_away_until_it_is_left() {
    let world = World::new(FsKind::Xfs);
    for content in [EXT4, XFS] {
        let volume = Volume::sparse("db", content);
        let target = world.bring_up(&volume);
        let open = File::create(target.join("file")).unwrap();
        assert_eq!(kind(world.unpublish(&volume)), Kind::NotNow, "{content}");
        drop(open);
        world.unpublish(&volume).unwrap();
        let open = File::open(world.staging(&volume).join("file")).unwrap();
        assert_eq!(kind(world.unstage(&volume)), Kind::NotNow, "{content}");
        assert_eq!(kind(world.delete(&volume)), Kind::NotNow, "{content}");
        drop(open);
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_device_in_use_is_not_taken_away_until_it_is_left() {
    let world = World::new(FsKind::Xfs);
    let volume = Volume::new("raw", BLOCK);
    let open = File::open(world.bring_up(&volume)).unwrap();
    assert_eq!(kind(world.unpublish(&volume)), Kind::NotNow);
    drop(open);
    world.unpublish(&volume).unwrap();
    let path = device(&world, &volume).path();
    let open = File::open(&path).unwrap();
    assert_eq!(kind(world.unstage(&volume)), Kind::NotNow);
    let refused = world.delete(&volume).unwrap_err();
    assert_eq!(refused.to_string(), format!("volume 'raw' is in use: {}", path.display()));
    drop(open);
    world.take_down(&[&volume]);
}

#[test]
fn a_mounted_volume_is_not_deleted_and_says_where_it_is() {
    let world = World::new(FsKind::Ext4);
    for content in [EXT4, XFS, BLOCK] {
        let volume = Volume::sparse("db", content);
        let target = world.bring_up(&volume);
        let refused = world.delete(&volume).unwrap_err();
        assert_eq!(refused.kind(), Kind::NotNow);
        assert!(refused.to_string().contains(target.to_str().unwrap()), "{refused}");
        assert!(world.image(&volume).exists());
        world.take_down(&[&volume]);
    }
}

#[test]
fn after_a_restart_of_the_driver_everything_is_found_as_it_was() {
    let mut world = World::new(FsKind::Xfs);
    let volumes = [EXT4, XFS, BLOCK].map(|content| Volume::new(&content.to_string(), content));
    for volume in &volumes {
        world.bring_up(volume);
        world.mark(volume);
    }
    let before = (world.scratch.mounts(), world.scratch.loops());
    world.restart();
    for volume in &volumes {
        assert_eq!(world.faults(volume), [""; 0]);
        world.bring_up(volume);
        assert_eq!(world.marked(volume), volume.name);
    }
    assert_eq!((world.scratch.mounts(), world.scratch.loops()), before, "nothing twice");
    world.take_down(&volumes.each_ref());
}

#[test]
fn after_a_restart_of_the_node_a_volume_is_staged_again_with_its_data() {
    let mut world = World::new(FsKind::Ext4);
    let volumes = [EXT4, XFS, BLOCK].map(|content| Volume::new(&content.to_string(), content));
    for volume in &volumes {
        world.bring_up(volume);
        world.mark(volume);
    }
    for target in world.scratch.mounts().iter().rev() {
        world.scratch.machine().mounts.unmount(target).unwrap();
    }
    for (device, image) in world.scratch.loops() {
        world.scratch.machine().loops.detach(device, image).unwrap();
    }
    soon("all is gone", || world.scratch.left_behind().is_empty());
    world.restart();
    for volume in &volumes {
        assert_eq!(world.faults(volume), [""; 0]);
        assert_eq!(kind(world.publish(volume)), Kind::NotNow, "it is not staged");
        world.bring_up(volume);
        assert_eq!(world.marked(volume), volume.name);
    }
    world.take_down(&volumes.each_ref());
}
