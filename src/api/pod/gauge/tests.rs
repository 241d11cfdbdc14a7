use super::*;
use crate::host::fake::Fake;
use crate::host::linux;
use crate::model::{MountAttributes, ProjectId, ProjectLimit};

fn gauge(path: &str) -> MountGauge {
    MountGauge::new(Path::new(path), None, linux::machine())
}

#[test]
fn the_size_is_that_of_the_device_or_of_the_limit() {
    let gib = Bytes::gib;
    let cases = [
        (true, false, Some(gib(2)), Bytes::mib(1900), gib(2), Basis::Device),
        (false, false, Some(gib(2)), Bytes::mib(1900), gib(2), Basis::Device),
        (true, false, Some(gib(2)), Bytes::mib(100), gib(2), Basis::Device),
        (false, false, Some(gib(100)), gib(2), gib(2), Basis::Limit),
        (false, false, Some(gib(100)), gib(50), gib(50), Basis::Limit),
        (false, true, Some(gib(100)), gib(2), gib(2), Basis::Limit),
        (false, true, Some(gib(100)), gib(90), gib(90), Basis::Limit),
        (true, false, None, gib(3), gib(3), Basis::Shown),
        (false, false, None, gib(3), gib(3), Basis::Shown),
    ];
    for (is_root, shares, device, total, size, basis) in cases {
        let found = provisioned(is_root, shares, device, total);
        assert_eq!(found, (size, basis), "{is_root} {shares} {device:?} {total}");
    }
}

/// A volume with a limit of most of its pool, of which others take more than they should.
#[test]
fn what_is_available_is_the_smaller_of_what_the_limit_and_the_pool_leave() {
    let machine = Fake::new(Bytes::gib(10)).machine();
    let (files, data, target) = (&machine.files, Path::new("/data"), Path::new("/published"));
    [data, target].iter().for_each(|dir| files.create_dir(dir).unwrap());
    let (project, limit) = (ProjectId::new(100).unwrap(), Bytes::gib(8));
    machine.quotas.set_project(data, project).unwrap();
    machine.quotas.set_limit(data, project, ProjectLimit { bytes: Some(limit), inodes: None }).unwrap();
    machine.mounts.bind(data, target, &MountAttributes::default()).unwrap();
    let gauge = MountGauge::new(target, None, machine.clone());
    let read = || gauge.read().map(|reading| (reading.size, reading.available)).unwrap();
    let take = |path: &Path, size: Bytes| {
        files.create_image(path, size).unwrap();
        files.fill(path, Bytes::ZERO, size).unwrap();
    };
    take(&data.join("file"), Bytes::gib(1));
    assert_eq!(read(), (limit, Bytes::gib(7)));
    take(Path::new("/others"), Bytes::gib(6));
    assert_eq!(read(), (limit, Bytes::gib(3)), "10 less 1 less 6");
    let far_more = ProjectLimit { bytes: Some(Bytes::gib(1 << 10)), inodes: None };
    machine.quotas.set_limit(data, project, far_more).unwrap();
    assert_eq!(read(), (Bytes::gib(10), Bytes::gib(3)), "a limit that bounds nothing");
    machine.quotas.set_limit(data, project, ProjectLimit { bytes: Some(limit), inodes: None }).unwrap();
    files.throw_away(&data.join("file")).unwrap();
    assert_eq!(read(), (limit, limit), "nothing tells of the pool");
}

#[test]
fn of_inodes_too_the_smaller_number_is_free() {
    let usage = |total, free| Usage { inodes: Inodes { total, used: total - free, free }, ..Usage::default() };
    for (of_limit, of_all, free) in [((100, 90), (1000, 10), 10), ((100, 5), (1000, 10), 5)] {
        let left = less(usage(of_limit.0, of_limit.1), usage(of_all.0, of_all.1)).inodes;
        assert_eq!((left.total, left.free), (of_limit.0, free));
    }
}

#[test]
fn what_is_no_mount_point_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    for path in [scratch.path().to_str().unwrap(), "/nowhere/at/all"] {
        let said = gauge(path).read().unwrap_err();
        assert!(said.starts_with(&format!("{path} is no mount point: ")), "{said}");
        assert_eq!(gauge(path).size(), None);
    }
}

#[test]
fn a_mount_without_a_device_has_the_size_that_it_shows() {
    let proc = gauge("/proc");
    let reading = proc.read().unwrap();
    assert_eq!((reading.size, proc.fs()), (Bytes::ZERO, None));
    assert_eq!(proc.known().size, Some((Bytes::ZERO, Basis::Shown)));
    assert_eq!((proc.size(), proc.backend()), (Some(Bytes::ZERO), None));
    gauge("/").read().unwrap();
}

#[test]
fn a_size_that_was_told_holds_until_it_is_grown() {
    let told = MountGauge::new(Path::new("/proc"), Some(Bytes::gib(2)), linux::machine());
    assert_eq!((told.size(), told.read().unwrap().size), (Some(Bytes::gib(2)), Bytes::gib(2)));
    told.grown_to(Bytes::gib(3));
    assert_eq!(told.read().unwrap().size, Bytes::gib(3));
}
