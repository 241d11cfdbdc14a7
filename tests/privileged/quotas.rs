//! Project quotas of the kernel: XFS and ext4 in images, mounted with and without them. The kernel needs
//! `CONFIG_XFS_QUOTA` and `CONFIG_QFMT_V2`: `tests/run guest` has one.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::mount::{MsFlags, mount};
use ullage::host::{Machine, QuotaState, linux};
use ullage::model::{Bytes, FsKind, ProjectId, ProjectLimit, ProjectUsage};
use ullage::sys::capability;
use ullage::sys::quotactl::{self, Of};

use crate::common::host_expectations::{self, Bed, soon};
use crate::scratch::Scratch;

const ROOM: Bytes = Bytes::gib(3);
const LIMIT: Bytes = Bytes::mib(8);

fn project(id: u32) -> ProjectId {
    ProjectId::new(id).unwrap()
}

fn of_bytes(bytes: Bytes) -> ProjectLimit {
    ProjectLimit { bytes: Some(bytes), inodes: None }
}

/// The same machine, but for how it asks for quotas.
struct AskingByDevice(Scratch);

impl Bed for AskingByDevice {
    fn machine(&self) -> Machine {
        Machine { quotas: linux::quotas_by_device(), ..self.0.machine() }
    }

    fn dir(&self) -> std::path::PathBuf {
        self.0.dir()
    }

    fn mount_point(&self, name: &str) -> std::path::PathBuf {
        self.0.mount_point(name)
    }
}

/// A directory of project 100, limited.
fn volume(scratch: &Scratch, limit: ProjectLimit) -> std::path::PathBuf {
    let (machine, data) = (scratch.machine(), scratch.dir().join("data"));
    machine.quotas.set_limit(&scratch.dir(), project(100), limit).unwrap();
    machine.files.create_dir(&data).unwrap();
    machine.quotas.set_project(&data, project(100)).unwrap();
    data
}

/// Writes pages until there is an error: how much there is then on disk, and which error.
fn write_until_refused(mut file: &File) -> (Bytes, Errno) {
    let refused = loop {
        if let Err(error) = file.write_all(&[7; 4096]) {
            break error;
        }
    };
    file.sync_all().unwrap();
    (Bytes::new(file.metadata().unwrap().len()), Errno::from_raw(refused.raw_os_error().unwrap()))
}

/// The same by a process that is root, and may not go past limits.
fn write_as_in_a_container(file: &File) -> (Bytes, Errno) {
    let unprivileged = || {
        capability::drop_from_thread(capability::SYS_RESOURCE).unwrap();
        write_until_refused(file)
    };
    std::thread::scope(|scope| scope.spawn(unprivileged).join().unwrap())
}

#[test]
fn xfs_does_what_is_expected_of_projects() {
    let mut broken = Vec::new();
    for (name, expectation) in host_expectations::of_projects() {
        let scratch = Scratch::xfs(ROOM, "prjquota");
        let held = catch_unwind(AssertUnwindSafe(|| expectation(&scratch)));
        let left = scratch.left_behind();
        if held.is_err() || !left.is_empty() {
            broken.push((name, left));
        }
    }
    assert!(broken.is_empty(), "it is not so that: {broken:#?}");
}

#[test]
fn asked_by_the_device_xfs_does_the_same() {
    let mut broken = Vec::new();
    for (name, expectation) in host_expectations::of_projects() {
        let bed = AskingByDevice(Scratch::xfs(ROOM, "prjquota"));
        if catch_unwind(AssertUnwindSafe(|| expectation(&bed))).is_err() {
            broken.push(name);
        }
    }
    assert!(broken.is_empty(), "it is not so that: {broken:#?}");
}

#[test]
fn a_filesystem_says_what_it_counts_and_bounds() {
    let of = |fs, accounting, enforcement| QuotaState { fs, accounting, enforcement, limits_everybody: false };
    let beds = [
        (Scratch::xfs(ROOM, "prjquota"), of("xfs", true, true), None),
        (Scratch::xfs(ROOM, "pqnoenforce"), of("xfs", true, false), None),
        (Scratch::xfs(ROOM, "noquota"), of("xfs", false, false), Some(Errno::ENOSYS)),
        (Scratch::xfs(ROOM, "defaults"), of("xfs", false, false), Some(Errno::ENOSYS)),
        (Scratch::ext4("quota,project", "prjquota"), of("ext4", true, true), None),
        (Scratch::ext4("quota,project", "defaults"), of("ext4", true, false), None),
        (Scratch::ext4("^quota", "defaults"), of("ext4", false, false), Some(Errno::ESRCH)),
    ];
    for (scratch, expected, refusal) in beds {
        let dir = scratch.dir();
        for quotas in [scratch.machine().quotas, linux::quotas_by_device()] {
            assert_eq!(quotas.state(&dir).unwrap(), expected);
            let asked = quotas.usage(&dir, project(100));
            let set = quotas.set_limit(&dir, project(100), of_bytes(LIMIT));
            let listed = quotas.projects(&dir);
            if refusal.is_none() {
                assert_eq!((asked.unwrap(), set.unwrap(), listed.unwrap().len()), (None, (), 1), "{expected:?}");
            } else {
                let errors = [asked.map(drop), set, listed.map(drop)].map(|done| done.unwrap_err().errno());
                assert_eq!(errors, [refusal; 3], "{expected:?}");
            }
            let _ = quotas.set_limit(&dir, project(100), ProjectLimit::default());
        }
    }
}

#[test]
fn a_filesystem_without_projects_says_what_it_is() {
    let scratch = Scratch::new(FsKind::Ext4);
    let tmpfs = scratch.mount_point("tmpfs");
    fs::create_dir(&tmpfs).unwrap();
    mount(None::<&str>, &tmpfs, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    for (dir, fs) in [(tmpfs.as_path(), "tmpfs"), (Path::new("/proc"), "of a kind that is not known")] {
        for quotas in [linux::machine().quotas, linux::quotas_by_device()] {
            let state = quotas.state(dir).unwrap();
            assert_eq!(state, QuotaState { fs, accounting: false, enforcement: false, limits_everybody: false });
            assert!(quotas.usage(dir, project(100)).is_err(), "{fs}");
            assert!(quotas.projects(dir).is_err(), "{fs}");
        }
    }
}

#[test]
fn xfs_without_quotas_keeps_projects_and_bounds_none() {
    let scratch = Scratch::xfs(ROOM, "defaults");
    let (machine, data) = (scratch.machine(), scratch.dir().join("data"));
    machine.files.create_dir(&data).unwrap();
    machine.quotas.set_project(&data, project(100)).unwrap();
    machine.files.write_whole(&data.join("file"), b"x").unwrap();
    assert_eq!(machine.quotas.project_of(&data.join("file")).unwrap().map(|tag| tag.id), Some(project(100)));
    assert_eq!(machine.quotas.try_filling(&data, Bytes::mib(20)).unwrap(), Bytes::mib(20));
}

#[test]
fn xfs_refuses_root_at_exactly_the_limit() {
    let scratch = Scratch::xfs(ROOM, "prjquota");
    let data = volume(&scratch, of_bytes(LIMIT));
    let [first, second, third] = ["a", "b", "c"].map(|name| File::create(data.join(name)).unwrap());
    assert_eq!(write_until_refused(&first), (LIMIT, Errno::ENOSPC));
    let refused = fs::write(data.join("new"), "").unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(Errno::ENOSPC as i32), "not even an empty file");
    first.set_len(1 << 20).unwrap();
    let usage = || scratch.machine().quotas.usage(&scratch.dir(), project(100)).unwrap().unwrap();
    soon("the room is back", || usage().bytes == Bytes::mib(1));
    assert_eq!(write_as_in_a_container(&second), (Bytes::mib(7), Errno::ENOSPC));
    assert_eq!(fallocate(&third, FallocateFlags::empty(), 0, 4096), Err(Errno::ENOSPC));
    assert_eq!((usage().bytes, usage().inodes), (LIMIT, 4));
}

#[test]
fn a_writer_goes_on_where_the_limit_is_raised() {
    let scratch = Scratch::xfs(ROOM, "prjquota");
    let data = volume(&scratch, of_bytes(Bytes::mib(1)));
    let written = Arc::new(AtomicU64::new(0));
    let writer = std::thread::spawn({
        let (file, written) = (File::create(data.join("file")).unwrap(), written.clone());
        move || write_patiently(file, Bytes::mib(4), &written)
    });
    for limit in [1, 2, 4].map(Bytes::mib) {
        let quotas = scratch.machine().quotas;
        quotas.set_limit(&scratch.dir(), project(100), of_bytes(limit)).unwrap();
        soon("it is full again", || written.load(Ordering::Relaxed) == limit.get());
        assert_eq!(quotas.usage(&scratch.dir(), project(100)).unwrap().unwrap().bytes, limit);
    }
    writer.join().unwrap();
}

/// Writes page after page, and waits a moment where there is no room.
fn write_patiently(mut file: File, size: Bytes, written: &AtomicU64) {
    let (page, end) = ([7; 4096], Instant::now() + Duration::from_secs(60));
    while written.load(Ordering::Relaxed) < size.get() && Instant::now() < end {
        match file.write_all(&page) {
            Ok(()) => drop(written.fetch_add(page.len() as u64, Ordering::Relaxed)),
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(Errno::ENOSPC as i32));
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

#[test]
fn limits_and_projects_outlive_a_mount() {
    for (scratch, fs) in
        [(Scratch::xfs(ROOM, "prjquota"), FsKind::Xfs), (Scratch::ext4("quota,project", "prjquota"), FsKind::Ext4)]
    {
        let limit = ProjectLimit { bytes: Some(LIMIT), inodes: Some(100) };
        let data = volume(&scratch, limit);
        fs::write(data.join("file"), vec![1; 1 << 20]).unwrap();
        scratch.remount_pool(fs, &["prjquota"]);
        let quotas = scratch.machine().quotas;
        let found = quotas.usage(&scratch.dir(), project(100)).unwrap().unwrap();
        assert_eq!((found.limit, found.inodes), (limit, 2), "{fs}");
        assert_eq!(quotas.project_of(&data.join("file")).unwrap().map(|tag| tag.id), Some(project(100)), "{fs}");
        assert_eq!(quotas.projects(&scratch.dir()).unwrap(), [(project(100), found)], "{fs}");
    }
}

#[test]
fn ext4_bounds_whom_no_capability_lets_past() {
    let scratch = Scratch::ext4("quota,project", "prjquota");
    let data = volume(&scratch, of_bytes(LIMIT));
    let quotas = scratch.machine().quotas;
    // The directory takes a block of its own.
    let room = LIMIT.saturating_sub(Bytes::new(4096));
    assert_eq!(quotas.try_filling(&data, Bytes::mib(20)).unwrap(), room);
    let taken = || quotas.usage(&scratch.dir(), project(100)).unwrap().unwrap().bytes;
    soon("the room is back", || taken() == Bytes::new(4096));
    let file = File::create(data.join("file")).unwrap();
    assert_eq!(write_as_in_a_container(&file), (room, Errno::EDQUOT));
    let full = quotas.usage(&scratch.dir(), project(100)).unwrap().unwrap();
    assert_eq!((full.bytes, full.inodes), (LIMIT, 2));
    let usage = scratch.machine().mounts.usage(&data).unwrap();
    assert_eq!((usage.total, usage.available), (LIMIT, Bytes::ZERO));
    // The known gap: root on the node, and in a container that has the capability.
    fs::write(data.join("by root"), vec![1; 1 << 20]).unwrap();
    assert!(taken() > LIMIT);
    file.set_len(0).unwrap();
    fs::remove_file(data.join("file")).unwrap();
    fs::remove_file(data.join("by root")).unwrap();
    soon("the room is back", || taken() == Bytes::new(4096));
}

#[test]
fn ext4_lists_what_it_knows_and_forgets_what_is_cleared() {
    let scratch = Scratch::ext4("quota,project", "prjquota");
    let (quotas, dir) = (scratch.machine().quotas, scratch.dir());
    assert_eq!(quotas.usage(&dir, project(100)).unwrap(), None);
    assert_eq!(quotas.projects(&dir).unwrap(), []);
    let limits = [(3, of_bytes(LIMIT)), (70_000, ProjectLimit { bytes: None, inodes: Some(7) })];
    for (id, limit) in limits {
        quotas.set_limit(&dir, project(id), limit).unwrap();
    }
    let expected = limits.map(|(id, limit)| (project(id), ProjectUsage { limit, ..ProjectUsage::default() }));
    assert_eq!(quotas.projects(&dir).unwrap(), expected);
    for (id, _) in limits {
        quotas.set_limit(&dir, project(id), ProjectLimit::default()).unwrap();
    }
    assert_eq!(quotas.projects(&dir).unwrap(), []);
}

#[test]
fn a_device_and_a_place_in_it_are_asked_alike() {
    let scratch = Scratch::xfs(ROOM, "prjquota");
    volume(&scratch, of_bytes(LIMIT));
    let device = scratch.machine().mounts.at(&scratch.pool()).unwrap().unwrap().device.unwrap().path();
    let dir = File::open(scratch.dir()).unwrap();
    assert!(quotactl::takes_descriptors(), "the guest's kernel is newer than 5.14");
    let ways = [Of::Inside(dir.as_fd()), Of::Device(&device)];
    let [inside, outside] = ways.map(|way| (quotactl::state(way), quotactl::get(way, 100), quotactl::next(way, 1)));
    assert_eq!(inside, outside);
    assert_eq!(inside.1.unwrap().block_limit, LIMIT.get() / 512);
}
