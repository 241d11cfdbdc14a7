use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::model::ProjectId;

/// The lines of `/etc/projects` and `/etc/projid` that are somebody else's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    of: BTreeMap<ProjectId, Vec<Line>>,
}

/// One of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// The file.
    pub file: PathBuf,
    /// Its number there, the first being 1.
    pub number: usize,
    /// What the id is for.
    pub what: What,
}

/// What a line gives an id to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum What {
    /// A directory: `ID:PATH`.
    Path(PathBuf),
    /// A name: `NAME:ID`.
    Name(OsString),
}

/// Which of the two files.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Projects,
    Projid,
}

impl Lines {
    /// Whether anybody's line has that id.
    pub fn has(&self, id: ProjectId) -> bool {
        self.of.contains_key(&id)
    }

    /// The lines that have it.
    pub fn of(&self, id: ProjectId) -> &[Line] {
        self.of.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Every id that a line has.
    pub fn ids(&self) -> impl Iterator<Item = ProjectId> {
        self.of.keys().copied()
    }

    /// The directories of a project.
    pub fn paths(&self, id: ProjectId) -> impl Iterator<Item = &Path> {
        self.of(id).iter().filter_map(|line| match &line.what {
            What::Path(path) => Some(path.as_path()),
            What::Name(_) => None,
        })
    }

    /// Reads more of them, as `xfs_quota` does: comments begin in the first column, a number ends with its last digit, and
    /// what has none is nothing.
    pub(super) fn add(&mut self, file: &Path, kind: Kind, lines: Vec<(usize, &[u8])>) {
        for (number, line) in lines {
            let Some((id, what)) = kind.parse(line) else { continue };
            self.of.entry(id).or_default().push(Line { file: file.to_owned(), number, what });
        }
    }
}

impl Kind {
    fn parse(self, line: &[u8]) -> Option<(ProjectId, What)> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            return None;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (before, after) = (&line[..colon], &line[colon + 1..]);
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        match self {
            Self::Projects => Some((number(before)?, What::Path(text(after).into()))),
            Self::Projid => Some((number(after)?, What::Name(text(before)))),
        }
    }
}

/// What `atoi(3)` makes of it, where that is an id.
fn number(text: &[u8]) -> Option<ProjectId> {
    let text = text.trim_ascii_start();
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&text[..digits]).ok()?.parse().ok().and_then(ProjectId::new)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.what {
            What::Path(path) => path.display(),
            What::Name(name) => Path::new(name).display(),
        };
        write!(f, "{}, line {} ({what})", self.file.display(), self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_means_something_and_skips_the_rest() {
        let path = |id, path: &str| Some((id, What::Path(path.into())));
        let name = |id, name: &str| Some((id, What::Name(name.into())));
        let cases = [
            (Kind::Projects, b"100:/srv/a\n".as_slice(), path(100, "/srv/a")),
            (Kind::Projects, b"100:/srv/a:b c\r\n", path(100, "/srv/a:b c")),
            (Kind::Projects, b"  0100 :/a", path(100, "/a")),
            (Kind::Projects, b"7x:/a", path(7, "/a")),
            (Kind::Projects, b"7:", path(7, "")),
            (Kind::Projects, b"4294967294:/a", path(u32::MAX - 1, "/a")),
            (Kind::Projects, b"4294967295:/a", None),
            (Kind::Projects, b"#100:/srv/a\n", None),
            (Kind::Projects, b"0:/a", None),
            (Kind::Projects, b"-1:/a", None),
            (Kind::Projects, b"4294967296:/a", None),
            (Kind::Projects, b":/a", None),
            (Kind::Projects, b"100 /a", None),
            (Kind::Projects, b"\n", None),
            (Kind::Projects, b"\xff\xfe:\xff", None),
            (Kind::Projid, b"db:100\n", name(100, "db")),
            (Kind::Projid, b"db:100:more\r\n", name(100, "db")),
            (Kind::Projid, b":100", name(100, "")),
            (Kind::Projid, b"db:", None),
            (Kind::Projid, b"100", None),
            (Kind::Projid, b"#db:100", None),
        ];
        for (kind, line, expected) in cases {
            let expected = expected.map(|(id, what)| (ProjectId::new(id).unwrap(), what));
            assert_eq!(kind.parse(line), expected, "{kind:?} {}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_line_that_is_no_text_holds_its_id() {
        let (mut lines, id) = (Lines::default(), ProjectId::new(9).unwrap());
        lines.add(Path::new("/etc/projects"), Kind::Projects, vec![(3, b"9:/\xff\n"), (4, b"9:/b")]);
        lines.add(Path::new("/etc/projid"), Kind::Projid, vec![(1, b"nine:9")]);
        assert!(lines.has(id) && !lines.has(ProjectId::new(1).unwrap()));
        assert_eq!(lines.ids().collect::<Vec<_>>(), [id]);
        assert_eq!(lines.paths(id).count(), 2);
        let said: Vec<_> = lines.of(id).iter().map(Line::to_string).collect();
        assert_eq!(
            said,
            ["/etc/projects, line 3 (/\u{fffd})", "/etc/projects, line 4 (/b)", "/etc/projid, line 1 (nine)"]
        );
    }
}
