use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind};

use nix::errno::Errno;
use ullage::model::{FsKind, Owner};
use ullage::sys::xattr;

use crate::common::host_expectations::{self, Bed};
use crate::scratch::Scratch;

#[test]
fn linux_does_what_is_expected_on_xfs() {
    expect_all(FsKind::Xfs);
}

#[test]
fn linux_does_what_is_expected_on_ext4() {
    expect_all(FsKind::Ext4);
}

fn expect_all(pool: FsKind) {
    let mut broken = Vec::new();
    for (name, expectation) in host_expectations::all() {
        let scratch = Scratch::new(pool);
        let held = catch_unwind(AssertUnwindSafe(|| expectation(&scratch)));
        let left = scratch.left_behind();
        if held.is_err() || !left.is_empty() {
            broken.push((name, left));
        }
    }
    assert!(broken.is_empty(), "on a pool of {pool} it is not so that: {broken:#?}");
}

#[test]
fn a_file_for_everybody_stays_whose_it_is() {
    let scratch = Scratch::new(FsKind::Xfs);
    let (files, file) = (scratch.machine().files, scratch.dir().join("projects"));
    files.write_shared(&file, b"first").unwrap();
    chown(&file, Some(1000), Some(2000)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o664)).unwrap();
    let label = b"system_u:object_r:etc_t:s0\0";
    xattr::set(File::open(&file).unwrap(), c"security.selinux", label).unwrap();
    files.write_shared(&file, b"second").unwrap();
    assert_eq!(files.read(&file).unwrap().unwrap(), b"second");
    assert_eq!(files.stat(&file).unwrap().unwrap().owner, Owner { uid: 1000, gid: 2000, mode: 0o664 });
    let kept = xattr::get(File::open(&file).unwrap(), c"security.selinux").unwrap();
    assert_eq!(kept.as_deref(), Some(label.as_slice()));
    let link = scratch.dir().join("link");
    symlink(&file, &link).unwrap();
    assert_eq!(files.write_shared(&link, b"third").unwrap_err().errno(), Some(Errno::ELOOP));
    assert_eq!(files.list(&scratch.dir()).unwrap(), ["link", "projects"]);
}
