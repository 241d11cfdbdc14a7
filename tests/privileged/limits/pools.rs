//! Which pools are served.

use std::process::Command;

use ullage::engine::Engine;

use super::*;
use crate::scratch::run;

/// An engine that has tried to open the pool, and why it does not serve it.
fn refused(scratch: &Scratch) -> (Engine, String) {
    let engine = Engine::new(scratch.machine(), vec![of_limits(scratch.dir(), etc(scratch))]);
    engine.recover();
    let reason = engine.ready().unwrap_err();
    let db = volume("db");
    assert_eq!(kind(engine.create(&db.request())), Kind::Full, "{reason}");
    let capacity = engine.capacity(&db.request().spec.pool, false).unwrap();
    assert_eq!((capacity.available, capacity.maximum), (Bytes::ZERO, Bytes::ZERO), "{reason}");
    (engine, reason)
}

/// Once it is as it should be, nothing has to be restarted.
fn is_served(engine: &Engine, scratch: &Scratch) {
    soon("the pool is served", || {
        engine.tend();
        engine.ready().is_ok()
    });
    let db = volume("db");
    engine.create(&db.request()).unwrap();
    assert_eq!(known(scratch).len(), 1);
    engine.delete(&db.id()).unwrap();
    engine.tend();
    assert_eq!(known(scratch), []);
}

#[test]
fn an_xfs_whose_limits_do_not_hold_says_why_until_it_is_mounted_with_them() {
    for (option, said) in [
        ("defaults", "mounted without: mount it with prjquota"),
        ("noquota", "mounted without: mount it with prjquota"),
        ("pqnoenforce", "counted and not enforced: mount it with prjquota"),
    ] {
        let scratch = Scratch::xfs(Bytes::gib(1), option);
        let (engine, reason) = refused(&scratch);
        assert!(reason.contains(said), "{option}: {reason}");
        scratch.remount_pool(FsKind::Xfs, &["prjquota"]);
        fs::create_dir_all(scratch.dir()).unwrap();
        is_served(&engine, &scratch);
    }
}

#[test]
fn an_ext4_without_the_features_says_why_until_it_has_them() {
    for (features, said) in [("^quota,^project", "tune2fs -O project,quota"), ("quota,project", "not enforced")] {
        let scratch = Scratch::ext4(features, "defaults");
        let (engine, reason) = refused(&scratch);
        assert!(reason.contains(said), "{features}: {reason}");
        scratch.remount_changed(FsKind::Ext4, &["prjquota"], |image| {
            run(Command::new("tune2fs").args(["-O", "project,quota"]).arg(image));
        });
        is_served(&engine, &scratch);
    }
}

#[test]
fn a_tmpfs_over_the_pool_says_what_it_is_until_it_is_gone() {
    let scratch = Scratch::xfs(Bytes::gib(1), "prjquota");
    run(Command::new("mount").args(["-t", "tmpfs", "none"]).arg(scratch.dir()));
    let (engine, reason) = refused(&scratch);
    assert!(reason.contains("its filesystem is tmpfs, and only xfs and ext4 have them"), "{reason}");
    scratch.machine().mounts.unmount(&scratch.dir()).unwrap();
    is_served(&engine, &scratch);
}

/// XFS would give a volume those limits that it has none of itself.
#[test]
fn an_xfs_with_limits_for_everybody_says_so_until_it_has_none() {
    let scratch = Scratch::xfs(Bytes::gib(1), "prjquota");
    let limits = |words: &str| {
        let words = format!("limit -p -d {words}");
        run(Command::new("/usr/sbin/xfs_quota").args(["-x", "-c", &words]).arg(scratch.pool()));
    };
    limits("ihard=1000");
    let (engine, reason) = refused(&scratch);
    assert!(reason.contains("take those of project 0 away"), "{reason}");
    limits("bsoft=0 bhard=0 isoft=0 ihard=0");
    is_served(&engine, &scratch);
}
