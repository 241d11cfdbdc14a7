use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use super::{Error, Result};
use crate::inject::{self, Note, Outcome, Task, Weight};

/// What `ullage inject` is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inject {
    /// The manifests; `-` is standard input, and so is none at all.
    pub files: Vec<PathBuf>,
    /// What is wanted in them.
    pub task: Task,
    /// Tell of workloads, too, in which nothing was to do.
    pub is_verbose: bool,
}

const STANDARD: &str = "-";

/// Writes the manifests to standard output as they are wanted, and what was done to standard error. Nothing is written
/// before all of them were understood: half a stream would be applied.
pub fn inject(role: Inject) -> Result<()> {
    let files = if role.files.is_empty() { vec![PathBuf::from(STANDARD)] } else { role.files };
    let mut whole = String::new();
    let mut notes = Vec::new();
    for file in &files {
        let text = read(file)?;
        let named = |source| Error::Manifest { file: name(file), source };
        let Outcome { text, notes: told } = inject::inject(&text, &role.task).map_err(named)?;
        join(&mut whole, &text);
        notes.extend(told);
    }
    let mut told = io::stderr().lock();
    let worth = |note: &&Note| role.is_verbose || note.weight != Weight::Idle;
    for Note { workload, text, weight } in notes.iter().filter(worth) {
        let warning = if *weight == Weight::Warning { "warning: " } else { "" };
        let _ = writeln!(told, "{workload}: {warning}{text}");
    }
    let mut out = io::stdout().lock();
    out.write_all(whole.as_bytes()).and_then(|()| out.flush()).map_err(Error::step("write the manifests"))
}

fn read(file: &Path) -> Result<String> {
    let is_standard = file == Path::new(STANDARD);
    let mut text = String::new();
    let read = match is_standard {
        true if io::stdin().is_terminal() => Err(io::Error::other("it is a terminal: name a manifest with -f FILE")),
        true => io::stdin().lock().read_to_string(&mut text).map(|_| text),
        false => std::fs::read_to_string(file),
    };
    read.map_err(Error::step(format!("read {}", name(file))))
}

fn name(file: &Path) -> String {
    if file == Path::new(STANDARD) { "standard input".to_owned() } else { file.display().to_string() }
}

/// One stream of several: a document of its own for what begins without a mark. A directive (`%YAML`) is one only where a
/// document begins, so that the one before has to be ended in so many words.
fn join(whole: &mut String, text: &str) {
    if whole.is_empty() {
        return whole.push_str(text);
    }
    let eol = if whole.contains("\r\n") { "\r\n" } else { "\n" };
    if !whole.ends_with('\n') {
        whole.push_str(eol);
    }
    // The mark of its encoding is one only where a stream begins.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mark = match text.lines().find(|line| !line.trim_start().is_empty() && !line.trim_start().starts_with('#')) {
        Some(line) if line.starts_with('%') => "...",
        _ if text.starts_with("---") => "",
        _ => "---",
    };
    if !mark.is_empty() {
        whole.extend([mark, eol]);
    }
    whole.push_str(text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::stream::Stream;

    #[test]
    fn files_become_one_stream() {
        let cases = [
            (["a: 1\n", "b: 2\n"], "a: 1\n---\nb: 2\n"),
            (["a: 1", "---\nb: 2"], "a: 1\n---\nb: 2"),
            (["", "b: 2\n"], "b: 2\n"),
            (["a: 1\r\n", "b: 2\r\n"], "a: 1\r\n---\r\nb: 2\r\n"),
            (["a: 1\n", "\u{feff}b: 2\n"], "a: 1\n---\nb: 2\n"),
            (["a: 1\n", "%YAML 1.1\n---\nb: 2\n"], "a: 1\n...\n%YAML 1.1\n---\nb: 2\n"),
            (["a: |+\n  x", "# c\n\n%TAG ! !x\n---\nb: 2\n"], "a: |+\n  x\n...\n# c\n\n%TAG ! !x\n---\nb: 2\n"),
            (
                ["%YAML 1.1\n---\na: 1\n...\n", "\u{feff}%YAML 1.1\n---\nb: 2"],
                "%YAML 1.1\n---\na: 1\n...\n...\n%YAML 1.1\n---\nb: 2",
            ),
        ];
        for (texts, expected) in cases {
            let mut whole = String::new();
            texts.iter().for_each(|text| join(&mut whole, text));
            assert_eq!(whole, expected);
            // What each of them means is what the whole means.
            let apart = texts.map(|text| Stream::read(text).unwrap().values().collect::<Vec<_>>());
            let together: Vec<_> = Stream::read(&whole).unwrap().values().collect();
            assert!(together.iter().eq(apart.iter().flatten()), "{expected}: {together:?}");
        }
    }
}
