use super::*;
use crate::host::fake::{Cut, How};
use crate::host::{Attach, Machine};
use crate::model::{FsKind, MountAttributes, MountOptions, ProjectTag};

const DATA: &str = "/pool/data";

fn project(id: u32) -> ProjectId {
    ProjectId::new(id).unwrap()
}

fn limit(mib: u64) -> ProjectLimit {
    ProjectLimit { bytes: Some(Bytes::mib(mib)), inodes: None }
}

/// A machine with a directory of project 100, limited to 8 MiB.
fn machine() -> (Fake, Machine) {
    let fake = Fake::new(Bytes::gib(1));
    let machine = fake.machine();
    machine.files.create_dir(Path::new(DATA)).unwrap();
    machine.quotas.set_project(Path::new(DATA), project(100)).unwrap();
    machine.quotas.set_limit(Path::new(DATA), project(100), limit(8)).unwrap();
    (fake, machine)
}

fn limit_now(machine: &Machine) -> Option<Bytes> {
    machine.quotas.usage(Path::new(DATA), project(100)).unwrap().and_then(|usage| usage.limit.bytes)
}

#[test]
fn an_application_writes_up_to_the_limit() {
    let (fake, machine) = machine();
    let dir = Path::new(DATA);
    fake.write_in(dir, "file", Bytes::mib(7)).unwrap();
    let refused = fake.write_in(dir, "more", Bytes::mib(2)).unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::ENOSPC));
    fake.write_in(dir, "file", Bytes::mib(8)).unwrap();
    machine.quotas.set_limit(dir, project(100), limit(10)).unwrap();
    fake.write_in(dir, "more", Bytes::mib(2)).unwrap();
    assert_eq!(machine.quotas.usage(dir, project(100)).unwrap().unwrap().bytes, Bytes::mib(10));
}

#[test]
fn a_project_that_drifts_takes_its_usage_along() {
    let (fake, machine) = machine();
    fake.write_in(Path::new(DATA), "file", Bytes::mib(3)).unwrap();
    let taken = |id| machine.quotas.usage(Path::new(DATA), project(id)).unwrap().map(|usage| usage.bytes);
    let file = Path::new(DATA).join("file");
    for (drifted, expected) in [(None, (Bytes::ZERO, None)), (Some(7), (Bytes::ZERO, Some(Bytes::mib(3))))] {
        fake.set_project_behind(&file, drifted.and_then(ProjectId::new)).unwrap();
        assert_eq!((taken(100).unwrap(), taken(7)), expected);
    }
    fake.set_project_behind(Path::new(DATA), None).unwrap();
    fake.write_in(Path::new(DATA), "past any limit", Bytes::mib(20)).unwrap();
    assert_eq!(machine.quotas.project_of(&Path::new(DATA).join("past any limit")).unwrap(), None);
}

#[test]
fn a_limit_is_on_disk_after_the_next_sync_and_a_project_at_once() {
    let (fake, machine) = machine();
    fake.restart(How::PowerCut);
    let tag = ProjectTag { id: project(100), inherited: true };
    assert_eq!(machine.quotas.project_of(Path::new(DATA)).unwrap(), Some(tag));
    assert_eq!(limit_now(&machine), None);
    for (how, expected) in [(How::PowerCut, 8), (How::Reboot, 9), (How::Kill, 9)] {
        machine.quotas.set_limit(Path::new(DATA), project(100), limit(8)).unwrap();
        machine.files.write_whole(Path::new("/pool/record"), b"x").unwrap();
        machine.quotas.set_limit(Path::new(DATA), project(100), limit(9)).unwrap();
        fake.restart(how);
        assert_eq!(limit_now(&machine), Some(Bytes::mib(expected)), "{how:?}");
    }
}

#[test]
fn every_filesystem_answers_as_it_does() {
    let state = |fs, accounting, enforcement| Some(QuotaState { fs, accounting, enforcement, limits_everybody: false });
    let cases = [
        (state("xfs", true, true), None, Some(Errno::ENOSPC)),
        (state("xfs", true, false), None, None),
        (state("xfs", false, false), Some(Errno::ENOSYS), None),
        (state("ext4", true, true), None, Some(Errno::EDQUOT)),
        (state("ext4", false, false), Some(Errno::ESRCH), None),
        (None, Some(Errno::ENOSYS), None),
    ];
    for (state, asked, written) in cases {
        let (fake, machine) = machine();
        fake.set_project_quotas(state);
        let (quotas, dir) = (&machine.quotas, Path::new(DATA));
        assert_eq!(quotas.state(dir).ok(), state);
        let answers = [
            quotas.usage(dir, project(100)).map(drop),
            quotas.set_limit(dir, project(100), limit(8)),
            quotas.projects(dir).map(drop),
        ];
        assert_eq!(answers.map(|answer| answer.err().and_then(|error| error.errno())), [asked; 3], "{state:?}");
        let refused = fake.write_in(dir, "file", Bytes::mib(9)).err();
        assert_eq!(refused.and_then(|error| error.errno()), written, "{state:?}");
        let filled = quotas.try_filling(dir, Bytes::mib(9)).unwrap();
        assert_eq!(filled, written.map_or(Bytes::mib(9), |_| Bytes::mib(8)), "{state:?}");
    }
}

#[test]
fn every_call_can_be_cut() {
    type Call = fn(&Machine, &Path) -> Result<()>;
    let calls: [(usize, Call); 8] = [
        (1, |machine, dir| machine.quotas.state(dir).map(drop)),
        (1, |machine, dir| machine.quotas.usage(dir, project(100)).map(drop)),
        (1, |machine, dir| machine.quotas.set_limit(dir, project(100), limit(9))),
        (1, |machine, dir| machine.quotas.projects(dir).map(drop)),
        (1, |machine, dir| machine.quotas.project_of(dir).map(drop)),
        (2, |machine, dir| machine.quotas.set_project(dir, project(101))),
        (1, |machine, dir| machine.quotas.try_filling(dir, Bytes::mib(1)).map(drop)),
        (2, |machine, dir| machine.files.set_owner(dir, Owner { uid: 1, gid: 1, mode: 0o700 })),
    ];
    for (steps, call) in calls {
        let (fake, machine) = machine();
        for at in 1..=steps {
            fake.cut(Some(Cut { at, how: How::Fail(Errno::EIO) }));
            assert_eq!(call(&machine, Path::new(DATA)).unwrap_err().errno(), Some(Errno::EIO));
        }
        fake.cut(None);
        call(&machine, Path::new(DATA)).unwrap();
        assert_eq!(fake.steps(), steps);
    }
}

#[test]
fn an_image_that_is_mounted_so_has_projects_of_its_own() {
    let (fake, machine) = machine();
    let (image, pool) = (Path::new("/pool/image"), Path::new("/here"));
    machine.files.create_image(image, Bytes::mib(300)).unwrap();
    machine.tools.format(image, FsKind::Xfs).unwrap();
    machine.files.create_dir(pool).unwrap();
    for (flags, is_on) in [(&["noatime"], false), (&["prjquota"], true)] {
        let attach = Attach { tag: "pool".into(), direct_io: true };
        let device = machine.loops.attach(image, &attach).unwrap();
        let opened = machine.mounts.open(&device, FsKind::Xfs, &MountOptions::from_flags(flags)).unwrap();
        opened.attach(pool).unwrap();
        let state = machine.quotas.state(pool).unwrap();
        assert_eq!(state, QuotaState { fs: "xfs", accounting: is_on, enforcement: is_on, limits_everybody: false });
        drop(device);
        if !is_on {
            machine.mounts.unmount(pool).unwrap();
        }
    }
    let (data, target) = (pool.join("data"), Path::new("/published"));
    machine.files.create_dir(&data).unwrap();
    machine.files.create_dir(target).unwrap();
    machine.quotas.set_project(&data, project(100)).unwrap();
    machine.quotas.set_limit(&data, project(100), limit(4)).unwrap();
    machine.mounts.bind(&data, target, &MountAttributes::default()).unwrap();
    assert_eq!(machine.mounts.usage(target).unwrap().total, Bytes::mib(4));
    assert!(fake.write_in(target, "file", Bytes::mib(5)).is_err());
    fake.write_in(target, "file", Bytes::mib(4)).unwrap();
    assert_eq!((limit_now(&machine), machine.quotas.projects(pool).unwrap().len()), (Some(Bytes::mib(8)), 1));
    let root = machine.mounts.list().unwrap().pop().unwrap().root;
    assert_eq!(root, Path::new("/data"));
    machine.mounts.unmount(pool).unwrap();
    assert_eq!(fake.attached(), 1, "the bound directory keeps the device");
    machine.mounts.unmount(target).unwrap();
    assert_eq!(fake.attached(), 0);
}
