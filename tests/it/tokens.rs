//! Tokens among processes: the real binary, keepers in several processes, real files.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ullage::api::tokens::{Keeper, Settings, Verdict};

const OLD: &str = "lightd_00000000000000000000000000000000";
const NEW: &str = "lightd_1111111111111";

fn command(words: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ullage"));
    command.args(words).arg("--state-dir").arg(dir).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn ullage(words: &[&str], dir: &Path) -> (i32, String, String) {
    ended(command(words, dir).output().unwrap())
}

fn typed(words: &[&str], dir: &Path, input: &str) -> (i32, String, String) {
    let mut child = command(words, dir).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    ended(child.wait_with_output().unwrap())
}

fn keeper(dir: &Path) -> Keeper {
    Keeper::open(Settings { token_file: None, state_dir: dir.to_owned(), mode: Settings::SHARED }).unwrap()
}

fn is_master(keeper: &Keeper, token: &str) -> bool {
    matches!(keeper.check(token.trim_end()), Verdict::Master { .. })
}

/// This test program again, as another process that does `what` in `dir`.
fn other(what: &str, dir: &Path) -> Child {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["tokens::as_another_process", "--exact", "--nocapture"]);
    program.env("ULLAGE_TEST", what).env("ULLAGE_TEST_DIR", dir).stdout(Stdio::piped()).spawn().unwrap()
}

/// The line that the other process said.
fn said(other: Child) -> String {
    let output = String::from_utf8(other.wait_with_output().unwrap().stdout).unwrap();
    let line = output.lines().find_map(|line| line.split_once("said: "));
    line.unwrap_or_else(|| panic!("{output}")).1.to_owned()
}

#[test]
fn as_another_process() {
    let (Ok(what), Ok(dir)) = (std::env::var("ULLAGE_TEST"), std::env::var("ULLAGE_TEST_DIR")) else { return };
    let dir = Path::new(&dir);
    let start = dir.join("start");
    while what != "issue" && !start.exists() {
        std::thread::sleep(Duration::from_micros(200));
    }
    let answer = match what.split_once(' ') {
        None if what == "open" => {
            keeper(dir);
            fs::read_to_string(dir.join("token")).unwrap()
        }
        None => keeper(dir).issue(Duration::from_secs(60), false).unwrap().0.as_str().to_owned(),
        Some((_, token)) => {
            let keeper = keeper(dir);
            let good = (0..20).filter(|_| matches!(keeper.check(token), Verdict::Issued { .. })).count();
            good.to_string()
        }
    };
    writeln!(std::io::stdout(), "\nsaid: {}", answer.trim_end()).unwrap();
}

#[test]
fn what_reset_and_set_in_both_spellings() {
    let dir = tempfile::tempdir().unwrap();
    let (state, file) = (dir.path().join("state"), dir.path().join("state/token"));
    let (code, out, err) = ullage(&["token", "what"], &state);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.starts_with(&format!("ullage: {}: there is no token yet: ", file.display())), "{err}");

    let (code, first, err) = ullage(&["token", "reset"], &state);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(first.starts_with("lightd_") && first.len() == 40, "{} characters", first.len());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(ullage(&["--token", "what"], &state), (0, first.clone(), String::new()));
    let (_, second, _) = ullage(&["--token", "reset"], &state);
    assert_ne!(first, second);

    for input in [format!("{NEW}\n"), format!("{NEW}\r\n"), NEW.to_owned(), format!("{NEW}\nmore\n")] {
        let (code, out, err) = typed(&["--token=set"], &state, &input);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(!out.contains("lightd_"), "what was typed is not repeated");
        assert_eq!(ullage(&["token", "what"], &state).1, format!("{NEW}\n"));
    }
    for (input, error) in [
        ("", "Error: Token must start with 'lightd_'\n"),
        ("secret\n", "Error: Token must start with 'lightd_'\n"),
        ("lightd_secret\n", "Error: Token too short (minimum 20 characters)\n"),
    ] {
        assert_eq!(typed(&["token", "set"], &state, input), (1, String::new(), error.to_owned()));
    }
    assert_eq!(ullage(&["token", "what"], &state).1, format!("{NEW}\n"));
    assert_eq!(ullage(&["--token", "which"], &state).0, 2);
}

#[test]
fn a_token_file_that_is_not_ours_to_write_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    fs::create_dir_all(secret.join("..1")).unwrap();
    fs::write(secret.join("..1/token"), OLD).unwrap();
    symlink("..1", secret.join("..data")).unwrap();
    symlink("..data/token", secret.join("token")).unwrap();
    let plain = dir.path().join("plain");
    fs::write(&plain, OLD).unwrap();
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o400)).unwrap();
    for file in [secret.join("token"), plain] {
        let file = file.to_str().unwrap();
        for verb in ["reset", "set"] {
            let (code, out, err) = typed(&["token", verb, "--token-file", file], dir.path(), NEW);
            assert_eq!((code, out.as_str()), (1, ""));
            assert!(err.starts_with(&format!("ullage: {file}: is ")), "{err}");
        }
        assert_eq!(ullage(&["token", "what", "--token-file", file], dir.path()).1, format!("{OLD}\n"));
    }
}

#[test]
fn a_running_server_follows_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let keepers = [keeper(dir.path()), keeper(dir.path())];
    let (_, old, _) = ullage(&["token", "what"], dir.path());
    assert!(keepers.iter().all(|keeper| is_master(keeper, &old)));
    let (_, new, _) = ullage(&["token", "reset"], dir.path());
    keepers.iter().for_each(Keeper::refresh);
    assert!(keepers.iter().all(|keeper| is_master(keeper, &new) && !is_master(keeper, &old)));
    assert_eq!(fs::metadata(dir.path().join("token")).unwrap().mode() & 0o777, 0o644, "any user of the pod reads it");
}

#[test]
fn processes_that_start_together_agree_and_honour_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let others: Vec<_> = (0..4).map(|_| other("open", dir.path())).collect();
    std::thread::sleep(Duration::from_millis(100));
    fs::write(dir.path().join("start"), "").unwrap();
    let mut tokens: Vec<_> = others.into_iter().map(said).collect();
    tokens.dedup();
    assert_eq!(tokens.len(), 1);

    let here = keeper(dir.path());
    assert!(is_master(&here, &tokens[0]));
    let issued = said(other("issue", dir.path()));
    assert!(matches!(here.check(&issued), Verdict::Issued { .. }));
}

#[test]
fn a_single_use_is_one_use_among_processes() {
    let dir = tempfile::tempdir().unwrap();
    let here = keeper(dir.path());
    let (token, _) = here.issue(Duration::from_secs(60), true).unwrap();
    let others: Vec<_> = (0..4).map(|_| other(&format!("use {}", token.as_str()), dir.path())).collect();
    std::thread::sleep(Duration::from_millis(100));
    fs::write(dir.path().join("start"), "").unwrap();
    let uses: u32 = others.into_iter().map(|other| said(other).parse::<u32>().unwrap()).sum();
    assert_eq!(uses, 1);
    assert_eq!(here.check(token.as_str()), Verdict::Unknown);
    // What this process writes now does not bring it back.
    here.issue(Duration::from_secs(60), true).unwrap();
    assert_eq!(keeper(dir.path()).check(token.as_str()), Verdict::Unknown);
}

#[test]
fn killed_at_any_moment_there_is_a_whole_token() {
    let dir = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let (_, mut token, _) = ullage(&["token", "reset"], dir.path());
    let whole = begun.elapsed();
    let mut old = 0;
    for n in 0..60 {
        let mut child = command(&["token", "reset"], dir.path()).spawn().unwrap();
        std::thread::sleep(whole * n / 50);
        child.kill().unwrap();
        child.wait().unwrap();
        let now = fs::read_to_string(dir.path().join("token")).unwrap();
        assert!(now.len() == 40 && now.starts_with("lightd_") && now.ends_with('\n'));
        old += u32::from(now == token);
        token = now;
    }
    assert!(old > 0, "none was killed in time");
    assert!(is_master(&keeper(dir.path()), &token));
}
