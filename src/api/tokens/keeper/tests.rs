use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Barrier;

use super::super::clock::fake::FakeClock;
use super::*;

const OLD: &str = "lightd_00000000000000000000000000000000";
const NEW: &str = "lightd_11111111111111111111111111111111";

fn settings(dir: &Path) -> Settings {
    Settings { token_file: None, state_dir: dir.to_owned(), mode: Settings::PRIVATE }
}

fn with_file(dir: &Path, file: &Path) -> Keeper {
    Keeper::open(Settings { token_file: Some(file.to_owned()), ..settings(dir) }).unwrap()
}

fn generation(keeper: &Keeper, token: &str) -> Option<u64> {
    match keeper.check(token) {
        Verdict::Master { generation } => Some(generation),
        Verdict::Unknown => None,
        other => panic!("{other:?}"),
    }
}

fn ends(verdict: &Verdict) -> Option<OffsetDateTime> {
    match verdict {
        Verdict::Issued(grant) => Some(grant.ends.wall),
        _ => None,
    }
}

/// A directory as kubelet writes a Secret: `token -> ..data/token`, `..data -> ..1`.
fn kubelet(dir: &Path, version: &str, token: &str) -> PathBuf {
    fs::create_dir(dir.join(version)).unwrap();
    fs::write(dir.join(version).join("token"), token).unwrap();
    symlink(version, dir.join("..tmp")).unwrap();
    fs::rename(dir.join("..tmp"), dir.join("..data")).unwrap();
    let file = dir.join("token");
    if !file.is_symlink() {
        symlink("..data/token", &file).unwrap();
    }
    file
}

#[test]
fn a_token_file_that_is_replaced_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("given");
    fs::write(&file, OLD).unwrap();
    let keeper = with_file(dir.path(), &file);
    let mut changes = keeper.changes();
    assert_eq!(
        (generation(&keeper, OLD), generation(&keeper, NEW), changes.borrow_and_update().master),
        (Some(0), None, 0)
    );
    // In place and by rename; the same again is no change.
    fs::write(&file, NEW).unwrap();
    keeper.refresh();
    assert_eq!(
        (generation(&keeper, OLD), generation(&keeper, NEW), changes.borrow_and_update().master),
        (None, Some(1), 1)
    );
    fs::write(dir.path().join("x"), format!("{NEW}\n")).unwrap();
    fs::rename(dir.path().join("x"), &file).unwrap();
    keeper.refresh();
    assert!(!changes.has_changed().unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "with a given file nothing is written");
}

#[test]
fn a_secret_that_kubelet_swaps_is_followed_and_not_written() {
    let (dir, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = kubelet(dir.path(), "..1", OLD);
    let keeper = with_file(state.path(), &file);
    kubelet(dir.path(), "..2", NEW);
    fs::remove_dir_all(dir.path().join("..1")).unwrap();
    assert_eq!(
        (generation(&keeper, NEW), generation(&keeper, OLD)),
        (Some(1), None),
        "a token that is new is looked for"
    );
    let said = keeper.file.replace(&Token::parse(OLD).unwrap()).unwrap_err().to_string();
    assert!(said.starts_with(&format!("{}: is a Secret", file.display())), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), NEW);
}

#[test]
fn the_last_good_token_stays_while_the_file_holds_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("given");
    fs::write(&file, OLD).unwrap();
    let keeper = with_file(dir.path(), &file);
    for content in ["", "lightd_short", "rubbish", &"x".repeat(10_000)] {
        fs::write(&file, content).unwrap();
        keeper.refresh();
        assert_eq!(generation(&keeper, OLD), Some(0));
        assert_eq!(generation(&keeper, content), None);
    }
    fs::remove_file(&file).unwrap();
    keeper.refresh();
    assert_eq!(generation(&keeper, OLD), Some(0));
    fs::write(&file, NEW).unwrap();
    keeper.refresh();
    assert_eq!((generation(&keeper, OLD), generation(&keeper, NEW)), (None, Some(1)));
}

#[test]
fn without_a_token_there_is_no_keeper() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("given");
    let open = || Keeper::open(Settings { token_file: Some(file.clone()), ..settings(dir.path()) });
    assert!(open().err().unwrap().to_string().contains("no such file"));
    fs::write(&file, "").unwrap();
    assert!(open().err().unwrap().to_string().contains("Token must start with 'lightd_'"));
    // The state is of no use, and the token good all the same.
    fs::write(&file, OLD).unwrap();
    let settings = Settings { token_file: Some(file.clone()), ..settings(&file) };
    let keeper = Keeper::open(settings).unwrap();
    assert_eq!(generation(&keeper, OLD), Some(0));
    assert!(keeper.issue(LOOK, false).is_err());
}

#[test]
fn keepers_that_are_opened_at_once_agree() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(8);
        let open = || {
            barrier.wait();
            let keeper = Keeper::open(settings(dir.path())).unwrap();
            keeper.master().digest.to_hex()
        };
        let mut digests: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        digests.dedup();
        assert_eq!(digests.len(), 1);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_single_use_under_many_threads_and_two_keepers_succeeds_once() {
    let dir = tempfile::tempdir().unwrap();
    let keepers = [Keeper::open(settings(dir.path())).unwrap(), Keeper::open(settings(dir.path())).unwrap()];
    for _ in 0..5 {
        let (token, expires) = keepers[0].issue(Duration::from_secs(60), true).unwrap();
        let barrier = Barrier::new(20);
        let show = |keeper: &Keeper| {
            barrier.wait();
            keeper.check(token.as_str())
        };
        let verdicts: Vec<_> = std::thread::scope(|scope| {
            let show = &show;
            let keepers = keepers.iter().cycle().take(20);
            let threads: Vec<_> = keepers.map(|keeper| scope.spawn(move || show(keeper))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let is_good = |verdict: &&Verdict| ends(verdict) == Some(expires);
        assert_eq!(verdicts.iter().filter(is_good).count(), 1, "{verdicts:?}");
        assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Unknown).count(), 19, "{verdicts:?}");
    }
}

#[test]
fn an_issued_token_is_good_in_both_then_expired_and_outlives_the_master() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), FakeClock::new());
    let open = || Keeper::open_with(settings(dir.path()), clock.clone()).unwrap();
    let (one, two) = (open(), open());
    let (token, expires) = one.issue(Duration::from_secs(900), false).unwrap();
    let good = Some((Some(expires), token.digest().key()));
    let check = |keeper: &Keeper| {
        let verdict = keeper.check(token.as_str());
        Some((ends(&verdict), verdict.key()?))
    };
    for keeper in [&one, &two, &open(), &one] {
        assert_eq!(check(keeper), good);
    }
    one.file.replace(&Token::parse(NEW).unwrap()).unwrap();
    assert_eq!(generation(&two, NEW), Some(1));
    assert_eq!(check(&two), good);
    clock.pass(901);
    assert_eq!(two.check(token.as_str()), Verdict::Expired);
    let written = fs::read_to_string(dir.path().join("tokens.yaml")).unwrap();
    assert!(!written.contains("lightd_"), "{written}");
}

#[tokio::test]
async fn a_running_keeper_follows_within_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Arc::new(Keeper::open(settings(dir.path())).unwrap());
    let follower = tokio::spawn(keeper.clone().follow());
    let mut changes = keeper.changes();
    keeper.file.replace(&Token::parse(NEW).unwrap()).unwrap();
    tokio::time::timeout(Duration::from_secs(1), changes.changed()).await.unwrap().unwrap();
    assert_eq!(generation(&keeper, NEW), Some(1));
    follower.abort();
}

#[tokio::test]
async fn a_verdict_is_that_of_a_check_and_a_single_use_is_single() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Arc::new(Keeper::open(settings(dir.path())).unwrap());
    let master = settings(dir.path()).master().read().unwrap();
    assert_eq!(keeper.verdict(master.as_str(), || true).await, Verdict::Master { generation: 0 });
    for unknown in ["", "x", NEW] {
        assert_eq!(keeper.verdict(unknown, || true).await, Verdict::Unknown);
    }
    // Another process has just made it.
    let other = Keeper::open(settings(dir.path())).unwrap();
    let (token, expires) = other.issue(Duration::from_secs(60), false).unwrap();
    let verdict = keeper.verdict(token.as_str(), || true).await;
    assert_eq!(ends(&verdict), Some(expires));
    let (once, _) = keeper.issue(Duration::from_secs(60), true).unwrap();
    let tries = (0..20).map(|_| keeper.verdict(once.as_str(), || true));
    let good = futures_util::future::join_all(tries).await.into_iter().filter(|verdict| verdict.key().is_some());
    assert_eq!(good.count(), 1);
}

#[tokio::test]
async fn where_nobody_may_look_at_a_file_only_what_is_known_is_good() {
    let dir = tempfile::tempdir().unwrap();
    let keeper = Arc::new(Keeper::open(settings(dir.path())).unwrap());
    let master = settings(dir.path()).master().read().unwrap();
    let (again, _) = keeper.issue(Duration::from_secs(60), false).unwrap();
    let (once, _) = keeper.issue(Duration::from_secs(60), true).unwrap();
    // Another process has just made one.
    let other = Keeper::open(settings(dir.path())).unwrap();
    let (late, _) = other.issue(Duration::from_secs(60), false).unwrap();
    // Not `once`: to take it looks at the file, and so learns of the other.
    for (token, is_known) in [(&master, true), (&again, true), (&late, false), (&once, true)] {
        assert_eq!(keeper.verdict(token.as_str(), || false).await.key().is_some(), is_known);
    }
    keeper.refresh();
    assert!(keeper.verdict(late.as_str(), || false).await.key().is_some(), "the next look of who follows finds it");
}
