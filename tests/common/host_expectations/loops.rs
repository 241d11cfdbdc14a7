use nix::errno::Errno;
use ullage::host::{Attach, FileId, LoopDevice};
use ullage::model::Bytes;

use super::{Bed, Expectation, attached, id_of, options, plain_image, refused_with, soon_free};

pub(super) const EXPECTATIONS: &[Expectation] = &[
    ("an attached device tells its image and its tag, and goes when nobody holds it", attach),
    ("attaching what is not there is ENOENT", attach_nothing),
    ("two images have two devices, and list shows both", two),
    ("whoever holds a device keeps it", hold),
    ("a kept device stays until it is detached", keep),
    ("detaching a held device waits for the holder", detach_held),
    ("a device that has become another image's is not detached", detach_another),
    ("a number without a device is free", free),
    ("a device grows with its image only when told", set_capacity),
];

/// No machine has so many.
const NONE: LoopDevice = LoopDevice(900_000);

fn attach(bed: &dyn Bed) {
    let loops = bed.machine().loops;
    let image = plain_image(bed, "image", Bytes::mib(8));
    assert!(!loops.is_attached(&image).unwrap());
    let held = attached(bed, &image);
    assert!(loops.is_attached(&image).unwrap());
    assert_eq!(loops.size(held.device()).unwrap(), Bytes::mib(8));
    let backing = loops.backing(held.device()).unwrap().unwrap();
    assert_eq!(backing.image, id_of(bed, &image));
    assert_eq!(backing.tag, options().tag);
    assert!(backing.autoclear);
    drop(held);
    soon_free(bed, &image);

    let held = loops.attach(&image, &Attach { direct_io: false, ..options() }).unwrap();
    assert!(!loops.backing(held.device()).unwrap().unwrap().direct_io);
    drop(held);
    soon_free(bed, &image);
}

fn attach_nothing(bed: &dyn Bed) {
    let loops = bed.machine().loops;
    let none = bed.dir().join("none");
    refused_with(loops.attach(&none, &options()), &[Errno::ENOENT]);
    refused_with(loops.is_attached(&none), &[Errno::ENOENT]);
}

fn two(bed: &dyn Bed) {
    let images = ["a", "b"].map(|name| plain_image(bed, name, Bytes::mib(1)));
    let held = [attached(bed, &images[0]), attached(bed, &images[1])];
    let list = bed.machine().loops.list().unwrap();
    for (held, image) in held.iter().zip(&images) {
        let devices: Vec<_> = list.iter().filter(|(_, backing)| backing.image == id_of(bed, image)).collect();
        assert!(matches!(devices[..], [(device, _)] if *device == held.device()), "{devices:?}");
    }
    drop(held);
    soon_free(bed, &images[0]);
    soon_free(bed, &images[1]);
}

fn hold(bed: &dyn Bed) {
    let loops = bed.machine().loops;
    let image = plain_image(bed, "image", Bytes::mib(1));
    let first = attached(bed, &image);
    let second = loops.hold(first.device()).unwrap();
    drop(first);
    assert!(loops.is_attached(&image).unwrap());
    assert_eq!(loops.backing(second.device()).unwrap().unwrap().image, id_of(bed, &image));
    drop(second);
    soon_free(bed, &image);
}

fn keep(bed: &dyn Bed) {
    let loops = bed.machine().loops;
    let image = plain_image(bed, "image", Bytes::mib(1));
    let held = attached(bed, &image);
    loops.keep(&held).unwrap();
    let device = held.device();
    drop(held);
    assert!(loops.is_attached(&image).unwrap());
    let backing = loops.backing(device).unwrap().unwrap();
    assert!(!backing.autoclear && backing.image == id_of(bed, &image), "{backing:?}");
    loops.detach(device, id_of(bed, &image)).unwrap();
    soon_free(bed, &image);
}

fn detach_held(bed: &dyn Bed) {
    let loops = bed.machine().loops;
    let image = plain_image(bed, "image", Bytes::mib(1));
    let held = attached(bed, &image);
    loops.keep(&held).unwrap();
    assert!(!loops.detach(held.device(), id_of(bed, &image)).unwrap());
    assert!(loops.is_attached(&image).unwrap());
    drop(held);
    soon_free(bed, &image);
}

fn detach_another(bed: &dyn Bed) {
    let loops = bed.machine().loops;
    let images = ["a", "b"].map(|name| plain_image(bed, name, Bytes::mib(1)));
    let held = attached(bed, &images[0]);
    assert!(loops.detach(held.device(), id_of(bed, &images[1])).unwrap(), "that image is on no device");
    assert!(loops.is_attached(&images[0]).unwrap());
    drop(held);
    soon_free(bed, &images[0]);
}

fn free(bed: &dyn Bed) {
    let loops = bed.machine().loops;
    assert_eq!(loops.backing(NONE).unwrap(), None);
    assert!(loops.detach(NONE, FileId { device: 0, inode: 0 }).unwrap());
    refused_with(loops.hold(NONE), &[Errno::ENOENT, Errno::ENXIO]);
}

fn set_capacity(bed: &dyn Bed) {
    let machine = bed.machine();
    let image = plain_image(bed, "image", Bytes::mib(4));
    let held = attached(bed, &image);
    machine.files.set_len(&image, Bytes::mib(12)).unwrap();
    assert_eq!(machine.loops.size(held.device()).unwrap(), Bytes::mib(4));
    machine.loops.set_capacity(held.device()).unwrap();
    assert_eq!(machine.loops.size(held.device()).unwrap(), Bytes::mib(12));
    drop(held);
    soon_free(bed, &image);
}
