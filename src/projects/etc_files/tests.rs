use nix::errno::Errno;

use super::*;
use crate::host::fake::{Cut, Fake, How};
use crate::model::{Bytes, PoolName, ProjectId};

const THEIRS: &[u8] = b"# Projects of others\r\n7:/srv/\xff\n\n 8 :/b\nnonsense";
const NAMES: &[u8] = b"seven:7\nnine:9\n";

struct Bed {
    fake: Fake,
    etc: EtcFiles,
}

impl Bed {
    fn new() -> Self {
        let fake = Fake::new(Bytes::mib(64));
        let files = fake.machine().files;
        files.create_dir(Path::new("/host/etc")).unwrap();
        let etc = EtcFiles::new(files, Path::new("/host/etc"));
        Self { fake, etc }
    }

    fn with_others() -> Self {
        let bed = Self::new();
        bed.put("projects", THEIRS);
        bed.put("projid", NAMES);
        bed
    }

    fn put(&self, name: &str, content: &[u8]) {
        self.etc.files.write_whole(&self.etc.dir.join(name), content).unwrap();
    }

    fn both(&self) -> [Option<Vec<u8>>; 2] {
        ["projects", "projid"].map(|name| self.etc.files.read(&self.etc.dir.join(name)).unwrap())
    }
}

fn block() -> Block {
    Block::new(&PoolName::parse("fast").unwrap(), "01A").unwrap()
}

fn projects(names: &[(u32, &str)]) -> Vec<Project> {
    let project = |(id, name): &(u32, &str)| Project {
        id: ProjectId::new(*id).unwrap(),
        name: (*name).to_owned(),
        path: Path::new("/srv/fast/volumes").join(name).join("data"),
    };
    names.iter().map(project).collect()
}

#[test]
fn a_block_is_written_beside_others_lines_and_goes_without_a_trace() {
    let bed = Bed::with_others();
    let two = projects(&[(100, "a"), (101, "b")]);
    assert!(bed.etc.write(&block(), || two.clone()).unwrap());
    let [projects, projid] = bed.both().map(Option::unwrap);
    let expected = b"# Projects of others\r\n7:/srv/\xff\n\n 8 :/b\n\
        # ullage fast 01A begin (written anew, do not edit)\n100:/srv/fast/volumes/a/data\n101:/srv/fast/volumes/b/data\n\
        # ullage fast 01A end\nnonsense";
    assert_eq!(String::from_utf8_lossy(&projects), String::from_utf8_lossy(expected));
    assert_eq!(projects, expected);
    let names =
        "seven:7\nnine:9\n# ullage fast 01A begin (written anew, do not edit)\na:100\nb:101\n# ullage fast 01A end\n";
    assert_eq!(String::from_utf8(projid).unwrap(), names);
    assert!(bed.etc.write(&block(), Vec::new).unwrap());
    assert_eq!(bed.both(), [Some(THEIRS.to_vec()), Some(NAMES.to_vec())]);
}

#[test]
fn a_file_stays_whose_it_is_and_a_new_one_is_for_everybody() {
    for (bed, mode) in [(Bed::with_others(), 0o600), (Bed::new(), 0o644)] {
        assert!(bed.etc.write(&block(), || projects(&[(100, "a")])).unwrap());
        for name in ["projects", "projid"] {
            let file = bed.etc.files.stat(&bed.etc.dir.join(name)).unwrap().unwrap();
            assert_eq!(file.owner.mode, mode, "{name}");
        }
    }
}

#[test]
fn it_is_written_only_where_it_differs_from_the_file() {
    let (bed, one) = (Bed::new(), projects(&[(100, "a")]));
    assert!(!bed.etc.write(&block(), Vec::new).unwrap());
    assert_eq!(bed.both(), [None, None], "nothing to say, no file");
    assert!(bed.etc.write(&block(), || one.clone()).unwrap());
    bed.fake.cut(None);
    assert!(!bed.etc.write(&block(), || one.clone()).unwrap());
    assert_eq!(bed.fake.steps(), 7, "a lock, and a look at each file and beside it: nothing is written");
    let [projects, _] = bed.both();
    bed.put("projects", b"1:/theirs\n");
    assert!(bed.etc.write(&block(), || one.clone()).unwrap(), "somebody took it away");
    assert_eq!(bed.both()[0], Some([b"1:/theirs\n".to_vec(), projects.unwrap()].concat()));
}

#[test]
fn a_cut_at_any_step_leaves_each_file_old_or_new() {
    let new = projects(&[(100, "a"), (101, "b")]);
    let whole = Bed::with_others();
    whole.etc.write(&block(), || new.clone()).unwrap();
    for how in [How::Fail(Errno::EIO), How::Kill, How::Reboot, How::PowerCut] {
        let mut cuts = 0;
        for at in 1.. {
            let bed = Bed::with_others();
            bed.fake.cut(Some(Cut { at, how }));
            let done = bed.etc.write(&block(), || new.clone());
            bed.fake.restart(how);
            for (at_both, found) in bed.both().iter().enumerate() {
                let fits =
                    [&[THEIRS, NAMES].map(|old| Some(old.to_vec())), &whole.both()].map(|both| both[at_both].clone());
                assert!(fits.contains(found), "{how:?} at {at}: {found:?}");
            }
            if done.is_ok() {
                assert_eq!(bed.both(), whole.both(), "{how:?} at {at}");
                break;
            }
            cuts += 1;
            bed.etc.write(&block(), || new.clone()).unwrap();
            assert_eq!(bed.both(), whole.both(), "again, after {how:?} at {at}");
            assert_eq!(bed.etc.files.list(&bed.etc.dir).unwrap(), ["projects", "projid"], "{how:?} at {at}");
        }
        assert_eq!(cuts, 15, "{how:?}: a lock, two stats and a read of each, and four steps for each to be written");
    }
}

#[test]
fn what_is_damaged_is_named_and_nothing_is_written() {
    let bed = Bed::with_others();
    bed.put("projid", b"seven:7\n# ullage fast 01A begin\nold:100\n");
    let before = bed.both();
    for wanted in [projects(&[(100, "a")]), Vec::new()] {
        let said = bed.etc.write(&block(), || wanted.clone()).unwrap_err().to_string();
        let expected =
            "/host/etc/projid: line 2: the block of this pool begins here, and does not end: nothing was written";
        assert!(said.starts_with(expected), "{said}");
        assert_eq!(bed.both(), before);
    }
    let ids: Vec<_> = bed.etc.others(&block()).unwrap().ids().map(ProjectId::get).collect();
    assert_eq!(ids, [7, 8, 100], "what is damaged is nobody's to give out");
}

#[test]
fn others_are_everybody_but_this_pool() {
    let (bed, other) = (Bed::with_others(), Block::new(&PoolName::parse("fast").unwrap(), "01B").unwrap());
    bed.etc.write(&block(), || projects(&[(100, "a")])).unwrap();
    bed.etc.write(&other, || projects(&[(101, "b")])).unwrap();
    let ids = |own: &Block| bed.etc.others(own).unwrap().ids().map(ProjectId::get).collect::<Vec<_>>();
    assert_eq!(ids(&block()), [7, 8, 9, 101]);
    assert_eq!(ids(&other), [7, 8, 9, 100]);
    assert!(Bed::new().etc.others(&other).unwrap().ids().next().is_none());
}

#[test]
fn only_what_reads_back_is_written() {
    let bed = Bed::new();
    let named = |name: &str| Project { name: name.into(), ..projects(&[(100, "a")]).remove(0) };
    let at = |path: &str| Project { path: path.into(), ..named("a") };
    for bad in [named(""), named("a:b"), named("a\nb"), named("#a"), named("a\0"), at(""), at("/a\n1:/b"), at("/a\r")] {
        let error = bed.etc.write(&block(), || vec![named("good"), bad]).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error}");
        assert_eq!(bed.both(), [None, None]);
    }
    assert!(bed.etc.write(&block(), || vec![at("/a:b # c")]).unwrap());
}

#[test]
fn what_is_no_file_is_not_replaced_and_a_lock_is_waited_for() {
    let bed = Bed::new();
    bed.etc.files.create_dir(Path::new("/host/etc/projects")).unwrap();
    let error = bed.etc.write(&block(), || projects(&[(100, "a")])).unwrap_err();
    assert!(matches!(error, Error::NotAFile { file } if file == Path::new("/host/etc/projects")));

    let bed = Bed::new();
    let held = bed.etc.files.lock(&bed.etc.dir).unwrap().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| bed.etc.write(&block(), || projects(&[(100, "a")])));
        std::thread::sleep(PAUSE * 3);
        assert_eq!(bed.both(), [None, None]);
        drop(held);
        assert!(writer.join().unwrap().unwrap());
    });
}

/// On this machine: what a rename would replace that is no file of its own.
#[test]
fn a_link_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let (etc, real) = (dir.path().join("etc"), dir.path().join("real"));
    std::fs::create_dir_all(&etc).unwrap();
    std::fs::write(&real, THEIRS).unwrap();
    std::os::unix::fs::symlink(&real, etc.join("projects")).unwrap();
    let files = EtcFiles::new(crate::host::linux::machine().files, &etc);
    let refused = files.write(&block(), || projects(&[(100, "a")])).unwrap_err();
    assert!(matches!(&refused, Error::NotAFile { file } if *file == etc.join("projects")), "{refused}");
    assert!(!etc.join("projid").exists(), "nothing was written");
    let ids: Vec<_> = files.others(&block()).unwrap().ids().map(ProjectId::get).collect();
    assert_eq!(ids, [7, 8], "and it is read all the same");

    std::fs::remove_file(etc.join("projects")).unwrap();
    std::fs::copy(&real, etc.join("projects")).unwrap();
    assert!(files.write(&block(), || projects(&[(100, "a")])).unwrap());
    assert!(!files.write(&block(), || projects(&[(100, "a")])).unwrap());
    assert!(files.write(&block(), Vec::new).unwrap());
    assert_eq!(std::fs::read(etc.join("projects")).unwrap(), THEIRS);
}

#[test]
fn pools_that_write_at_once_keep_each_others_blocks() {
    let bed = Bed::with_others();
    std::thread::scope(|scope| {
        for at in 0..8 {
            let etc = &bed.etc;
            scope.spawn(move || {
                let block = Block::new(&PoolName::parse("p").unwrap(), &format!("01{at}")).unwrap();
                etc.write(&block, || projects(&[(100 + at, "a")])).unwrap();
            });
        }
    });
    let ids: Vec<_> = bed.etc.others(&block()).unwrap().ids().map(ProjectId::get).collect();
    assert_eq!(ids, [7, 8, 9, 100, 101, 102, 103, 104, 105, 106, 107]);
}
