//! The floors of the house: a module uses only what stands below it, and some things live on one floor only.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::path::{Path, PathBuf};

/// From the ground up. `src/lib.rs` says what each is.
const FLOORS: [&str; 19] = [
    "model", "sys", "yaml", "inject", "rpc", "fs_tools", "host", "projects", "config", "store", "backend", "engine",
    "observe", "k8s", "monitor", "api", "csi", "commands", "cli",
];

/// A text, and the only floors that may have it.
const CONFINED: [(&str, &[&str]); 17] = [
    ("unsafe ", &["sys"]),
    ("libc::", &["sys"]),
    ("linux_raw_sys", &["sys"]),
    ("serde_yaml", &["yaml"]),
    ("saphyr_parser", &["yaml"]),
    ("std::process::Command", &["fs_tools"]),
    ("Command::new", &["fs_tools"]),
    ("tonic::", &["rpc", "csi", "commands"]),
    ("prost::", &["rpc", "csi"]),
    ("axum::", &["observe", "api"]),
    ("tokio_tungstenite", &["api", "commands"]),
    ("kube::", &["k8s"]),
    ("k8s_openapi::", &["k8s"]),
    ("tracing_subscriber", &["observe"]),
    ("prometheus_client", &["observe"]),
    ("clap::", &["cli"]),
    ("tokio::", &["rpc", "observe", "k8s", "monitor", "api", "csi", "commands"]),
];

struct Source {
    path: PathBuf,
    floor: String,
    code: String,
}

/// The code without comments and without the tests beside it.
fn code_of(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn house() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let paths = sources(&root).into_iter();
    let inside =
        paths.filter(|path| !matches!(path.file_name().and_then(|name| name.to_str()), Some("lib.rs" | "main.rs")));
    inside
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let first = relative.components().next().unwrap().as_os_str().to_string_lossy();
            let floor = first.trim_end_matches(".rs").to_owned();
            let code = code_of(&std::fs::read_to_string(&path).unwrap());
            Source { path, floor, code }
        })
        .collect()
}

fn height(floor: &str) -> Option<usize> {
    FLOORS.iter().position(|name| *name == floor)
}

/// The floors that a file names after `crate::`, also in `use crate::{a, b::c}`.
fn used(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let group = rest.strip_prefix('{').map(|rest| rest.split("};").next().unwrap_or(rest));
        let heads = group.map_or_else(|| vec![rest], |group| top_level(group));
        names.extend(
            heads
                .into_iter()
                .map(|head| head.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>()),
        );
    }
    names.retain(|name| !name.is_empty());
    names
}

fn top_level(group: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&group[from..]);
    parts
}

fn wrong_arrows(floor: &str, code: &str) -> Vec<String> {
    let own = height(floor);
    let upward = |name: &String| name != floor && height(name) >= own;
    used(code).into_iter().filter(upward).map(|name| format!("{floor} uses {name}")).collect()
}

fn misplaced(floor: &str, code: &str) -> Vec<String> {
    let lives_elsewhere = |(text, floors): &&(&str, &[&str])| code.contains(text) && !floors.contains(&floor);
    CONFINED.iter().filter(lives_elsewhere).map(|(text, floors)| format!("{text} lives only in {floors:?}")).collect()
}

#[test]
fn every_arrow_points_down() {
    let house = house();
    assert!(house.len() > 50, "only {} files were found", house.len());
    let wrong: Vec<_> = house
        .iter()
        .flat_map(|source| {
            let known = height(&source.floor).map_or(vec![format!("{} is no floor", source.floor)], |_| Vec::new());
            let all = known.into_iter().chain(wrong_arrows(&source.floor, &source.code));
            all.map(|wrong| format!("{}: {wrong}", source.path.display())).collect::<Vec<_>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_lives_on_one_floor_is_not_on_another() {
    let wrong: Vec<_> = house()
        .iter()
        .flat_map(|source| {
            misplaced(&source.floor, &source.code)
                .into_iter()
                .map(|wrong| format!("{}: {wrong}", source.path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn this_test_sees_what_it_looks_for() {
    assert_eq!(wrong_arrows("store", "use crate::engine::Engine;"), ["store uses engine"]);
    assert_eq!(wrong_arrows("store", "use crate::{model::{A, B}, csi::C};"), ["store uses csi"]);
    assert_eq!(
        wrong_arrows("engine", "use crate::store::Record; crate::engine::x(); // crate::csi"),
        ["engine uses csi"]
    );
    assert_eq!(
        wrong_arrows("engine", &code_of("use crate::model::A; // crate::csi\n#[cfg(test)] crate::cli")),
        [""; 0]
    );
    assert_eq!(misplaced("engine", "tokio::spawn(x)").len(), 1);
    assert_eq!(misplaced("csi", "tokio::spawn(x)").len(), 0);
}
