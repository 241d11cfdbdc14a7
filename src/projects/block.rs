use std::ops::Range;

use super::Error;
use crate::model::PoolName;

/// The lines of one pool in a file of many, between two markers:
///
/// ```text
/// # ullage fast 01JD1NC0VYXG8H6XT2Z0C3W5QF begin (written anew, do not edit)
/// 100:/srv/fast/volumes/db/data
/// # ullage fast 01JD1NC0VYXG8H6XT2Z0C3W5QF end
/// ```
///
/// It is found by the pool's own id, so that two drivers may both call a pool `default`, and a pool may get another name. No
/// colon in a marker: programs that rewrite these files keep lines that are none of theirs by that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    pool: PoolName,
    id: String,
}

/// A file in which the block's ends do not fit: the line, the first being 1, and what is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Damage {
    pub(super) line: usize,
    pub(super) reason: &'static str,
}

/// What a line is to a block.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Marker {
    Begin,
    End,
}

const TWICE: &str = "the block of this pool begins here, and has begun above";
const NO_BEGIN: &str = "the block of this pool ends here, and has not begun";
const NO_END: &str = "the block of this pool begins here, and does not end";

impl Block {
    /// The block of a pool, by the id in its marker file.
    ///
    /// # Errors
    /// [`Error::Unwritable`] for an id that is not made of letters and digits.
    pub fn new(pool: &PoolName, id: &str) -> Result<Self, Error> {
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            let reason = "a pool's id has letters and digits only";
            return Err(Error::Unwritable { value: id.to_owned(), file: "projects", reason });
        }
        Ok(Self { pool: pool.clone(), id: id.to_owned() })
    }

    /// The same content with these lines between the markers, or without them where there are none. The rest stays to the
    /// byte: without a block, a new one goes to the end, before a last line that is not ended.
    pub(super) fn put(&self, content: &[u8], lines: &[u8]) -> Result<Vec<u8>, Damage> {
        let place = self.find(content)?.unwrap_or_else(|| {
            let end = content.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            end..end
        });
        Ok([&content[..place.start], &self.print(lines), &content[place.end..]].concat())
    }

    /// The lines that are somebody else's, each with its number; all of them where the block is damaged.
    pub(super) fn others<'a>(&self, content: &'a [u8]) -> Vec<(usize, &'a [u8])> {
        let ours = self.find(content).ok().flatten().unwrap_or_default();
        let lines = numbered(content).filter(|(_, at, _)| !ours.contains(at));
        lines.map(|(number, _, line)| (number, line)).collect()
    }

    /// Where the block lies, its markers with it.
    fn find(&self, content: &[u8]) -> Result<Option<Range<usize>>, Damage> {
        let (mut begun, mut found) = (None, None);
        for (line, at, text) in numbered(content) {
            match self.marker(text) {
                Some(Marker::Begin) if begun.is_some() || found.is_some() => {
                    return Err(Damage { line, reason: TWICE });
                }
                Some(Marker::Begin) => begun = Some((line, at)),
                Some(Marker::End) => {
                    let (_, from) = begun.take().ok_or(Damage { line, reason: NO_BEGIN })?;
                    found = Some(from..at + text.len());
                }
                None => {}
            }
        }
        match begun {
            Some((line, _)) => Err(Damage { line, reason: NO_END }),
            None => Ok(found),
        }
    }

    /// By its words, so that spaces or carriage returns that an editor left do not hide it.
    fn marker(&self, line: &[u8]) -> Option<Marker> {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let head = [words.next()?, words.next()?];
        let (_pool, id) = (words.next()?, words.next()?);
        if head != [b"#".as_slice(), b"ullage"] || id != self.id.as_bytes() {
            return None;
        }
        match words.next()? {
            b"begin" => Some(Marker::Begin),
            b"end" => Some(Marker::End),
            _ => None,
        }
    }

    fn print(&self, lines: &[u8]) -> Vec<u8> {
        if lines.is_empty() {
            return Vec::new();
        }
        let Self { pool, id } = self;
        let begin = format!("# ullage {pool} {id} begin (written anew, do not edit)\n");
        let end = format!("# ullage {pool} {id} end\n");
        [begin.as_bytes(), lines, end.as_bytes()].concat()
    }
}

/// Lines with their ends: the number of each, and where it begins.
fn numbered(content: &[u8]) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let lines = content.split_inclusive(|byte| *byte == b'\n');
    lines.zip(1..).scan(0, |next, (line, number)| {
        let at = *next;
        *next += line.len();
        Some((number, at, line))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block() -> Block {
        Block::new(&PoolName::parse("fast").unwrap(), "01A").unwrap()
    }

    fn put(content: &str, lines: &str) -> Result<String, Damage> {
        block().put(content.as_bytes(), lines.as_bytes()).map(|new| String::from_utf8(new).unwrap())
    }

    const BEGIN: &str = "# ullage fast 01A begin (written anew, do not edit)\n";
    const END: &str = "# ullage fast 01A end\n";

    #[test]
    fn a_block_comes_last_stays_where_it_is_and_goes_when_empty() {
        let ours = format!("{BEGIN}100:/a\n{END}");
        let other = ours.replace("01A", "01B");
        let cases = [
            (String::new(), "", String::new()),
            (String::new(), "100:/a\n", ours.clone()),
            ("# theirs\n1:/b\n".into(), "100:/a\n", format!("# theirs\n1:/b\n{ours}")),
            ("1:/b\r\n\r\n".into(), "100:/a\n", format!("1:/b\r\n\r\n{ours}")),
            ("1:/b\n2:/c".into(), "100:/a\n", format!("1:/b\n{ours}2:/c")),
            ("2:/c".into(), "100:/a\n", format!("{ours}2:/c")),
            (format!("1:/b\n{BEGIN}7:/old\n\n{END}2:/c\n"), "100:/a\n", format!("1:/b\n{ours}2:/c\n")),
            (format!("1:/b\n{BEGIN}7:/old\n{END}2:/c"), "", "1:/b\n2:/c".into()),
            (ours.replace('\n', "\r\n"), "100:/a\n", ours.clone()),
            (ours.trim_end().to_owned(), "100:/a\n", ours.clone()),
            (ours.replace("fast", "renamed"), "100:/a\n", ours.clone()),
            (format!("{BEGIN}{END}"), "100:/a\n", ours.clone()),
            (other.clone(), "100:/a\n", format!("{other}{ours}")),
            (format!("{ours}{other}"), "", other.clone()),
        ];
        for (old, lines, new) in cases {
            assert_eq!(put(&old, lines), Ok(new.clone()), "{old:?}");
            assert_eq!(put(&new, lines), Ok(new.clone()), "twice: {old:?}");
        }
    }

    #[test]
    fn a_damaged_block_is_refused() {
        let other = format!("{BEGIN}{END}").replace("01A", "01B");
        let cases = [
            (format!("1:/a\n{BEGIN}100:/a\n"), 2, NO_END),
            (format!("{BEGIN}{other}"), 1, NO_END),
            (format!("1:/a\n\n{END}"), 3, NO_BEGIN),
            (format!("{BEGIN}{END}{END}"), 3, NO_BEGIN),
            (format!("{BEGIN}{BEGIN}{END}"), 2, TWICE),
            (format!("{BEGIN}{END}{BEGIN}{END}"), 3, TWICE),
        ];
        for (content, line, reason) in cases {
            for lines in ["", "100:/a\n"] {
                assert_eq!(put(&content, lines), Err(Damage { line, reason }), "{content:?}");
            }
            assert_eq!(block().others(content.as_bytes()).len(), content.lines().count(), "{content:?}");
        }
    }

    #[test]
    fn what_is_not_ours_is_counted_from_one() {
        let content = format!("1:/a\n{BEGIN}100:/a\n{END}2:/b");
        let others = block().others(content.as_bytes());
        assert_eq!(others, [(1, b"1:/a\n".as_slice()), (5, b"2:/b")]);
    }

    #[test]
    fn an_id_that_could_leave_its_line_is_refused() {
        for id in ["", "a b", "a\nb", "é", "a:b"] {
            assert!(Block::new(&PoolName::parse("fast").unwrap(), id).is_err(), "{id:?}");
        }
    }

    /// Bytes of which files are made that somebody else wrote.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let other = format!("{BEGIN}1:/x\n{END}").replace("01A", "01B").into_bytes();
        let piece = prop_oneof![
            Just(b"\n".to_vec()),
            Just(b"\r\n".to_vec()),
            Just(b"# ullage".to_vec()),
            Just(b"100:/srv/a".to_vec()),
            Just(other),
            proptest::collection::vec(any::<u8>(), 0..8),
        ];
        proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn others_lines_are_kept_to_the_byte(old in pieces(), first in 0u8..9, second in 0u8..9) {
            let lines = |count: u8| (0..count).map(|at| format!("{at}:/v\n")).collect::<String>().into_bytes();
            let once = block().put(&old, &lines(first)).unwrap();
            let twice = block().put(&once, &lines(second)).unwrap();
            prop_assert_eq!(block().put(&old, &lines(second)).unwrap(), twice.clone());
            prop_assert_eq!(block().put(&twice, b"").unwrap(), old.clone());
            let theirs: Vec<u8> = block().others(&twice).into_iter().flat_map(|(_, line)| line).copied().collect();
            prop_assert_eq!(theirs, old);
        }
    }
}
