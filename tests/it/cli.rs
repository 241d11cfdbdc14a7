//! What the program says before it reaches any machine.

use std::process::{Command, Output};

fn ullage(words: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_ullage"));
    program.args(words).env_clear().output().unwrap()
}

fn said(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn where_nobody_listens_it_says_what_to_do() {
    let scratch = tempfile::tempdir().unwrap();
    let socket = scratch.path().join("csi.sock");
    let socket = socket.to_str().unwrap();
    let expected = format!("ullage: nothing listens at {socket}: is ullage running? (ullage standalone --pool DIR)\n");
    for spelling in [socket.to_owned(), format!("unix://{socket}")] {
        assert_eq!(said(&ullage(&["volume", "list", "--socket", &spelling])), (Some(1), expected.clone()));
    }
    assert_eq!(said(&ullage(&["volume", "--csi-endpoint", socket, "delete", "db"])), (Some(1), expected));
}

#[test]
fn a_wrong_word_is_a_usage_error() {
    for words in [&["volume", "create", "db", "--size", "100m"][..], &["standalone"], &["volume", "list", "-o", "xml"]]
    {
        let (code, said) = said(&ullage(words));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.starts_with("error: "), "{said}");
    }
}

#[test]
fn it_knows_its_version() {
    let output = ullage(&["--version"]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("ullage {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_fault_of_a_configuration_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("config.yaml");
    std::fs::write(&file, "pools: [{name: a, path: relative}]\ndefaults: {size: 1}\n").unwrap();
    let file = file.to_str().unwrap();
    let (code, said) = said(&ullage(&["driver", "--config", file, "--node-name", "n1"]));
    assert_eq!(code, Some(1));
    assert!(said.contains(&format!("{file}: pools[0].path: ")), "{said}");
    assert!(said.contains(&format!("{file}: defaults.size: ")), "{said}");
}
