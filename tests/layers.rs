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
    /// The names of the modules on the way to it: the floor first.
    module: Vec<String>,
    code: String,
}

impl Source {
    fn floor(&self) -> &str {
        &self.module[0]
    }
}

/// The code without comments and without the modules of tests beside it, which end where rustfmt lets them end.
fn code_of(text: &str) -> String {
    let (mut lines, mut kept) = (text.lines().peekable(), Vec::new());
    while let Some(line) = lines.next() {
        let mut attributes = vec![line];
        while line.trim() == "#[cfg(test)]"
            && let Some(attribute) = lines.next_if(|next| next.trim().starts_with("#["))
        {
            attributes.push(attribute);
        }
        let is_test = line.trim() == "#[cfg(test)]" && lines.peek().is_some_and(|next| next.trim().starts_with("mod "));
        if !is_test {
            kept.extend(attributes);
        } else if lines.next().is_some_and(|module| module.ends_with('{')) {
            let end = line.replace("#[cfg(test)]", "}");
            lines.by_ref().find(|line| *line == end);
        }
    }
    kept.into_iter().map(uncommented).collect::<Vec<_>>().join("\n")
}

/// Two slashes in the middle of a word are part of an address.
fn uncommented(line: &str) -> &str {
    let is_comment = |at: &usize| *at == 0 || line[..*at].ends_with(' ');
    let comment = line.match_indices("//").map(|(at, _)| at).find(is_comment);
    &line[..comment.unwrap_or(line.len())]
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
            let relative = path.strip_prefix(&root).unwrap().with_extension("");
            let names = relative.components().map(|name| name.as_os_str().to_string_lossy().into_owned());
            let module = names.filter(|name| name != "mod").collect();
            let code = code_of(&std::fs::read_to_string(&path).unwrap());
            Source { path, module, code }
        })
        .collect()
}

fn height(floor: &str) -> Option<usize> {
    FLOORS.iter().position(|name| *name == floor)
}

/// The floors that a file names after `crate::`, also in `use crate::{a, b::c}`, or after as many `super::` as lead out of its
/// own.
fn used(module: &[&str], code: &str) -> Vec<String> {
    let by_crate = code.match_indices("crate::").map(|(at, root)| at + root.len());
    let mut names: Vec<_> = by_crate.flat_map(|at| heads(&code[at..])).collect();
    let mut rest = code;
    while let Some(at) = rest.find("super::") {
        rest = &rest[at..];
        let mut up = 0;
        while let Some(above) = rest.strip_prefix("super::") {
            (rest, up) = (above, up + 1);
        }
        if up >= module.len() {
            names.extend(heads(rest));
        }
    }
    names
}

/// The names with which a path goes on, or every path of a group in braces.
fn heads(rest: &str) -> Vec<String> {
    let group = rest.strip_prefix('{').map(|rest| rest.split("};").next().unwrap_or(rest));
    let heads = group.map_or_else(|| vec![rest], top_level).into_iter();
    let names = heads.map(|head| head.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
    names.filter(|name: &String| !name.is_empty()).collect()
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

fn wrong_arrows(module: &[&str], code: &str) -> Vec<String> {
    let (floor, own) = (module[0], height(module[0]));
    let upward = |name: &String| name != floor && height(name) >= own;
    used(module, code).into_iter().filter(upward).map(|name| format!("{floor} uses {name}")).collect()
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
            let floor = source.floor();
            let known = height(floor).map_or(vec![format!("{floor} is no floor")], |_| Vec::new());
            let module: Vec<&str> = source.module.iter().map(String::as_str).collect();
            let all = known.into_iter().chain(wrong_arrows(&module, &source.code));
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
            misplaced(source.floor(), &source.code)
                .into_iter()
                .map(|wrong| format!("{}: {wrong}", source.path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn this_test_sees_what_it_looks_for() {
    let arrows = |module: &[&str], code: &str| wrong_arrows(module, &code_of(code));
    let none = [""; 0];
    assert_eq!(arrows(&["store"], "use crate::engine::Engine;"), ["store uses engine"]);
    assert_eq!(arrows(&["store"], "use crate::{model::{A, B}, csi::C};"), ["store uses csi"]);
    assert_eq!(arrows(&["engine", "create"], "use crate::store::Record; crate::engine::x(); // crate::csi"), none);
    assert_eq!(arrows(&["engine"], "let at = \"http://x\"; crate::csi::x();"), ["engine uses csi"]);
    assert_eq!(arrows(&["engine", "create"], "use super::Engine; use super::super::store::A;"), none);
    assert_eq!(arrows(&["engine", "create"], "use super::super::{model, csi};"), ["engine uses csi"]);
    assert_eq!(arrows(&["engine"], "super::csi::x()"), ["engine uses csi"]);
    let behind =
        "\nmod mock;\nuse crate::csi::A;\n#[cfg(test)]\nmod tests {\n    use crate::cli;\n}\nuse crate::api::B;\n";
    for test in ["#[cfg(test)]", "#[cfg(test)]\n#[cfg(feature = \"fake\")]"] {
        assert_eq!(arrows(&["engine"], &format!("{test}{behind}")), ["engine uses csi", "engine uses api"]);
    }
    assert_eq!(arrows(&["engine"], "#[cfg(test)]\nuse crate::csi::A;"), ["engine uses csi"]);
    assert_eq!(misplaced("engine", "tokio::spawn(x)").len(), 1);
    assert_eq!(misplaced("csi", "tokio::spawn(x)").len(), 0);
}
