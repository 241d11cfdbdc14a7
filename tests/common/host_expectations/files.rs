use nix::errno::Errno;
use ullage::host::FileKind;
use ullage::model::{Bytes, FsKind, Owner};

use super::{Bed, Expectation, formatted_image, plain_image, refused_with, smallest, soon};

pub(super) const EXPECTATIONS: &[Expectation] = &[
    ("create_dir makes what is missing above, and is content with what is there", create_dir),
    ("create_file makes an empty file, and is content with one that is there", create_file),
    ("set_owner is for a directory that is there", set_owner),
    ("remove_empty takes what is empty, and nothing else", remove_empty),
    ("remove_tree takes a tree, and is content with none", remove_tree),
    ("rename keeps the file's identity, and puts nothing in place of what is not empty", rename),
    ("write_whole replaces a file and leaves none beside it", write_whole),
    ("write_shared keeps whose a file is, which is for everybody where there was none", write_shared),
    ("write_unsynced replaces a file and leaves none beside it", write_unsynced),
    ("list is sorted, and ENOENT where there is no directory", list),
    ("a file that is written through is made once", create_synced),
    ("create_image is as long as asked, without blocks, and refuses a file that is there", create_image),
    ("the largest file can be made, a larger one cannot, and leaves nothing", largest_file),
    ("set_len sets the length, both ways", set_len),
    ("allocate gives blocks and leaves the length; the same length again frees those past the end", allocate),
    ("allocate of more than there is is ENOSPC; the same length again gives the room back", allocate_too_much),
    ("fill takes blocks as allocate does", fill),
    ("space shows what is allocated, and what is freed", space),
    ("lock gives a directory to one, until it is dropped", lock),
    ("a formatted image has its length, and can be reserved", reserve_formatted),
];

fn create_dir(bed: &dyn Bed) {
    let files = bed.machine().files;
    let dir = bed.dir().join("a/b/c");
    files.create_dir(&dir).unwrap();
    files.create_dir(&dir).unwrap();
    files.create_mount_point(&dir.join("to mount/on")).unwrap();
    files.create_mount_point(&dir.join("to mount/on")).unwrap();
    assert_eq!(files.stat(&dir).unwrap().unwrap().kind, FileKind::Directory);
    let file = bed.dir().join("file");
    files.create_file(&file).unwrap();
    refused_with(files.create_dir(&file), &[Errno::EEXIST]);
}

fn create_file(bed: &dyn Bed) {
    let files = bed.machine().files;
    let file = bed.dir().join("file");
    files.create_file(&file).unwrap();
    files.create_file(&file).unwrap();
    let found = files.stat(&file).unwrap().unwrap();
    assert_eq!((found.kind, found.size), (FileKind::Regular, Bytes::ZERO));
    refused_with(files.create_file(&bed.dir()), &[Errno::EEXIST]);
    refused_with(files.create_file(&bed.dir().join("none/file")), &[Errno::ENOENT]);
}

fn set_owner(bed: &dyn Bed) {
    let files = bed.machine().files;
    let (dir, file) = (bed.dir().join("data"), bed.dir().join("file"));
    let owner = Owner { uid: 1000, gid: 2000, mode: 0o2770 };
    refused_with(files.set_owner(&dir, owner), &[Errno::ENOENT]);
    files.create_dir(&dir).unwrap();
    files.set_owner(&dir, owner).unwrap();
    assert_eq!(files.stat(&dir).unwrap().unwrap().owner, owner);
    files.create_file(&file).unwrap();
    refused_with(files.set_owner(&file, owner), &[Errno::ENOTDIR]);
}

fn remove_empty(bed: &dyn Bed) {
    let files = bed.machine().files;
    let (dir, file) = (bed.dir().join("dir"), bed.dir().join("dir/file"));
    files.remove_empty(&dir).unwrap();
    files.create_dir(&dir).unwrap();
    files.write_whole(&file, b"x").unwrap();
    refused_with(files.remove_empty(&dir), &[Errno::ENOTEMPTY]);
    refused_with(files.remove_empty(&file), &[Errno::ENOTEMPTY]);
    assert_eq!(files.read(&file).unwrap().unwrap(), b"x");
    files.write_whole(&file, b"").unwrap();
    files.remove_empty(&file).unwrap();
    files.remove_empty(&dir).unwrap();
    assert_eq!(files.stat(&dir).unwrap(), None);
}

fn remove_tree(bed: &dyn Bed) {
    let files = bed.machine().files;
    let dir = bed.dir().join("dir");
    files.remove_tree(&dir).unwrap();
    files.create_dir(&dir.join("a/b")).unwrap();
    files.create_dir(&dir.join("empty")).unwrap();
    files.create_image(&dir.join("a/b/image"), Bytes::mib(1)).unwrap();
    files.write_whole(&dir.join("record"), b"x").unwrap();
    files.remove_tree(&dir).unwrap();
    assert_eq!(files.stat(&dir).unwrap(), None);
}

fn rename(bed: &dyn Bed) {
    let files = bed.machine().files;
    let (from, to, there) = (bed.dir().join("from"), bed.dir().join("to/dir"), bed.dir().join("there"));
    files.create_dir(&from).unwrap();
    files.create_dir(&bed.dir().join("to")).unwrap();
    files.write_whole(&from.join("file"), b"x").unwrap();
    let id = files.stat(&from.join("file")).unwrap().unwrap().id;
    files.rename(&from, &to).unwrap();
    assert_eq!(files.stat(&from).unwrap(), None);
    assert_eq!(files.stat(&to.join("file")).unwrap().unwrap().id, id);

    refused_with(files.rename(&from, &there), &[Errno::ENOENT]);
    files.create_dir(&there.join("below")).unwrap();
    refused_with(files.rename(&to, &there), &[Errno::ENOTEMPTY]);
    assert_eq!(files.list(&there).unwrap(), ["below"]);
    assert_eq!(files.list(&to).unwrap(), ["file"]);
}

fn write_whole(bed: &dyn Bed) {
    let files = bed.machine().files;
    let file = bed.dir().join("record");
    assert_eq!(files.read(&file).unwrap(), None);
    files.write_whole(&file, b"the first, and longer").unwrap();
    files.write_whole(&file, b"second").unwrap();
    assert_eq!(files.read(&file).unwrap().unwrap(), b"second");
    assert_eq!(files.list(&bed.dir()).unwrap(), ["record"]);
    refused_with(files.write_whole(&bed.dir().join("none/record"), b""), &[Errno::ENOENT]);
}

fn write_shared(bed: &dyn Bed) {
    let files = bed.machine().files;
    let file = bed.dir().join("projects");
    let mode = || files.stat(&file).unwrap().unwrap().owner.mode;
    files.write_shared(&file, b"the first, and longer").unwrap();
    files.write_shared(&file, b"second").unwrap();
    assert_eq!((files.read(&file).unwrap().unwrap(), mode()), (b"second".to_vec(), 0o644));
    files.write_whole(&file, b"ours").unwrap();
    assert_eq!(mode(), 0o600);
    files.write_shared(&file, b"third").unwrap();
    assert_eq!((files.read(&file).unwrap().unwrap(), mode()), (b"third".to_vec(), 0o600));
    assert_eq!(files.list(&bed.dir()).unwrap(), ["projects"]);
    refused_with(files.write_shared(&bed.dir().join("none/projects"), b""), &[Errno::ENOENT]);
}

fn write_unsynced(bed: &dyn Bed) {
    let files = bed.machine().files;
    let file = bed.dir().join("note");
    files.write_unsynced(&file, b"the first, and longer").unwrap();
    files.write_unsynced(&file, b"second").unwrap();
    assert_eq!(files.read(&file).unwrap().unwrap(), b"second");
    assert_eq!(files.list(&bed.dir()).unwrap(), ["note"]);
    refused_with(files.write_unsynced(&bed.dir().join("none/note"), b""), &[Errno::ENOENT]);
}

fn list(bed: &dyn Bed) {
    let files = bed.machine().files;
    for name in ["b", "a", "c"] {
        files.create_file(&bed.dir().join(name)).unwrap();
    }
    assert_eq!(files.list(&bed.dir()).unwrap(), ["a", "b", "c"]);
    refused_with(files.list(&bed.dir().join("none")), &[Errno::ENOENT]);
}

fn create_synced(bed: &dyn Bed) {
    let (files, file) = (bed.machine().files, bed.dir().join("synced"));
    files.create_synced(&file).unwrap();
    assert_eq!(files.stat(&file).unwrap().unwrap().size, Bytes::ZERO);
    assert_eq!(files.create_synced(&file).unwrap_err().errno(), Some(Errno::EEXIST));
}

fn create_image(bed: &dyn Bed) {
    let files = bed.machine().files;
    let image = plain_image(bed, "image", Bytes::gib(100));
    let found = files.stat(&image).unwrap().unwrap();
    assert_eq!((found.kind, found.size, found.allocated), (FileKind::Regular, Bytes::gib(100), Bytes::ZERO));
    refused_with(files.create_image(&image, Bytes::mib(1)), &[Errno::EEXIST]);
    assert_eq!(files.stat(&image).unwrap().unwrap(), found);
}

fn largest_file(bed: &dyn Bed) {
    let files = bed.machine().files;
    let largest = files.largest_file(&bed.dir()).unwrap();
    assert!(largest >= Bytes::gib(1024), "{largest}");
    plain_image(bed, "largest", largest);
    let image = bed.dir().join("larger");
    refused_with(files.create_image(&image, largest.saturating_add(Bytes::new(4096))), &[Errno::EFBIG]);
    assert_eq!(files.list(&bed.dir()).unwrap(), ["largest"]);
}

fn set_len(bed: &dyn Bed) {
    let files = bed.machine().files;
    let image = plain_image(bed, "image", Bytes::mib(1));
    for size in [Bytes::mib(8), Bytes::mib(2)] {
        files.set_len(&image, size).unwrap();
        assert_eq!(files.stat(&image).unwrap().unwrap().size, size);
    }
    refused_with(files.set_len(&bed.dir().join("none"), Bytes::mib(1)), &[Errno::ENOENT]);
}

fn allocate(bed: &dyn Bed) {
    let files = bed.machine().files;
    let image = plain_image(bed, "image", Bytes::mib(4));
    files.allocate(&image, Bytes::mib(4)).unwrap();
    let found = files.stat(&image).unwrap().unwrap();
    assert!(found.allocated >= Bytes::mib(4), "{found:?}");
    files.allocate(&image, Bytes::mib(16)).unwrap();
    let found = files.stat(&image).unwrap().unwrap();
    assert!(found.allocated >= Bytes::mib(16), "{found:?}");
    assert_eq!(found.size, Bytes::mib(4));
    files.set_len(&image, Bytes::mib(4)).unwrap();
    let found = files.stat(&image).unwrap().unwrap();
    assert!(found.allocated >= Bytes::mib(4) && found.allocated < Bytes::mib(5), "{found:?}");
}

fn allocate_too_much(bed: &dyn Bed) {
    let files = bed.machine().files;
    let image = plain_image(bed, "image", Bytes::mib(1));
    let before = files.space(&bed.dir()).unwrap().available;
    let result = files.allocate(&image, before.saturating_add(Bytes::gib(1)));
    assert!(result.as_ref().is_err_and(|error| error.is_no_space()), "{result:?}");
    files.set_len(&image, Bytes::mib(1)).unwrap();
    let found = files.stat(&image).unwrap().unwrap();
    assert!(found.allocated < Bytes::mib(2) && found.size == Bytes::mib(1), "{found:?}");
    soon("the room is back", || files.space(&bed.dir()).unwrap().available.saturating_add(Bytes::mib(8)) >= before);
}

fn fill(bed: &dyn Bed) {
    let files = bed.machine().files;
    let image = plain_image(bed, "image", Bytes::mib(5));
    files.fill(&image, Bytes::mib(1), Bytes::new((3 << 20) + 4096)).unwrap();
    let found = files.stat(&image).unwrap().unwrap();
    assert!(found.allocated >= Bytes::mib(2) && found.allocated < Bytes::mib(4), "{found:?}");
    assert_eq!(found.size, Bytes::mib(5));
}

fn space(bed: &dyn Bed) {
    let files = bed.machine().files;
    let before = files.space(&bed.dir()).unwrap();
    assert!(before.total >= before.used.saturating_add(before.available), "{before:?}");
    let image = plain_image(bed, "image", Bytes::mib(256));
    files.allocate(&image, Bytes::mib(256)).unwrap();
    let taken = files.space(&bed.dir()).unwrap();
    let difference = before.available.saturating_sub(taken.available);
    assert!(difference >= Bytes::mib(250) && difference < Bytes::mib(270), "{difference}");
    files.remove_tree(&image.with_file_name("none")).unwrap();
    files.set_len(&image, Bytes::ZERO).unwrap();
    soon("the room is back", || {
        files.space(&bed.dir()).unwrap().available.saturating_add(Bytes::mib(8)) >= before.available
    });
}

fn reserve_formatted(bed: &dyn Bed) {
    let files = bed.machine().files;
    for fs in FsKind::ALL {
        let image = formatted_image(bed, fs);
        let sparse = files.stat(&image).unwrap().unwrap();
        assert_eq!(sparse.size, smallest(fs));
        assert!(sparse.allocated > Bytes::ZERO && sparse.allocated < smallest(fs), "{fs}: {sparse:?}");
        files.allocate(&image, smallest(fs)).unwrap();
        files.sync(&image).unwrap();
        let reserved = files.stat(&image).unwrap().unwrap();
        assert!(reserved.allocated >= smallest(fs) && reserved.size == smallest(fs), "{fs}: {reserved:?}");
    }
}

fn lock(bed: &dyn Bed) {
    let files = bed.machine().files;
    let held = files.lock(&bed.dir()).unwrap();
    assert!(held.is_some());
    assert!(files.lock(&bed.dir()).unwrap().is_none());
    drop(held);
    assert!(files.lock(&bed.dir()).unwrap().is_some());
    refused_with(files.lock(&bed.dir().join("none")), &[Errno::ENOENT]);
}
