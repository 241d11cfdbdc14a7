//! A volume that is nearly full says so in its health.

use std::path::Path;

use ullage::config::{Overcommit, PoolConfig};
use ullage::engine::{CreateRequest, Engine, MountRequest};
use ullage::host::fake::Fake;
use ullage::model::{Backend, Bytes, InodeLimit, Limits, Thresholds, VolumeId};

use crate::world::{POOL, Volume, pool};

const TARGET: &str = "/mnt/it";

/// An engine that judges by these, and a volume of a GiB, mounted.
fn mounted(backend: Backend, limits: Limits, change: impl Fn(&mut CreateRequest)) -> (Fake, Engine, VolumeId) {
    let (fake, volume) = (Fake::new(Bytes::gib(100)), Volume::xfs("db"));
    for dir in [POOL, TARGET] {
        fake.machine().files.create_dir(Path::new(dir)).unwrap();
    }
    let config = PoolConfig { backend, overcommit: Overcommit::NONE, ..pool("default", POOL) };
    let engine = Engine::new(fake.machine(), vec![config]).judging_by(Thresholds::new(limits).unwrap());
    engine.recover();
    let mut request = volume.request();
    change(&mut request);
    engine.create(&request).unwrap();
    engine.mount(&volume.id(), &MountRequest { target: TARGET.into(), read_only: false }).unwrap();
    (fake, engine, volume.id())
}

fn said(engine: &Engine, id: &VolumeId) -> Vec<String> {
    let faults = engine.health(id).unwrap();
    faults.iter().map(|fault| format!("{}: {fault}", fault.reason())).collect()
}

#[test]
fn a_volume_past_its_warning_says_so_and_one_that_is_full_too() {
    let strict = Limits::beginning(Bytes::mib(10), "90".parse().unwrap(), "40".parse().unwrap());
    for backend in [Backend::Loop, Backend::Quota] {
        for (limits, own, used, expected) in [
            (Limits::default(), None, 512, None),
            (Limits::default(), None, 832, Some("VolumeNearlyFull: nearly full: 81.25 % of 1Gi used, 192Mi left")),
            (Limits::default(), None, 992, Some("VolumeOutOfStorage: out of storage: 96.88 % of 1Gi used, 32Mi left")),
            (Limits::default(), Some(90), 832, None),
            (Limits::default(), Some(50), 544, Some("VolumeNearlyFull: nearly full: 53.13 % of 1Gi used, 480Mi left")),
            (strict, None, 512, Some("VolumeNearlyFull: nearly full: 50 % of 1Gi used, 512Mi left")),
            (strict, Some(60), 512, None),
            (strict, Some(60), 928, Some("VolumeOutOfStorage: out of storage: 90.63 % of 1Gi used, 96Mi left")),
        ] {
            let (fake, engine, id) = mounted(backend, limits, |request| request.spec.warn_percent = own);
            assert_eq!(said(&engine, &id), [""; 0], "{backend:?}");
            // The metadata of a filesystem of its own take a MiB.
            let data = if backend == Backend::Loop { used - 1 } else { used };
            fake.write_in(Path::new(TARGET), "file", Bytes::mib(data)).unwrap();
            assert_eq!(said(&engine, &id), expected.into_iter().collect::<Vec<_>>(), "{backend:?} {own:?} {used}");
            assert_eq!(engine.inspect(&id).unwrap().faults.len(), usize::from(expected.is_some()));
            engine.unmount(&id, Path::new(TARGET)).unwrap();
            assert_eq!(said(&engine, &id), [""; 0], "nobody writes there");
        }
    }
}

#[test]
fn hardly_any_inodes_are_out_of_storage_too() {
    let count = |request: &mut CreateRequest| request.spec.inodes = Some(InodeLimit::Count(100));
    let (fake, engine, id) = mounted(Backend::Quota, Limits::default(), count);
    for file in 0..84 {
        assert_eq!(said(&engine, &id), [""; 0], "{file}");
        fake.write_in(Path::new(TARGET), &file.to_string(), Bytes::ZERO).unwrap();
    }
    fake.write_in(Path::new(TARGET), "last", Bytes::ZERO).unwrap();
    let expected = "VolumeOutOfStorage: out of storage: 0.03 % of 1Gi used, 1023.6Mi left, 14 of 100 inodes left";
    assert_eq!(said(&engine, &id), [expected]);
}
