//! What a volume is on the real machine: its size, its space, its owner, and what keeps it from going.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use ullage::engine::Kind;
use ullage::model::{Bytes, FsKind, Owner};

use crate::common::host_expectations::{Bed, soon};
use crate::scratch::{is_quiet, run};
use crate::world::{BLOCK, EXT4, Volume, World, XFS, fill, kind, tree};

/// Large enough that the log of an XFS is less than a tenth.
const FILLED: Bytes = Bytes::mib(1536);

#[test]
fn a_volume_holds_its_size_and_never_more() {
    for (content, sparse) in [(EXT4, false), (EXT4, true), (XFS, false), (XFS, true)] {
        let world = World::new(FsKind::Xfs);
        let volume = Volume { sparse, ..Volume::new("db", content).sized(FILLED) };
        let target = world.bring_up(&volume);
        let written = fill(&target.join("data"));
        let what = format!("{content}, sparse: {sparse}: {} of {FILLED}", written.get());
        assert!(written <= FILLED && written.get() > FILLED.get() / 10 * 9, "{what}");
        assert_eq!(fs::metadata(world.image(&volume)).unwrap().len(), FILLED.get(), "{what}");
        assert_eq!(world.total(&volume).saturating_sub(FILLED), Bytes::ZERO, "{what}");
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_reserved_volume_can_be_filled_though_others_have_filled_the_pool() {
    for pool in FsKind::ALL {
        let world = World::new(pool);
        let volume = Volume::new("db", EXT4).sized(FILLED);
        let target = world.bring_up(&volume);
        fill_pool(&world);
        let written = fill(&target.join("data"));
        assert!(written.get() > FILLED.get() / 10 * 9, "on {pool}: {} of {FILLED}", written.get());
        assert_eq!(world.faults(&volume), ["VolumeOutOfStorage", "PoolNearlyFull"], "on {pool}");
        fs::remove_file(world.scratch.dir().join("others")).unwrap();
        world.take_down(&[&volume]);
    }
}

/// Takes all room of the pool, as somebody does who does not ask: with this file.
pub(crate) fn fill_pool(world: &World) -> PathBuf {
    let file = world.scratch.dir().join("others");
    let others = File::create(&file).unwrap();
    let (mut has, mut piece) = (0, Bytes::gib(1).signed());
    while piece >= 4096 {
        match fallocate(&others, FallocateFlags::empty(), has, piece) {
            Ok(()) => has += piece,
            Err(errno) => {
                assert_eq!(errno, Errno::ENOSPC);
                piece /= 2;
            }
        }
    }
    file
}

#[test]
fn a_reserved_volume_stays_reserved_after_mkfs_fstrim_and_remount() {
    for content in [EXT4, XFS] {
        let world = World::new(FsKind::Xfs);
        let volume = Volume::new("db", content).sized(Bytes::mib(512));
        world.create(&volume).unwrap();
        assert!(world.allocated(&volume) >= volume.size, "{content}: after mkfs");
        let trimmed = || {
            let target = world.bring_up(&volume);
            fill(&target.join("data"));
            fs::remove_file(target.join("data")).unwrap(); // ext4 trims what was freed since, and nothing twice
            // ext4 gives back what was deleted when its journal is written, XFS some time later; and XFS trims without waiting.
            nix::unistd::syncfs(File::open(&target).unwrap()).unwrap();
            soon("the room is free again", || world.usage(&volume).available.get() > volume.size.get() / 2);
            run(Command::new("fstrim").arg(&target));
            soon("the discards have ended", || is_quiet(&target));
            assert!(world.allocated(&volume).get() < volume.size.get() / 2, "{content}: fstrim frees");
        };
        trimmed();
        assert_eq!(world.faults(&volume), [""; 0]);
        assert!(world.allocated(&volume) >= volume.size, "{content}: after a look at its health");
        trimmed();
        world.put_away(&volume);
        world.bring_up(&volume);
        assert!(world.allocated(&volume) >= volume.size, "{content}: after a remount");
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_sparse_volume_may_be_larger_than_the_disk_and_takes_what_is_written() {
    for content in [EXT4, XFS, BLOCK] {
        let world = World::new(FsKind::Xfs);
        let volume = Volume::sparse("large", content).sized(Bytes::gib(100));
        let target = world.bring_up(&volume);
        let total = world.total(&volume);
        assert!(total.get() > volume.size.get() / 100 * 95 && total <= volume.size, "{content}: {total}");
        let before = world.allocated(&volume);
        let file = if content == BLOCK { target.clone() } else { target.join("data") };
        let data = OpenOptions::new().write(true).create(content != BLOCK).truncate(false).open(file).unwrap();
        data.write_all_at(&vec![1; 8 << 20], 0).unwrap();
        data.sync_all().unwrap();
        drop(data);
        let taken = world.allocated(&volume).saturating_sub(before);
        assert!(taken >= Bytes::mib(7) && taken < Bytes::mib(64), "{content}: {taken}");
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_volume_that_is_too_large_leaves_no_file() {
    for pool in FsKind::ALL {
        let world = World::new(pool);
        let before = tree(&world.scratch.dir());
        for content in [EXT4, XFS, BLOCK] {
            assert_eq!(kind(world.create(&Volume::new("large", content).sized(Bytes::gib(4)))), Kind::Full);
        }
        if pool == FsKind::Ext4 {
            let longer_than_any_file = Volume::sparse("long", BLOCK).sized(Bytes::gib(17 << 10));
            assert_eq!(kind(world.create(&longer_than_any_file)), Kind::Full);
        }
        assert_eq!(tree(&world.scratch.dir()), before, "on {pool}");
        world.take_down(&[]);
    }
}

#[test]
fn the_root_directory_has_the_owner_that_was_asked_for_and_keeps_it() {
    let world = World::new(FsKind::Ext4);
    let owner = |uid, gid, mode| Some(Owner { uid, gid, mode });
    let cases = [
        (None, (0, 0, 0o755)),
        (owner(1234, 5678, 0o6751), (1234, 5678, 0o6751)),
        (owner(u32::MAX - 1, u32::MAX - 1, 0o7777), (u32::MAX - 1, u32::MAX - 1, 0o7777)),
        (owner(0, 7, 0o1), (0, 7, 0o1)),
    ];
    for (content, (owner, expected)) in [EXT4, XFS].into_iter().flat_map(|content| cases.map(|case| (content, case))) {
        let volume = Volume { owner, ..Volume::sparse("owned", content) };
        for _ in 0..2 {
            let root = fs::metadata(world.bring_up(&volume)).unwrap();
            assert_eq!((root.uid(), root.gid(), root.mode() & 0o7777), expected, "{content}");
            world.put_away(&volume);
        }
        // What a pod makes of it is the pod's.
        fs::set_permissions(world.bring_up(&volume), PermissionsExt::from_mode(0o700)).unwrap();
        world.put_away(&volume);
        assert_eq!(fs::metadata(world.bring_up(&volume)).unwrap().mode() & 0o7777, 0o700, "{content}");
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_block_volume_is_a_device_of_the_exact_size_that_keeps_its_data() {
    for sparse in [true, false] {
        let world = World::new(FsKind::Xfs);
        let volume = Volume { sparse, ..Volume::new("raw", BLOCK).sized(Bytes::new(20_004_864)) };
        let target = world.bring_up(&volume);
        let last = volume.size.get() - 512;
        let mut node = OpenOptions::new().read(true).write(true).open(&target).unwrap();
        assert!(node.metadata().unwrap().file_type().is_block_device());
        assert_eq!(node.seek(SeekFrom::End(0)).unwrap(), volume.size.get());
        for at in [0, last] {
            node.write_all_at(&[7; 512], at).unwrap();
        }
        assert_eq!(node.write_at(&[7], volume.size.get()).unwrap_err().kind(), ErrorKind::StorageFull);
        node.sync_all().unwrap();
        drop(node);
        world.put_away(&volume);
        let node = File::open(world.bring_up(&volume)).unwrap();
        for at in [0, last] {
            let mut data = [0; 512];
            node.read_exact_at(&mut data, at).unwrap();
            assert_eq!(data, [7; 512]);
        }
        drop(node);
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_read_only_target_refuses_writes_and_the_other_does_not() {
    for content in [EXT4, XFS] {
        let world = World::new(FsKind::Xfs);
        let volume = Volume::sparse("shared", content);
        let writable = world.bring_up(&volume);
        let read_only = world.scratch.mount_point("pods").join("reader");
        world.publish_at(&volume, read_only.clone(), true).unwrap();
        fs::write(writable.join("file"), "wine").unwrap();
        let refused = fs::write(read_only.join("other"), "water").unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
        assert_eq!(fs::read_to_string(read_only.join("file")).unwrap(), "wine");
        assert_eq!(kind(world.publish_at(&volume, read_only.clone(), false)), Kind::Exists);
        world.publish_at(&volume, read_only.clone(), true).unwrap();
        world.engine.unpublish(&volume.id(), &read_only).unwrap();
        world.take_down(&[&volume]);
    }
}

#[test]
fn a_deleted_image_lies_in_the_trash_until_it_is_reclaimed() {
    let world = World::new(FsKind::Ext4);
    let volume = Volume::new("large", EXT4).sized(FILLED);
    let free = || world.engine.pools()[0].room.clone().unwrap().free;
    world.create(&volume).unwrap();
    let full = free();
    world.delete(&volume).unwrap();
    world.delete(&volume).unwrap();
    let in_trash = |name: &str| tree(&world.scratch.dir().join("trash")).iter().any(|path| path.ends_with(name));
    assert!(in_trash("image") && !world.image(&volume).exists());
    assert_eq!(kind(world.stage(&volume)), Kind::NotFound);
    world.engine.tend();
    assert!(!in_trash("image"));
    soon("the space is back", || free().saturating_sub(full) >= FILLED);
    world.take_down(&[]);
}
