use std::path::Path;

use nix::errno::Errno;
use ullage::host::Result;
use ullage::model::{Bytes, FsKind, MountAttributes, MountOptions};

use super::{
    Bed, Expectation, attached, formatted_image, formatted_image_of, mounted, refused_with, smallest, soon_free,
    unmounted,
};

pub(super) const EXPECTATIONS: &[Expectation] = &[
    ("usage shows the filesystem's own size", usage),
    ("a filesystem grows while it is mounted", grow),
    ("a filesystem does not grow through a mount that refuses writes", grow_read_only),
    ("a filesystem grows before it is mounted anywhere", grow_detached),
    ("a filesystem that fills its device is left as it is", grow_full),
    ("an ext4 grows while it is not mounted", grow_offline),
];

/// Online growth of ext4 needs a capability (`CAP_SYS_RESOURCE`) that not every root has.
const MAY_NOT: &[Errno] = &[Errno::EPERM];

fn usage(bed: &dyn Bed) {
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let target = mounted(bed, &image, fs, "mount");
        let usage = bed.machine().mounts.usage(&target).unwrap();
        assert!(is_about(usage.total, smallest(fs)), "{fs}: {usage:?}");
        assert!(usage.available <= usage.total && usage.used < usage.total, "{fs}: {usage:?}");
        assert!(usage.inodes.total > usage.inodes.used && usage.inodes.free > 0, "{fs}: {usage:?}");
        unmounted(bed, &target);
        soon_free(bed, &image);
    }
}

/// What a filesystem needs for itself is not in its total: XFS's log is a fifth of its smallest image.
fn is_about(total: Bytes, size: Bytes) -> bool {
    total <= size && total.get() >= size.get() / 10 * 7
}

fn grow(bed: &dyn Bed) {
    let machine = bed.machine();
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let target = mounted(bed, &image, fs, "mount");
        let size = Bytes::mib(700);
        machine.files.set_len(&image, size).unwrap();
        let device = machine.mounts.at(&target).unwrap().unwrap().device.unwrap();
        machine.loops.set_capacity(device).unwrap();
        grown_or_not_permitted(bed, &target, fs, size, machine.mounts.grow(&target, fs));
        unmounted(bed, &target);
        soon_free(bed, &image);
    }
}

fn grow_read_only(bed: &dyn Bed) {
    let machine = bed.machine();
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let (target, reader) = (mounted(bed, &image, fs, "mount"), bed.mount_point("reader"));
        machine.files.create_dir(&reader).unwrap();
        machine.mounts.bind(&target, &reader, &MountAttributes::reading(true)).unwrap();
        let size = Bytes::mib(700);
        machine.files.set_len(&image, size).unwrap();
        machine.loops.set_capacity(machine.mounts.at(&reader).unwrap().unwrap().device.unwrap()).unwrap();
        refused_with(machine.mounts.grow(&reader, fs), &[Errno::EROFS, Errno::EPERM]);
        assert!(is_about(machine.mounts.usage(&target).unwrap().total, smallest(fs)), "{fs}");
        grown_or_not_permitted(bed, &target, fs, size, machine.mounts.grow(&target, fs));
        unmounted(bed, &reader);
        unmounted(bed, &target);
        soon_free(bed, &image);
    }
}

fn grow_detached(bed: &dyn Bed) {
    let machine = bed.machine();
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let size = Bytes::mib(700);
        machine.files.set_len(&image, size).unwrap();
        let target = bed.mount_point("mount");
        machine.files.create_dir(&target).unwrap();
        let device = attached(bed, &image);
        let detached = machine.mounts.open(&device, fs, &MountOptions::default()).unwrap();
        let grown = detached.grow();
        detached.attach(&target).unwrap();
        drop(device);
        grown_or_not_permitted(bed, &target, fs, size, grown);
        unmounted(bed, &target);
        soon_free(bed, &image);
    }
}

/// Without `CAP_SYS_RESOURCE` an ext4 that is mounted does not grow.
fn grown_or_not_permitted(bed: &dyn Bed, target: &Path, fs: FsKind, size: Bytes, grown: Result<()>) {
    match grown {
        Ok(()) => assert!(is_about(bed.machine().mounts.usage(target).unwrap().total, size), "{fs}"),
        refused => {
            assert_eq!(fs, FsKind::Ext4, "{refused:?}");
            refused_with(refused, MAY_NOT);
        }
    }
}

fn grow_full(bed: &dyn Bed) {
    // 513 MiB: ext4 leaves the last of them unused, being too small for a group of its own.
    for size in [Bytes::mib(512), Bytes::mib(513)] {
        for fs in FsKind::ALL {
            let image = formatted_image_of(bed, fs, size);
            let target = mounted(bed, &image, fs, "mount");
            let before = bed.machine().mounts.usage(&target).unwrap().total;
            bed.machine().mounts.grow(&target, fs).unwrap();
            assert_eq!(bed.machine().mounts.usage(&target).unwrap().total, before, "{fs}");
            unmounted(bed, &target);
            soon_free(bed, &image);
            bed.machine().files.rename(&image, &image.with_extension(size.to_string())).unwrap();
        }
    }
}

fn grow_offline(bed: &dyn Bed) {
    let machine = bed.machine();
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let size = Bytes::mib(700);
        machine.files.set_len(&image, size).unwrap();
        let device = attached(bed, &image);
        machine.tools.grow_offline(&device, fs).unwrap();
        drop(device);
        soon_free(bed, &image);
        let target = mounted(bed, &image, fs, "mount");
        machine.mounts.grow(&target, fs).unwrap();
        assert!(is_about(machine.mounts.usage(&target).unwrap().total, size), "{fs}");
        unmounted(bed, &target);
        soon_free(bed, &image);
    }
}
