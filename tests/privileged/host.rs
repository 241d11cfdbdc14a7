use std::panic::{AssertUnwindSafe, catch_unwind};

use ullage::model::FsKind;

use crate::common::host_expectations;
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
