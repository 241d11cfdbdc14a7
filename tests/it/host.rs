//! The machine in memory, held to what the real one does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ullage::host::Machine;
use ullage::host::fake::Fake;
use ullage::model::Bytes;

use crate::common::host_expectations::{self, Bed};

struct InMemory(Fake);

impl Bed for InMemory {
    fn machine(&self) -> Machine {
        self.0.machine()
    }

    fn dir(&self) -> PathBuf {
        PathBuf::from("/pool/volumes")
    }

    fn mount_point(&self, name: &str) -> PathBuf {
        Path::new("/mounts").join(name)
    }
}

#[test]
fn the_machine_in_memory_does_what_is_expected() {
    let mut broken = Vec::new();
    for (name, expectation) in host_expectations::all().chain(host_expectations::of_projects()) {
        let bed = InMemory(Fake::new(Bytes::gib(3)));
        for dir in ["/pool/volumes", "/mounts"] {
            bed.machine().files.create_dir(Path::new(dir)).unwrap();
        }
        let held = catch_unwind(AssertUnwindSafe(|| expectation(&bed)));
        let left = (bed.0.attached(), bed.0.mount_targets());
        if held.is_err() || left != (0, Vec::new()) {
            broken.push((name, left));
        }
    }
    assert!(broken.is_empty(), "in memory it is not so that: {broken:#?}");
}
