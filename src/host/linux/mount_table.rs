use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::block;
use super::failure::Named;
use crate::host::{Ground, LoopDevice, MountEntry, Result};
use crate::model::{FsKind, MountOptions};
use crate::sys::statx::Number;

const MOUNT_INFO: &str = "/proc/self/mountinfo";

/// Every mount of this namespace.
pub(super) fn read() -> Result<Vec<MountEntry>> {
    let table = text().of("read", MOUNT_INFO)?;
    Ok(table.split(|byte| *byte == b'\n').filter_map(Line::parse).map(Line::entry).collect())
}

/// What lies under the topmost mount at a path.
pub(super) fn ground(path: &Path) -> Result<Option<Ground>> {
    let table = text().of("read", MOUNT_INFO)?;
    let shown = shown(path);
    let mut lines = table.split(|byte| *byte == b'\n').filter_map(Line::parse);
    Ok(lines.rfind(|line| line.target == shown).map(|line| line.ground()))
}

/// What the mounts of the filesystem on that device call its source: mostly the path of the device.
pub(super) fn sources(number: Number) -> Result<Vec<PathBuf>> {
    let table = text().of("read", MOUNT_INFO)?;
    let lines = table.split(|byte| *byte == b'\n').filter_map(Line::parse);
    Ok(lines.filter(|line| line.number == number).map(|line| line.source).collect())
}

/// In few calls: `fs::read` begins with 32 bytes where a file does not tell its length.
fn text() -> io::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(64 << 10);
    File::open(MOUNT_INFO)?.read_to_end(&mut text)?;
    Ok(text)
}

/// A path as the table has it. What is mounted there is not asked: it may hang.
pub(super) fn shown(path: &Path) -> PathBuf {
    let parts = path.parent().and_then(|dir| dir.canonicalize().ok()).zip(path.file_name());
    parts.map_or_else(|| path.to_owned(), |(dir, name)| dir.join(name))
}

/// One line, as in `proc_pid_mountinfo(5)`: `36 35 98:0 /root /target rw,noatime master:1 - ext3 /dev/root rw,errors=x`.
#[derive(Debug, PartialEq)]
struct Line {
    number: Number,
    root: PathBuf,
    target: PathBuf,
    options: String,
    fs: String,
    source: PathBuf,
    fs_options: String,
}

impl Line {
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        let (major, minor) = text(fields.nth(2)?)
            .split_once(':')
            .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))?;
        let (root, target, options) = (unescaped(fields.next()?), unescaped(fields.next()?), text(fields.next()?));
        let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
        let (fs, source, fs_options) = (text(fields.next()?), unescaped(fields.next()?), text(fields.next()?));
        Some(Self { number: Number { major, minor }, root, target, options, fs, source, fs_options })
    }

    fn entry(self) -> MountEntry {
        let has = |options: &str, names: &[&str]| options.split(',').any(|option| names.contains(&option));
        MountEntry {
            device: self.device(),
            device_number: (self.number.major, self.number.minor),
            attributes: MountOptions::from_flags(&[&self.options]).attributes,
            // Since 6.15 ext4 says so of one that it closed after an error, and leaves `rw` standing before it.
            filesystem_read_only: has(&self.fs_options, &["ro", "emergency_ro", "shutdown"]),
            root: self.root,
            target: self.target,
        }
    }

    fn ground(&self) -> Ground {
        let fs = FsKind::ALL.into_iter().find(|kind| kind.as_str() == self.fs);
        let is_root = self.root == Path::new("/");
        // The filesystem may itself be mounted below the host's root: then the end of the path is in it.
        let is_itself = !is_root && self.root.strip_prefix("/").is_ok_and(|root| self.target.ends_with(root));
        Ground { is_root, is_itself, fs }
    }

    /// That under the filesystem; of a bound device node, which lies on /dev, that of its name.
    fn device(&self) -> Option<LoopDevice> {
        match self.fs.as_str() {
            "devtmpfs" | "tmpfs" => block::named(self.root.file_name()?.to_str()?),
            _ => block::loop_of(self.number),
        }
    }
}

/// A path with `\040` for a space, `\011`, `\012` and `\134`.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\');
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MountAttributes;

    fn entry(line: &str) -> MountEntry {
        Line::parse(line.as_bytes()).unwrap().entry()
    }

    #[test]
    fn reads_where_and_how() {
        let found =
            entry(r"40 29 0:5 / /mnt/a\040b\134 ro,noatime shared:7 master:1 - ext4 /dev/sda1 rw,errors=remount-ro");
        let expected = MountEntry {
            target: PathBuf::from(r"/mnt/a b\"),
            device: None,
            device_number: (0, 5),
            root: PathBuf::from("/"),
            attributes: MountAttributes { read_only: true, no_atime: true, ..MountAttributes::default() },
            filesystem_read_only: false,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn knows_a_bound_device_node() {
        assert_eq!(entry("40 29 0:6 /loop12 /pods/x rw - devtmpfs dev rw,size=4k").device, Some(LoopDevice(12)));
        assert_eq!(entry("40 29 0:6 / /dev rw - devtmpfs dev rw").device, None);
    }

    #[test]
    fn sees_a_filesystem_that_closed_itself() {
        assert!(entry("1 2 7:99 / /a rw - ext4 /dev/loop99 ro,errors=remount-ro").filesystem_read_only);
        assert!(entry("1 2 7:99 / /a rw - ext4 /dev/loop99 rw,errors=remount-ro,emergency_ro").filesystem_read_only);
        assert!(!entry("1 2 7:99 / /a rw - xfs /dev/loop99 rw,attr2").filesystem_read_only);
    }

    #[test]
    fn tells_a_filesystem_from_a_directory_in_one() {
        let ground = |line: &str| Line::parse(line.as_bytes()).unwrap().ground();
        let whole = ground("1 2 7:9 / /data rw - xfs /dev/loop9 rw");
        assert_eq!(whole, Ground { is_root: true, is_itself: false, fs: Some(FsKind::Xfs) });
        let part = ground("1 2 8:1 /volumes/a/data /data rw - btrfs /dev/sda1 rw");
        assert_eq!(part, Ground { is_root: false, is_itself: false, fs: None });
        for (root, is_itself) in
            [("/srv/pool", true), ("/pool", true), ("/ool", false), ("/other", false), ("/x/srv/pool", false)]
        {
            let seen = ground(&format!("1 2 8:1 {root} /srv/pool rw - ext4 /dev/sda1 rw"));
            assert_eq!((seen.is_root, seen.is_itself), (false, is_itself), "{root}");
        }
    }

    #[test]
    fn a_line_that_is_none_is_passed_over() {
        assert_eq!(Line::parse(b""), None);
        assert_eq!(Line::parse(b"1 2 x / /a rw - ext4 /dev/a rw"), None);
    }
}
