use std::path::{Path, PathBuf};

use nix::errno::Errno;
use ullage::host::{QuotaState, Strays};
use ullage::model::{Bytes, MountAttributes, ProjectId, ProjectLimit, ProjectTag, ProjectUsage};

use super::{Bed, Expectation, refused_with, soon, unmounted};

pub(super) const EXPECTATIONS: &[Expectation] = &[
    ("projects are counted and bounded; where there is no directory, nothing is known", state),
    ("of a project that was never used nothing is known; a limit reads back, changes, and goes", limit),
    ("a limit of nothing is EINVAL: to the kernel it would be none", limit_of_nothing),
    ("what is made in a project's directory belongs to it, and nothing else does", inherit),
    ("what is below a directory and not of its project is counted, past no mount", strays),
    ("a project is for a directory that is there", set_project),
    ("writing ends at the limit, at nobody else's cost", write_to_the_limit),
    ("a directory can be filled up to the limit, and is left as it was", try_filling),
    ("reserving ends at the limit too; a long file without blocks takes none", allocate),
    ("there are no more files than the limit says", inode_limit),
    ("a limit that is raised lets more be written, at once", raise),
    ("a limit below what is taken refuses any more, and takes nothing away", lower),
    ("every project that is known is listed, by number", projects),
    ("what is taken away is given back, if not at once", give_back),
    ("a tree can leave its parent, and nothing can be renamed into a project", rename),
    ("a project's directory shows the limit as its size, where it is bound as well", usage),
    ("a file in a project's directory tells of the whole filesystem", usage_of_all),
];

const LIMIT: Bytes = Bytes::mib(8);

fn project(id: u32) -> ProjectId {
    ProjectId::new(id).unwrap()
}

fn of_bytes(bytes: Bytes) -> ProjectLimit {
    ProjectLimit { bytes: Some(bytes), inodes: None }
}

fn bound(bed: &dyn Bed, id: u32, limit: ProjectLimit) {
    bed.machine().quotas.set_limit(&bed.dir(), project(id), limit).unwrap();
}

fn known(bed: &dyn Bed, id: u32) -> Option<ProjectUsage> {
    bed.machine().quotas.usage(&bed.dir(), project(id)).unwrap()
}

fn taken(bed: &dyn Bed, id: u32) -> Bytes {
    known(bed, id).map(|usage| usage.bytes).unwrap_or_default()
}

/// A directory of a project.
fn given(bed: &dyn Bed, name: &str, id: u32) -> PathBuf {
    let dir = bed.dir().join(name);
    bed.machine().files.create_dir(&dir).unwrap();
    bed.machine().quotas.set_project(&dir, project(id)).unwrap();
    dir
}

fn volume(bed: &dyn Bed, limit: ProjectLimit) -> PathBuf {
    bound(bed, 100, limit);
    given(bed, "data", 100)
}

/// A file that takes so much, as root writes it.
fn written(bed: &dyn Bed, file: &Path, size: Bytes) -> ullage::host::Result<()> {
    let files = bed.machine().files;
    files.create_image(file, size)?;
    files.fill(file, Bytes::ZERO, size)
}

#[track_caller]
fn out_of_room<T: std::fmt::Debug>(result: ullage::host::Result<T>) {
    assert!(result.as_ref().is_err_and(|error| error.is_no_space()), "{result:?}");
}

fn state(bed: &dyn Bed) {
    let state = bed.machine().quotas.state(&bed.dir()).unwrap();
    assert_eq!(state, QuotaState { fs: "xfs", accounting: true, enforcement: true, limits_everybody: false });
    let (quotas, none) = (bed.machine().quotas, bed.dir().join("none"));
    refused_with(quotas.state(&none), &[Errno::ENOENT]);
    refused_with(quotas.usage(&none, project(100)), &[Errno::ENOENT]);
    refused_with(quotas.set_limit(&none, project(100), of_bytes(LIMIT)), &[Errno::ENOENT]);
    refused_with(quotas.projects(&none), &[Errno::ENOENT]);
}

fn limit(bed: &dyn Bed) {
    assert_eq!(known(bed, 100), None);
    let limits = [
        of_bytes(LIMIT),
        of_bytes(Bytes::gib(1 << 20)),
        ProjectLimit { bytes: None, inodes: Some(7) },
        ProjectLimit { bytes: Some(Bytes::mib(1)), inodes: Some(1 << 20) },
    ];
    for limit in limits {
        bound(bed, 100, limit);
        assert_eq!(known(bed, 100), Some(ProjectUsage { limit, ..ProjectUsage::default() }));
    }
    assert_eq!(known(bed, 101), None);
    bound(bed, 100, ProjectLimit::default());
    assert_eq!(known(bed, 100), None);
}

fn limit_of_nothing(bed: &dyn Bed) {
    for limit in [of_bytes(Bytes::ZERO), ProjectLimit { bytes: None, inodes: Some(0) }] {
        refused_with(bed.machine().quotas.set_limit(&bed.dir(), project(100), limit), &[Errno::EINVAL]);
    }
}

fn inherit(bed: &dyn Bed) {
    let (files, quotas) = (bed.machine().files, bed.machine().quotas);
    let data = given(bed, "data", 100);
    files.create_dir(&data.join("a/b")).unwrap();
    files.write_whole(&data.join("a/b/file"), b"x").unwrap();
    for path in ["", "a", "a/b", "a/b/file"] {
        let tag = ProjectTag { id: project(100), inherited: path != "a/b/file" };
        assert_eq!(quotas.project_of(&data.join(path)).unwrap(), Some(tag), "{path}");
    }
    files.write_whole(&bed.dir().join("file"), b"x").unwrap();
    for path in ["", "file"] {
        assert_eq!(quotas.project_of(&bed.dir().join(path)).unwrap(), None, "{path}");
    }
    refused_with(quotas.project_of(&bed.dir().join("none")), &[Errno::ENOENT]);
    soon("four inodes are counted", || known(bed, 100).is_some_and(|usage| usage.inodes == 4));
    assert_eq!(taken(bed, 100), Bytes::new(4096));
}

fn strays(bed: &dyn Bed) {
    let machine = bed.machine();
    let data = given(bed, "data", 100);
    machine.files.create_dir(&data.join("a/b")).unwrap();
    machine.files.write_whole(&data.join("a/file"), b"x").unwrap();
    let strays = |id: u32| machine.quotas.strays(&data, project(id), &mut || true).unwrap().unwrap();
    let count = |id: u32| Some(strays(id)).filter(|strays| strays.too_deep == 0).map(|strays| strays.count);
    assert_eq!((count(100), count(101)), (Some(0), Some(4)));
    given(bed, "data/a/other", 101);
    machine.files.write_whole(&data.join("a/other/file"), b"x").unwrap();
    assert_eq!((count(100), count(101)), (Some(2), Some(4)));
    let outside = bed.dir().join("outside");
    machine.files.create_dir(&outside).unwrap();
    machine.mounts.bind(&outside, &data.join("a/b"), &MountAttributes::default()).unwrap();
    assert_eq!((count(100), count(101)), (Some(2), Some(3)));
    machine.mounts.unmount(&data.join("a/b")).unwrap();
    let deep = (0..Strays::DEEPEST).fold(data.join("deep"), |dir, _| dir.join("d"));
    machine.files.create_dir(&deep.join("deeper/than/that")).unwrap();
    assert_eq!(strays(101), Strays { count: 4 + Strays::DEEPEST as u64, too_deep: 1 });
    assert_eq!(machine.quotas.strays(&data, project(100), &mut || false).unwrap(), None);
    refused_with(machine.quotas.strays(&bed.dir().join("none"), project(100), &mut || true), &[Errno::ENOENT]);
}

fn set_project(bed: &dyn Bed) {
    let file = bed.dir().join("file");
    bed.machine().files.create_file(&file).unwrap();
    refused_with(bed.machine().quotas.set_project(&file, project(100)), &[Errno::ENOTDIR]);
    refused_with(bed.machine().quotas.set_project(&bed.dir().join("none"), project(100)), &[Errno::ENOENT]);
}

fn write_to_the_limit(bed: &dyn Bed) {
    let data = volume(bed, of_bytes(LIMIT));
    let (exact, more) = (data.join("exact"), data.join("more"));
    written(bed, &exact, LIMIT).unwrap();
    assert_eq!(taken(bed, 100), LIMIT);
    out_of_room(bed.machine().files.write_whole(&more, b"x"));
    out_of_room(bed.machine().files.create_file(&data.join("not even an empty one")));
    assert_eq!(taken(bed, 100), LIMIT);
    written(bed, &bed.dir().join("outside"), Bytes::mib(1)).unwrap();
    let beside = given(bed, "beside", 101);
    written(bed, &beside.join("file"), Bytes::mib(1)).unwrap();
    assert_eq!((taken(bed, 100), taken(bed, 101)), (LIMIT, Bytes::mib(1)));
}

fn try_filling(bed: &dyn Bed) {
    let quotas = bed.machine().quotas;
    let data = volume(bed, ProjectLimit { bytes: Some(LIMIT), inodes: Some(2) });
    assert_eq!(quotas.try_filling(&data, Bytes::mib(1)).unwrap(), Bytes::mib(1));
    let is_empty = || known(bed, 100).is_some_and(|usage| (usage.bytes, usage.inodes) == (Bytes::ZERO, 1));
    soon("nothing is taken any more", is_empty);
    assert_eq!(quotas.try_filling(&data, Bytes::mib(20)).unwrap(), LIMIT);
    assert_eq!(bed.machine().files.list(&data).unwrap(), [""; 0]);
    soon("nothing is taken any more", is_empty);
    bed.machine().files.create_file(&data.join("the second")).unwrap();
    assert_eq!(quotas.try_filling(&data, Bytes::mib(1)).unwrap(), Bytes::ZERO);
    assert_eq!(quotas.try_filling(&bed.dir(), Bytes::mib(20)).unwrap(), Bytes::mib(20));
    refused_with(quotas.try_filling(&bed.dir().join("none"), LIMIT), &[Errno::ENOENT]);
}

fn allocate(bed: &dyn Bed) {
    let files = bed.machine().files;
    let data = volume(bed, of_bytes(LIMIT));
    let image = data.join("image");
    files.create_image(&image, Bytes::gib(1)).unwrap();
    assert_eq!(taken(bed, 100), Bytes::ZERO);
    files.allocate(&image, Bytes::mib(6)).unwrap();
    assert_eq!(taken(bed, 100), Bytes::mib(6));
    out_of_room(files.allocate(&image, Bytes::mib(9)));
    assert!(taken(bed, 100) <= LIMIT, "{:?}", known(bed, 100));
}

fn inode_limit(bed: &dyn Bed) {
    let files = bed.machine().files;
    let data = volume(bed, ProjectLimit { bytes: None, inodes: Some(3) });
    files.create_dir(&data.join("dir")).unwrap();
    files.create_file(&data.join("dir/file")).unwrap();
    out_of_room(files.create_dir(&data.join("another")));
    out_of_room(files.create_file(&data.join("dir/another")));
    out_of_room(files.create_image(&data.join("image"), LIMIT));
    assert_eq!(known(bed, 100).unwrap().inodes, 3);
    files.remove_empty(&data.join("dir/file")).unwrap();
    soon("another fits", || files.create_file(&data.join("dir/another")).is_ok());
}

fn raise(bed: &dyn Bed) {
    let data = volume(bed, of_bytes(LIMIT));
    written(bed, &data.join("file"), LIMIT).unwrap();
    bound(bed, 100, of_bytes(LIMIT.saturating_add(Bytes::mib(1))));
    written(bed, &data.join("another"), Bytes::mib(1)).unwrap();
    out_of_room(bed.machine().files.write_whole(&data.join("third"), b"x"));
    bound(bed, 100, ProjectLimit::default());
    written(bed, &data.join("fourth"), Bytes::mib(1)).unwrap();
    assert_eq!(known(bed, 100).unwrap().limit, ProjectLimit::default());
}

fn lower(bed: &dyn Bed) {
    let data = volume(bed, of_bytes(LIMIT));
    written(bed, &data.join("file"), LIMIT).unwrap();
    bound(bed, 100, of_bytes(Bytes::mib(1)));
    let found = known(bed, 100).unwrap();
    assert_eq!((found.limit, found.bytes), (of_bytes(Bytes::mib(1)), LIMIT));
    out_of_room(bed.machine().files.write_whole(&data.join("more"), b"x"));
    assert_eq!(bed.machine().quotas.try_filling(&data, LIMIT).unwrap(), Bytes::ZERO);
}

fn projects(bed: &dyn Bed) {
    let quotas = bed.machine().quotas;
    assert_eq!(quotas.projects(&bed.dir()).unwrap(), []);
    let foreign = [3, 100, 70_000, u32::MAX - 1];
    for id in foreign.into_iter().rev() {
        bound(bed, id, of_bytes(LIMIT));
    }
    let data = given(bed, "data", 200);
    written(bed, &data.join("file"), Bytes::mib(1)).unwrap();
    let found = quotas.projects(&bed.dir()).unwrap();
    let ids: Vec<_> = found.iter().map(|(id, _)| id.get()).collect();
    assert_eq!(ids, [3, 100, 200, 70_000, u32::MAX - 1]);
    assert_eq!(found[1].1, ProjectUsage { limit: of_bytes(LIMIT), ..ProjectUsage::default() });
    let usage = ProjectUsage { bytes: Bytes::mib(1), inodes: 2, ..ProjectUsage::default() };
    assert_eq!(found[2].1, usage);
    for id in foreign {
        bound(bed, id, ProjectLimit::default());
    }
    let left: Vec<_> = quotas.projects(&bed.dir()).unwrap().into_iter().map(|(id, _)| id.get()).collect();
    assert_eq!(left, [200]);
}

fn give_back(bed: &dyn Bed) {
    let data = volume(bed, of_bytes(LIMIT));
    written(bed, &data.join("file"), LIMIT).unwrap();
    bed.machine().files.remove_tree(&data).unwrap();
    soon("the room is back", || taken(bed, 100) == Bytes::ZERO);
    soon("and the inodes", || known(bed, 100).unwrap().inodes == 0);
    let again = given(bed, "again", 100);
    written(bed, &again.join("file"), LIMIT).unwrap();
}

fn rename(bed: &dyn Bed) {
    let files = bed.machine().files;
    let data = given(bed, "data", 100);
    files.write_whole(&data.join("file"), b"x").unwrap();
    let other = given(bed, "other", 101);
    let outside = bed.dir().join("outside");
    files.write_whole(&outside, b"x").unwrap();
    for from in [&outside, &data.join("file"), &data] {
        refused_with(files.rename(from, &other.join("inside")), &[Errno::EXDEV]);
    }
    let trash = bed.dir().join("trash");
    files.create_dir(&trash).unwrap();
    files.rename(&data, &trash.join("data")).unwrap();
    let project_of = |path: &Path| bed.machine().quotas.project_of(path).unwrap().map(|tag| tag.id);
    assert_eq!(project_of(&trash.join("data/file")), Some(project(100)));
    files.rename(&other, &data).unwrap();
    assert_eq!(project_of(&data), Some(project(101)));
}

fn usage(bed: &dyn Bed) {
    let machine = bed.machine();
    let data = volume(bed, ProjectLimit { bytes: Some(LIMIT), inodes: Some(10) });
    written(bed, &data.join("file"), Bytes::mib(3)).unwrap();
    let target = bed.mount_point("published");
    machine.files.create_dir(&target).unwrap();
    machine.mounts.bind(&data, &target, &MountAttributes::default()).unwrap();
    for seen in [machine.mounts.usage(&target).unwrap(), machine.files.space(&data).unwrap()] {
        assert_eq!((seen.total, seen.used, seen.available), (LIMIT, Bytes::mib(3), Bytes::mib(5)));
        assert_eq!((seen.inodes.total, seen.inodes.used, seen.inodes.free), (10, 2, 8));
    }
    let whole = machine.files.space(&bed.dir()).unwrap();
    assert!(whole.total > Bytes::gib(1), "{whole:?}");
    let (counted, space) = machine.quotas.usage_and_space(&bed.dir(), project(100)).unwrap();
    assert_eq!((counted, space.total), (known(bed, 100), whole.total));
    bound(bed, 100, of_bytes(whole.total.saturating_add(whole.total)));
    assert_eq!(machine.mounts.usage(&target).unwrap().total, whole.total);
    unmounted(bed, &target);
}

fn usage_of_all(bed: &dyn Bed) {
    let machine = bed.machine();
    let data = volume(bed, of_bytes(LIMIT));
    machine.files.create_dir(&data.join("below")).unwrap();
    assert_eq!(machine.quotas.usage_of_all(&data).unwrap(), None);
    written(bed, &data.join("file"), Bytes::mib(3)).unwrap();
    let (of_all, of_disk) = (machine.quotas.usage_of_all(&data).unwrap(), machine.files.space(&bed.dir()).unwrap());
    assert_eq!(of_all.map(|usage| (usage.total, usage.available)), Some((of_disk.total, of_disk.available)));
    refused_with(machine.quotas.usage_of_all(&bed.dir().join("none")), &[Errno::ENOENT]);
}
