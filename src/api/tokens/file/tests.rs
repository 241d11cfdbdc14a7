use super::*;

const ACCESS: Access = Access { mode: 0o600, owner: None };

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn killed_before_the_rename_the_old_one_stays_and_what_is_left_goes_later() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("token");
    fs::write(&target, "old").unwrap();
    // A process that is killed drops nothing.
    let staged = std::mem::ManuallyDrop::new(Staged::write(&target, b"new", ACCESS).unwrap());
    assert_eq!(fs::read(&target).unwrap(), b"old");
    Staged::write(&target, b"newer", ACCESS).unwrap().replace().unwrap();
    assert_eq!(names(dir.path()).len(), 2, "what may still be in use stays");
    let old = SystemTime::now() - Duration::from_secs(120);
    File::options().write(true).open(&staged.temporary).unwrap().set_modified(old).unwrap();
    Staged::write(&target, b"newest", ACCESS).unwrap().replace().unwrap();
    assert_eq!(names(dir.path()), ["token"]);
    assert_eq!(fs::read(&target).unwrap(), b"newest");
}

#[test]
fn only_the_first_is_put_there() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("token");
    let access = Access { mode: 0o644, owner: None };
    assert!(Staged::write(&target, b"one", access).unwrap().put_first().unwrap());
    assert!(!Staged::write(&target, b"two", ACCESS).unwrap().put_first().unwrap());
    assert_eq!(fs::read(&target).unwrap(), b"one");
    assert_eq!(fs::metadata(&target).unwrap().mode() & 0o7777, 0o644);
    assert_eq!(names(dir.path()), ["token"]);
}

#[test]
fn what_is_no_plain_small_file_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(read(&pipe, 10).is_err());
    assert!(read(dir.path(), 10).is_err());
    let file = dir.path().join("file");
    assert!(read(&file, 10).unwrap().is_none());
    fs::write(&file, "12345678901").unwrap();
    assert!(read(&file, 10).is_err());
    assert!(read(&file, 11).unwrap().unwrap().1.is_at(&file));
}

#[test]
fn a_replaced_file_is_seen_though_nothing_else_differs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let opened = read(&file, 10).unwrap().unwrap().1;
    for _ in 0..20 {
        Staged::write(&file, b"y", ACCESS).unwrap().replace().unwrap();
        assert!(!opened.is_at(&file));
    }
}
