//! Manifests through the program itself.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ullage(words: &[&str], given: &str) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ullage"));
    program.arg("inject").args(words).env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = program.spawn().unwrap();
    // A program that refuses at once reads nothing.
    let _ = child.stdin.take().unwrap().write_all(given.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn stream(name: &str) -> (String, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inject").join(name);
    (std::fs::read_to_string(&path).unwrap(), path.to_str().unwrap().to_owned())
}

#[test]
fn a_stream_goes_through_and_comes_back() {
    let (given, _) = stream("deployment.yaml");
    let (expected, _) = stream("injected/deployment.yaml");
    for words in [&["--image", "ullage/ullage:1.2.3"][..], &["-f", "-", "--image=ullage/ullage:1.2.3", "-v"]] {
        let output = ullage(words, &given);
        assert!(output.status.success() && text(&output.stdout) == expected, "{output:?}");
        assert_eq!(text(&output.stderr), "deployment/shop: quota API for data (claim shop-data)\n");
    }
    let output = ullage(&["--remove"], &expected);
    assert!(text(&output.stdout) == given, "{output:?}");
    assert_eq!(text(&output.stderr), "deployment/shop: quota API removed\n");
}

#[test]
fn the_image_is_of_its_own_version() {
    let output = ullage(&[], &stream("anchors.yaml").0);
    let image = format!("        image: ullage/ullage:{}\n", env!("CARGO_PKG_VERSION"));
    assert!(text(&output.stdout).contains(&image), "{output:?}");
}

#[test]
fn files_become_one_stream_and_who_has_no_claim_is_told_of_when_asked() {
    let (one, first) = stream("crlf.yaml");
    let (_, second) = stream("list.yaml");
    let output = ullage(&["-f", &first, "-f", &second, "--verbose"], "");
    assert!(text(&output.stdout).starts_with(&one[..40]), "{output:?}");
    assert!(text(&output.stdout).contains("\"cafe\"\r\n"), "{output:?}");
    assert!(text(&output.stdout).contains("---\r\nkind: List\n"), "{output:?}");
    let said = "pod/windows-text: quota API for data (claim data)\ndaemonset/each: quota API for d (claim d)\n\
                replicaset/none: mounts no claim with a filesystem\n";
    assert_eq!(text(&output.stderr), said);
}

#[test]
fn what_is_refused_leaves_nothing_to_apply() {
    let (_, good) = stream("deployment.yaml");
    let output = ullage(&["-f", &good, "-f", "-"], "a: 1\n---\n- {{ .Values.a }}\n");
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(1), ""));
    assert!(text(&output.stderr).starts_with("ullage: standard input: document 2, line 3, column 4: "), "{output:?}");
    let output = ullage(&["-f", "/none.yaml"], "");
    assert_eq!(text(&output.stderr), "ullage: cannot read /none.yaml: No such file or directory (os error 2)\n");
    let output = ullage(&["--image", "no image"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("[REGISTRY/]NAME[:TAG][@DIGEST]"), "{output:?}");
}
