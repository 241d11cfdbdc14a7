//! `deny.toml` allows the licences that the dependencies need, and no other. `cargo deny` itself is nowhere run: it is no part of
//! Rust's own tools.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The words in quotes of a list in `deny.toml`.
fn list(key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let code = lines.collect::<Vec<_>>().join("\n");
    let (_, rest) = code.split_once(&format!("{key} = [")).unwrap();
    let inside = rest.split(']').next().unwrap();
    inside.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Of each package that becomes part of the program or of its tests, on the machines that `deny.toml` names.
fn licences() -> BTreeMap<String, String> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--format-version", "1", "--all-features"]);
    for target in list("targets") {
        cargo.arg("--filter-platform").arg(target);
    }
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let licence = |package: &serde_json::Value| {
        let name = format!("{} {}", package["name"].as_str().unwrap(), package["version"].as_str().unwrap());
        (name, package["license"].as_str().unwrap_or("none").to_owned())
    };
    let found: BTreeMap<_, _> = metadata["packages"].as_array().unwrap().iter().map(licence).collect();
    assert!(found.len() > 100, "only {found:?}");
    found
}

/// Whether those licences satisfy an expression of SPDX, or one of before it, with a slash.
fn satisfied(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ").replace(" WITH ", "+WITH+");
    let mut words = spaced.split_whitespace().collect::<Vec<_>>().into_iter().peekable();
    any(&mut words, allowed)
}

type Words<'a> = std::iter::Peekable<std::vec::IntoIter<&'a str>>;

fn any(words: &mut Words, allowed: &[&str]) -> bool {
    let mut holds = all(words, allowed);
    while words.next_if_eq(&"OR").is_some() {
        holds |= all(words, allowed);
    }
    holds
}

fn all(words: &mut Words, allowed: &[&str]) -> bool {
    let mut holds = one(words, allowed);
    while words.next_if_eq(&"AND").is_some() {
        holds &= one(words, allowed);
    }
    holds
}

fn one(words: &mut Words, allowed: &[&str]) -> bool {
    match words.next() {
        Some("(") => {
            let holds = any(words, allowed);
            assert_eq!(words.next(), Some(")"));
            holds
        }
        word => word.is_some_and(|word| allowed.contains(&&*word.replace("+WITH+", " WITH "))),
    }
}

#[test]
fn every_dependency_has_a_licence_that_is_allowed_and_every_allowed_one_is_needed() {
    let (allowed, licences) = (list("allow"), licences());
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let refused: Vec<_> = licences.iter().filter(|(_, licence)| !satisfied(licence, &allowed)).collect();
    assert!(refused.is_empty(), "not allowed in deny.toml: {refused:#?}");
    for one in &allowed {
        let others: Vec<&str> = allowed.iter().filter(|other| *other != one).copied().collect();
        let needed = licences.values().any(|licence| !satisfied(licence, &others));
        assert!(needed, "nobody needs {one}, which deny.toml allows");
    }
}

#[test]
fn an_expression_is_read_as_it_is_meant() {
    let cases = [
        ("MIT", true),
        ("ISC", false),
        ("ISC OR MIT", true),
        ("MIT AND ISC", false),
        ("Apache-2.0/MIT", true),
        ("(MIT OR ISC) AND Zlib", true),
        ("MIT OR ISC AND Zlib", true),
        ("(ISC OR MIT) AND (ISC OR BSD-3-Clause)", false),
        ("Apache-2.0 WITH LLVM-exception", false),
        ("Zlib WITH some-exception", true),
    ];
    for (expression, expected) in cases {
        assert_eq!(satisfied(expression, &["MIT", "Zlib", "Zlib WITH some-exception"]), expected, "{expression}");
    }
}
