use std::path::Path;

use nix::errno::Errno;
use ullage::host::{Ground, MountAt, MountEntry};
use ullage::model::{Bytes, FsKind, MountAttributes, MountOptions, Owner};

use super::{
    Bed, Expectation, attached, formatted_image, id_of, mounted, plain_image, refused_with, smallest, soon_free,
    unmounted,
};

pub(super) const EXPECTATIONS: &[Expectation] = &[
    ("a filesystem opened and dropped leaves nothing", open_and_drop),
    ("what is not formatted does not open", open_nothing),
    ("a mount holds its device; unmounted, the device is free", mount),
    ("a filesystem that finds no place leaves nothing", attach_nowhere),
    ("what is no mount is EINVAL to unmount, and None to ask", no_mount),
    ("a directory appears at a second place, there read-only if asked", bind),
    ("what is bound has the attributes of what it is bound from, and those that are asked for", bind_with_attributes),
    ("a directory that is bound is known by its root, wherever it is moved", bind_directory),
    ("a device node appears at a file", bind_device),
    ("binding what is not there is ENOENT", bind_nothing),
    ("the topmost of two mounts is taken away first", two_on_one_path),
    ("asked for read-only, the filesystem is", read_only),
    ("a mount point is EBUSY to remove, and what is mounted in a tree survives its removal", remove_mounted),
];

fn open_and_drop(bed: &dyn Bed) {
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let device = attached(bed, &image);
        let detached = bed.machine().mounts.open(&device, fs, &MountOptions::default()).unwrap();
        detached.set_owner(Owner { uid: 1000, gid: 1000, mode: 0o2770 }).unwrap();
        drop(device);
        assert!(bed.machine().loops.is_attached(&image).unwrap(), "{fs}: the open filesystem holds it");
        drop(detached);
        soon_free(bed, &image);
    }
}

fn open_nothing(bed: &dyn Bed) {
    let image = plain_image(bed, "image", Bytes::mib(300));
    for fs in FsKind::ALL {
        let device = attached(bed, &image);
        assert!(bed.machine().mounts.open(&device, fs, &MountOptions::default()).is_err(), "{fs}");
        drop(device);
        soon_free(bed, &image);
    }
}

fn mount(bed: &dyn Bed) {
    let machine = bed.machine();
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let target = mounted(bed, &image, fs, "mount");
        assert!(machine.loops.is_attached(&image).unwrap());
        let at = machine.mounts.at(&target).unwrap().unwrap();
        let device = at.device.unwrap();
        let root = machine.files.stat(&target).unwrap().unwrap().id;
        assert_eq!(at, MountAt { device: Some(device), is_block: false, root });
        assert!(!machine.mounts.is_read_only(&target).unwrap());
        assert_eq!(machine.loops.backing(device).unwrap().unwrap().image, id_of(bed, &image));
        assert_eq!(machine.mounts.error_count(device, fs).unwrap(), 0);
        for path in [&target, &bed.mount_point("nothing")] {
            assert!(!machine.mounts.has_given_up(path, fs).unwrap());
        }
        let identity = machine.mounts.identity(&target).unwrap().unwrap();
        assert_eq!(machine.mounts.device_size(identity).unwrap(), Some(smallest(fs)));
        assert_eq!(
            machine.mounts.ground(&target).unwrap(),
            Some(Ground { is_root: true, is_itself: false, fs: Some(fs) })
        );
        assert_eq!(machine.mounts.identity(&target).unwrap(), Some(identity));

        let list = machine.mounts.list().unwrap();
        let entry = list.iter().find(|entry| entry.target == target).unwrap();
        assert_eq!(
            (entry.device, entry.attributes.read_only, entry.filesystem_read_only),
            (Some(device), false, false)
        );
        assert_eq!((entry.device_number, entry.root.as_path()), (identity.device, Path::new("/")));

        unmounted(bed, &target);
        assert!(machine.mounts.list().unwrap().iter().all(|entry| entry.target != target));
        soon_free(bed, &image);
    }
}

fn attach_nowhere(bed: &dyn Bed) {
    let image = formatted_image(bed, FsKind::Ext4);
    let device = attached(bed, &image);
    let detached = bed.machine().mounts.open(&device, FsKind::Ext4, &MountOptions::default()).unwrap();
    refused_with(detached.attach(&bed.mount_point("none")), &[Errno::ENOENT]);
    drop(device);
    soon_free(bed, &image);
}

fn no_mount(bed: &dyn Bed) {
    let mounts = bed.machine().mounts;
    refused_with(mounts.unmount(&bed.dir()), &[Errno::EINVAL]);
    refused_with(mounts.unmount(&bed.dir().join("none")), &[Errno::ENOENT]);
    assert_eq!(mounts.at(&bed.dir()).unwrap(), None);
    assert_eq!(mounts.at(&bed.dir().join("none")).unwrap(), None);
    assert_eq!(mounts.identity(&bed.dir()).unwrap(), None);
    assert_eq!(mounts.identity(&bed.dir().join("none")).unwrap(), None);
    assert_eq!(mounts.ground(&bed.dir()).unwrap(), None);
}

fn bind(bed: &dyn Bed) {
    let machine = bed.machine();
    let image = formatted_image(bed, FsKind::Ext4);
    let staged = mounted(bed, &image, FsKind::Ext4, "staged");
    for read_only in [false, true] {
        let target = bed.mount_point("published");
        machine.files.create_dir(&target).unwrap();
        machine.mounts.bind(&staged, &target, &MountAttributes::reading(read_only)).unwrap();
        let (from, to) = (machine.mounts.at(&staged).unwrap().unwrap(), machine.mounts.at(&target).unwrap().unwrap());
        assert_eq!(to, from);
        assert_eq!(machine.mounts.is_read_only(&target).unwrap(), read_only);
        assert!(!machine.mounts.is_read_only(&staged).unwrap());
        let written = machine.files.write_whole(&target.join("file"), b"x");
        if read_only {
            refused_with(written, &[Errno::EROFS]);
        } else {
            written.unwrap();
            assert_eq!(machine.files.read(&staged.join("file")).unwrap().unwrap(), b"x");
        }
        unmounted(bed, &target);
    }
    assert!(machine.loops.is_attached(&image).unwrap());
    unmounted(bed, &staged);
    soon_free(bed, &image);
}

fn bind_directory(bed: &dyn Bed) {
    let machine = bed.machine();
    let (data, other) = (bed.dir().join("a volume/data"), bed.dir().join("another"));
    let targets = [false, true].map(|read_only| bed.mount_point(if read_only { "read only" } else { "writable" }));
    for dir in [&data, &other, &targets[0], &targets[1]] {
        machine.files.create_dir(dir).unwrap();
    }
    let root = machine.files.stat(&data).unwrap().unwrap().id;
    for (target, read_only) in targets.iter().zip([false, true]) {
        machine.mounts.bind(&data, target, &MountAttributes::reading(read_only)).unwrap();
        let at = machine.mounts.at(target).unwrap().unwrap();
        assert_eq!((at.is_block, at.root), (false, root));
        assert_eq!(machine.mounts.is_read_only(target).unwrap(), read_only);
        let ground = machine.mounts.ground(target).unwrap().unwrap();
        assert_eq!((ground.is_root, ground.is_itself), (false, false));
        let entry = entry_at(bed, target);
        assert_eq!((entry.attributes.read_only, entry.filesystem_read_only), (read_only, false));
        assert_eq!(entry.device_number, machine.mounts.identity(target).unwrap().unwrap().device);
        assert!(data.ends_with(entry.root.strip_prefix("/").unwrap()), "{entry:?}");
    }
    let [writable, read_only] = targets.each_ref().map(|target| machine.mounts.identity(target).unwrap().unwrap());
    assert_ne!(writable, read_only);
    machine.files.write_whole(&targets[0].join("file"), b"x").unwrap();
    assert_eq!(machine.files.read(&targets[1].join("file")).unwrap().unwrap(), b"x");
    refused_with(machine.files.write_whole(&targets[1].join("file"), b"y"), &[Errno::EROFS]);

    let moved = bed.dir().join("moved");
    machine.files.rename(&bed.dir().join("a volume"), &moved).unwrap();
    assert_eq!(machine.mounts.at(&targets[0]).unwrap().unwrap().root, root);
    assert!(moved.join("data").ends_with(entry_at(bed, &targets[0]).root.strip_prefix("/").unwrap()));
    machine.files.remove_tree(&moved).unwrap();
    assert_eq!(machine.mounts.at(&targets[0]).unwrap().unwrap().root, root);
    targets.iter().for_each(|target| unmounted(bed, target));
}

fn entry_at(bed: &dyn Bed, target: &Path) -> MountEntry {
    bed.machine().mounts.list().unwrap().into_iter().rfind(|entry| entry.target == target).unwrap()
}

fn bind_device(bed: &dyn Bed) {
    let machine = bed.machine();
    let image = plain_image(bed, "image", Bytes::mib(1));
    let held = attached(bed, &image);
    machine.loops.keep(&held).unwrap();
    let device = held.device();
    drop(held);
    let target = bed.mount_point("block");
    machine.files.create_file(&target).unwrap();
    machine.mounts.bind(&device.path(), &target, &MountAttributes::default()).unwrap();
    let at = machine.mounts.at(&target).unwrap().unwrap();
    assert_eq!(at, MountAt { device: Some(device), is_block: true, root: at.root });
    assert!(!machine.mounts.is_read_only(&target).unwrap());
    let list = machine.mounts.list().unwrap();
    assert!(list.iter().any(|entry| entry.target == target && entry.device == Some(device)), "{list:?}");
    machine.files.create_file(&target).unwrap();
    refused_with(machine.files.remove_empty(&target), &[Errno::EBUSY]);
    unmounted(bed, &target);
    assert!(machine.loops.is_attached(&image).unwrap());
    machine.loops.detach(device, id_of(bed, &image)).unwrap();
    soon_free(bed, &image);
}

fn bind_with_attributes(bed: &dyn Bed) {
    let machine = bed.machine();
    let data = bed.dir().join("data");
    let targets = ["staged", "published", "without atime"].map(|name| bed.mount_point(name));
    for dir in std::iter::once(&data).chain(&targets) {
        machine.files.create_dir(dir).unwrap();
    }
    let [staged, published, without_atime] = &targets;
    let given = MountAttributes { no_suid: true, no_dev: true, no_exec: true, no_diratime: true, ..Default::default() };
    machine.mounts.bind(&data, staged, &given).unwrap();
    machine.mounts.bind(staged, published, &MountAttributes::reading(true)).unwrap();
    let more = MountAttributes { no_atime: true, no_symfollow: true, ..Default::default() };
    machine.mounts.bind(staged, without_atime, &more).unwrap();
    let found = targets.each_ref().map(|target| entry_at(bed, target).attributes);
    let expected = [
        given,
        MountAttributes { read_only: true, ..given },
        MountAttributes { no_atime: true, no_symfollow: true, ..given },
    ];
    assert_eq!(found, expected);
    targets.iter().rev().for_each(|target| unmounted(bed, target));
}

fn bind_nothing(bed: &dyn Bed) {
    let target = bed.mount_point("target");
    bed.machine().files.create_dir(&target).unwrap();
    refused_with(
        bed.machine().mounts.bind(&bed.dir().join("none"), &target, &MountAttributes::default()),
        &[Errno::ENOENT],
    );
    bed.machine().files.remove_empty(&target).unwrap();
}

fn two_on_one_path(bed: &dyn Bed) {
    let mounts = bed.machine().mounts;
    let images = FsKind::ALL.map(|fs| (fs, formatted_image(bed, fs)));
    let [target, _] = images.each_ref().map(|(fs, image)| mounted(bed, image, *fs, "mount"));
    let upper = mounts.at(&target).unwrap().unwrap();
    let upper_identity = mounts.identity(&target).unwrap().unwrap();
    mounts.unmount(&target).unwrap();
    let lower = mounts.at(&target).unwrap().unwrap();
    assert_ne!(upper.device, lower.device);
    assert_ne!(upper_identity, mounts.identity(&target).unwrap().unwrap());
    assert_eq!(bed.machine().loops.backing(lower.device.unwrap()).unwrap().unwrap().image, id_of(bed, &images[0].1));
    unmounted(bed, &target);
    for (_, image) in images {
        soon_free(bed, &image);
    }
}

fn read_only(bed: &dyn Bed) {
    let machine = bed.machine();
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let target = bed.mount_point("mount");
        machine.files.create_dir(&target).unwrap();
        let device = attached(bed, &image);
        let detached = machine.mounts.open(&device, fs, &MountOptions::from_flags(&["ro", "noatime"])).unwrap();
        detached.attach(&target).unwrap();
        assert!(machine.mounts.is_read_only(&target).unwrap());
        let list = machine.mounts.list().unwrap();
        let entry = list.iter().find(|entry| entry.target == target).unwrap();
        assert!(entry.attributes.read_only && entry.filesystem_read_only, "{fs}: {entry:?}");
        refused_with(machine.files.write_whole(&target.join("file"), b"x"), &[Errno::EROFS]);
        drop(device);
        unmounted(bed, &target);
        soon_free(bed, &image);
    }
}

fn remove_mounted(bed: &dyn Bed) {
    let files = bed.machine().files;
    let image = formatted_image(bed, FsKind::Ext4);
    let target = mounted(bed, &image, FsKind::Ext4, "mount");
    files.write_whole(&target.join("file"), b"precious").unwrap();
    refused_with(files.remove_tree(&target), &[Errno::EBUSY]);
    let above = bed.dir().join("above");
    let below = above.join("a/mount");
    files.create_dir(&below).unwrap();
    bed.machine().mounts.bind(&target, &below, &MountAttributes::default()).unwrap();
    refused_with(files.remove_empty(&below), &[Errno::EBUSY, Errno::ENOTEMPTY]);
    refused_with(files.remove_tree(&above), &[Errno::EBUSY]);
    assert_eq!(files.read(&target.join("file")).unwrap().unwrap(), b"precious");
    bed.machine().mounts.unmount(&below).unwrap();
    files.remove_tree(&above).unwrap();
    unmounted(bed, &target);
    soon_free(bed, &image);
}
