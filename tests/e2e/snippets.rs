//! The commands of the pages for users, taken from the pages themselves: what is written there is what is tried.
//!
//! A command is a block without a language, or a whole one between backquotes; a block of YAML is values of the chart. Each is
//! taken by a test, or stands in [`LEFT`] with the reason: one that is new and neither fails the last test.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use crate::cluster::{project, try_run};

pub(crate) const README: &str = "README.md";
pub(crate) const KUBERNETES: &str = "docs/kubernetes.md";
pub(crate) const OPERATIONS: &str = "docs/operations.md";

/// The pages, and of the README the one section that is about a cluster.
const PAGES: [(&str, Option<&str>); 3] = [(README, Some("On Kubernetes")), (KUBERNETES, None), (OPERATIONS, None)];

/// What is not tried here: page, section, words of it, and why.
const LEFT: [(&str, &str, &str, &str); 8] = [
    (KUBERNETES, "Installing", "ctr -n k8s.io images import", "tests/e2e/bed imports the image in just this way"),
    (KUBERNETES, "Installing", "k3s ctr images import", "the cluster is no k3s"),
    (KUBERNETES, "Installing", "mount --make-rshared /", "tests/e2e/node does it, before its kubelet starts"),
    (KUBERNETES, "Metrics and alerts", "podMonitor.enabled", "there is no Prometheus operator; tests/chart renders it"),
    (OPERATIONS, "Preparing disks", "mkfs.xfs", "it formats a disk, and no machine has one to spare for that"),
    (OPERATIONS, "Uninstalling", "rm -r /var/lib/ullage", "a mount on a node of the bed, which takes it away itself"),
    (OPERATIONS, "Uninstalling", "here.img", "a pool with an image needs project quotas: tests/guest"),
    (OPERATIONS, "Uninstalling", "umount /srv/here", "of the same pool"),
];

/// What a command between backquotes begins with, and how many words it has at least: `kubectl logs` is none, just a name.
const PROGRAMS: [(&str, usize); 9] = [
    ("kubectl", 3),
    ("helm", 3),
    ("ullage", 3),
    ("rm", 2),
    ("rmdir", 2),
    ("umount", 2),
    ("mount", 2),
    ("ctr", 2),
    ("k3s", 2),
];

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Snippet {
    page: &'static str,
    section: String,
    is_yaml: bool,
    pub(crate) text: String,
}

/// Everything in the pages that can be followed.
fn all() -> Vec<Snippet> {
    let of_page = |(page, only): (&'static str, Option<&str>)| {
        let mut found = snippets(page, &fs::read_to_string(project(page)).unwrap());
        found.retain(|one| only.is_none_or(|section| one.section == section));
        assert!(!found.is_empty(), "{page} has no commands");
        found
    };
    PAGES.into_iter().flat_map(of_page).collect()
}

fn snippets(page: &'static str, text: &str) -> Vec<Snippet> {
    let (mut found, mut section, mut prose) = (Vec::new(), String::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let block: Vec<_> = lines.by_ref().take_while(|line| line.trim_start() != "```").collect();
            if language.is_empty() || language == "yaml" {
                let is_yaml = !language.is_empty();
                found.push(Snippet { page, section: section.clone(), is_yaml, text: block.join("\n") });
            }
        } else if let Some(title) = line.strip_prefix("## ") {
            found.extend(spoken(page, &section, &prose));
            (section, prose) = (title.to_owned(), String::new());
        } else {
            prose += line;
            prose.push(' ');
        }
    }
    found.extend(spoken(page, &section, &prose));
    found
}

/// The commands between backquotes.
fn spoken(page: &'static str, section: &str, prose: &str) -> Vec<Snippet> {
    let spans: Vec<_> = prose.split('`').collect();
    assert!(spans.len() % 2 == 1, "{page}, {section}: a backquote is missing");
    let is_command = |text: &&&str| {
        let words: Vec<_> = text.split_whitespace().collect();
        PROGRAMS.iter().any(|(program, least)| words.first() == Some(program) && words.len() >= *least)
    };
    let snippet = |text: &&str| Snippet { page, section: section.to_owned(), is_yaml: false, text: (*text).to_owned() };
    spans.iter().skip(1).step_by(2).filter(is_command).map(snippet).collect()
}

/// The one that is these words, or else the one that has them.
fn find(page: &str, section: &str, words: &str) -> Snippet {
    let all: Vec<_> = all().into_iter().filter(|one| one.page == page && one.section == section).collect();
    let (same, with): (Vec<_>, Vec<_>) = (
        all.iter().filter(|one| one.text.trim() == words).collect(),
        all.iter().filter(|one| one.text.contains(words)).collect(),
    );
    match (same.as_slice(), with.as_slice()) {
        ([one, ..], _) | ([], [one]) => (*one).clone(),
        _ => panic!("{page}, '{section}': not one has the words '{words}': {with:#?}"),
    }
}

/// The commands of a page, to be followed; it is noted that they were.
pub(crate) fn take(page: &str, section: &str, words: &str) -> String {
    let found = find(page, section, words);
    note(&found);
    found.text
}

/// All values of the chart, to be followed.
pub(crate) fn take_values() -> Vec<Snippet> {
    let values: Vec<_> = all().into_iter().filter(|one| one.is_yaml).collect();
    values.iter().for_each(note);
    values
}

fn notes() -> PathBuf {
    project("target/e2e/followed")
}

/// The parts of the tests are processes of their own.
fn note(snippet: &Snippet) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(notes()).unwrap();
    file.write_all(format!("{snippet:?}\n").as_bytes()).unwrap();
}

/// Nothing was followed yet.
pub(crate) fn begin() {
    fs::create_dir_all(project("target/e2e")).unwrap();
    fs::write(notes(), "").unwrap();
}

/// The commands with what they leave open filled in; all of that has to be there.
pub(crate) fn filled(commands: &str, names: &[(&str, &str)]) -> String {
    names.iter().fold(commands.to_owned(), |text, (name, value)| {
        assert!(text.contains(name), "there is no {name} in: {text}");
        text.replace(name, value)
    })
}

pub(crate) fn try_follow(commands: &str) -> Result<String, String> {
    try_run("sh", &["-exc", &format!("cd '{}'\n{commands}", project("").display())], "")
}

pub(crate) fn follow(commands: &str) -> String {
    try_follow(commands).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_is_left_out_is_in_the_pages() {
    for (page, section, words, reason) in LEFT {
        assert!(!find(page, section, words).is_yaml, "{words}: {reason}");
    }
}

/// The last of all tests: nothing in the pages was forgotten, and nothing is excused that is followed all the same.
pub(crate) fn every_command_was_followed() {
    let noted = fs::read_to_string(notes()).unwrap();
    let left: Vec<_> = LEFT.iter().map(|(page, section, words, _)| find(page, section, words)).collect();
    let (mut forgotten, mut excused) = (Vec::new(), Vec::new());
    for one in all() {
        let is_followed = noted.lines().any(|line| line == format!("{one:?}"));
        match (is_followed, left.contains(&one)) {
            (false, false) => forgotten.push(one),
            (true, true) => excused.push(one),
            _ => {}
        }
    }
    assert!(forgotten.is_empty(), "no test follows these; take() them in one, or put them in LEFT: {forgotten:#?}");
    assert!(excused.is_empty(), "these are followed, and stand in LEFT: {excused:#?}");
}
