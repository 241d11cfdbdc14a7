use std::fs;
use std::os::unix::fs::MetadataExt;

use time::macros::datetime;

use super::super::clock::fake::FakeClock;
use super::super::{InvalidTtl, Token, record};
use super::*;

struct World {
    dir: tempfile::TempDir,
    clock: Arc<FakeClock>,
}

impl World {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), clock: FakeClock::new() }
    }

    fn open(&self) -> Book {
        Book::open(self.dir.path(), self.clock.clone())
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("tokens.yaml")
    }

    fn records(&self) -> usize {
        record::parse(&fs::read(self.file()).unwrap()).unwrap().len()
    }
}

fn new() -> Digest {
    Token::generate().unwrap().digest()
}

fn good_until(book: &Book, digest: &Digest) -> Option<OffsetDateTime> {
    match book.find(digest) {
        Found::Good(ends) => Some(ends.wall),
        _ => None,
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_token_is_good_up_to_its_end_and_after_a_restart() {
    let (world, digest) = (World::new(), new());
    let book = world.open();
    let expires = book.issue(digest, MINUTE, false).unwrap();
    assert_eq!(expires, datetime!(2026-01-28 15:01:01 UTC), "a whole second, and no shorter than was asked");
    assert_eq!(fs::metadata(world.file()).unwrap().mode() & 0o777, 0o600);
    for (seconds, end) in [(0, Some(expires)), (60, Some(expires)), (1, None)] {
        world.clock.pass(seconds);
        assert_eq!(good_until(&book, &digest), end);
        assert_eq!(good_until(&world.open(), &digest), end, "after a restart");
    }
    assert_eq!(book.find(&digest), Found::Expired);
    assert_eq!(book.find(&new()), Found::Absent);
}

#[test]
fn a_clock_that_jumps_prolongs_nothing() {
    enum Step {
        Pass(u64),
        Jump(i64),
        Restart,
    }
    use Step::{Jump, Pass, Restart};
    for (name, steps, is_good) in [
        ("nothing", vec![], true),
        ("forward", vec![Jump(3600)], false),
        ("forward and right again", vec![Jump(3600), Jump(-3600)], true),
        ("forward, looked at by a new process, and right again", vec![Jump(3600), Restart, Jump(-3600)], true),
        ("forward and right again, too late", vec![Jump(3600), Pass(70), Jump(-3600)], false),
        ("back", vec![Jump(-3600)], true),
        ("back, and its time is over", vec![Jump(-3600), Pass(62)], false),
        ("back a year, a restart, and its time is over", vec![Jump(-31_536_000), Restart, Pass(62)], false),
        ("back and forward again", vec![Jump(-3600), Pass(30), Jump(3600)], true),
        ("suspended: only the wall clock goes on", vec![Jump(62)], false),
    ] {
        let (world, digest) = (World::new(), new());
        let mut book = world.open();
        book.issue(digest, MINUTE, false).unwrap();
        for step in steps {
            match step {
                Pass(seconds) => world.clock.pass(seconds),
                Jump(seconds) => world.clock.jump(seconds),
                Restart => book = world.open(),
            }
        }
        assert_eq!(matches!(book.find(&digest), Found::Good { .. }), is_good, "{name}");
        // A file that changes meanwhile makes no difference.
        world.open().issue(new(), MINUTE, false).unwrap();
        book.refresh();
        assert_eq!(matches!(book.find(&digest), Found::Good { .. }), is_good, "{name}, read again");
    }
}

#[test]
fn a_single_use_is_consumed_for_every_process() {
    let (world, digest, late) = (World::new(), new(), new());
    let (one, two) = (world.open(), world.open());
    let expires = one.issue(digest, MINUTE, true).unwrap();
    two.refresh();
    assert_eq!(two.find(&digest), Found::Once);
    assert_eq!(two.consume(&digest).unwrap().unwrap().end().wall, expires);
    assert_eq!(one.find(&digest), Found::Once, "as it was read last");
    assert_eq!(one.consume(&digest).unwrap(), Err(Found::Absent));
    // What the first writes now does not bring it back.
    one.issue(late, MINUTE, true).unwrap();
    assert_eq!(two.consume(&digest).unwrap(), Err(Found::Absent));
    world.clock.pass(62);
    assert_eq!(one.consume(&late).unwrap(), Err(Found::Expired));
}

#[test]
fn one_that_came_to_nothing_is_put_back_as_it_was() {
    let (world, digest) = (World::new(), new());
    let (one, two) = (world.open(), world.open());
    one.issue(digest, MINUTE, true).unwrap();
    let taken = one.consume(&digest).unwrap().unwrap();
    assert_eq!((one.find(&digest), world.records()), (Found::Absent, 0));
    // Meanwhile somebody sets the clock back: that gives it no more time.
    world.clock.jump(-3600);
    one.give_back(taken).unwrap();
    two.refresh();
    assert_eq!((one.find(&digest), two.find(&digest), world.records()), (Found::Once, Found::Once, 1));
    world.clock.pass(62);
    assert_eq!(one.find(&digest), Found::Expired);
    // For another process, too.
    let (world, digest) = (World::new(), new());
    let (one, two) = (world.open(), world.open());
    one.issue(digest, MINUTE, true).unwrap();
    two.refresh();
    let taken = one.consume(&digest).unwrap().unwrap();
    assert_eq!(two.consume(&digest).unwrap(), Err(Found::Absent));
    one.give_back(taken).unwrap();
    two.refresh();
    two.consume(&digest).unwrap().unwrap();
}

#[test]
fn a_file_that_is_removed_revokes_them_all() {
    let (world, digest, once) = (World::new(), new(), new());
    let book = world.open();
    book.refresh();
    assert_eq!(book.revoked(), 0, "there was none");
    book.issue(digest, MINUTE, false).unwrap();
    book.issue(once, MINUTE, true).unwrap();
    let taken = book.consume(&once).unwrap().unwrap();
    assert_eq!(book.revoked(), 0, "one of them is used");
    for file in 1..=2 {
        fs::remove_file(world.file()).unwrap();
        // Seen by a look, or by whoever issues the next.
        match file {
            1 => book.refresh(),
            _ => book.issue(new(), MINUTE, false).map(|_| ()).unwrap(),
        }
        assert_eq!((book.revoked(), book.find(&digest)), (file, Found::Absent));
        book.give_back(taken).unwrap();
        assert_eq!(book.find(&once), Found::Absent, "what was in use is revoked, too");
        book.issue(new(), MINUTE, false).unwrap();
    }
}

#[test]
fn what_has_expired_is_remembered_an_hour() {
    let (world, digest) = (World::new(), new());
    let book = world.open();
    book.issue(digest, MINUTE, false).unwrap();
    for (seconds, found, records) in [(62, Found::Expired, 2), (3500, Found::Expired, 3), (100, Found::Absent, 3)] {
        world.clock.pass(seconds);
        book.issue(new(), Duration::from_secs(1), true).unwrap();
        assert_eq!((book.find(&digest), world.records()), (found, records));
    }
}

#[test]
fn there_is_a_limit_and_expired_ones_make_room() {
    let world = World::new();
    let at = |expires| Record { digest: new(), issued: datetime!(2026-01-28 14:00 UTC), expires, is_single_use: false };
    let write = |live: usize, dead: usize| {
        let records = (0..live).map(|_| at(datetime!(2026-01-29 15:00 UTC)));
        let records: Vec<_> = records.chain((0..dead).map(|_| at(datetime!(2026-01-28 14:59 UTC)))).collect();
        fs::write(world.file(), record::print(&records).unwrap()).unwrap();
    };
    write(MOST, 0);
    assert!(fs::metadata(world.file()).unwrap().len() < 2 << 20);
    let book = world.open();
    assert!(matches!(book.issue(new(), MINUTE, false), Err(Error::TooMany(MOST))));
    write(MOST - 1, 1);
    book.issue(new(), MINUTE, false).unwrap();
    assert_eq!(world.records(), MOST);
}

#[test]
fn a_damaged_file_is_set_aside_and_the_next_token_can_be_issued() {
    for content in ["", "schema: 9\n", "schema: 1\ntokens: [", "\0\0\0\0", "schema: 1\ntokens: [{sha256: x}]\n"] {
        let (world, digest) = (World::new(), new());
        let book = world.open();
        book.issue(digest, MINUTE, false).unwrap();
        fs::write(world.file(), content).unwrap();
        book.refresh();
        assert_eq!(book.find(&digest), Found::Absent, "{content:?}");
        let aside = world.dir.path().join("tokens.yaml.damaged-1769612400");
        assert_eq!(fs::read(aside).unwrap(), content.as_bytes());
        book.issue(digest, MINUTE, false).unwrap();
        assert_eq!(world.records(), 1);
    }
}

#[test]
fn what_cannot_be_read_for_now_changes_nothing_and_removing_the_file_revokes() {
    let (world, digest) = (World::new(), new());
    let book = world.open();
    let expires = book.issue(digest, MINUTE, false).unwrap();
    let elsewhere = world.dir.path().join("elsewhere");
    fs::rename(world.file(), &elsewhere).unwrap();
    fs::create_dir(world.file()).unwrap();
    book.refresh();
    assert_eq!(good_until(&book, &digest), Some(expires));
    let said = book.issue(new(), MINUTE, false).unwrap_err().to_string();
    assert!(said.starts_with(&format!("{}: cannot read: ", world.file().display())), "{said}");
    fs::remove_dir(world.file()).unwrap();
    book.refresh();
    assert_eq!(book.find(&digest), Found::Absent);
}

#[test]
fn a_time_that_cannot_be_is_refused_and_nothing_written() {
    let world = World::new();
    let book = world.open();
    for ttl in [Duration::ZERO, LONGEST_TTL + Duration::from_nanos(1), Duration::MAX] {
        assert!(matches!(book.issue(new(), ttl, false), Err(Error::Ttl(InvalidTtl))));
    }
    assert_eq!(fs::read_dir(world.dir.path()).unwrap().count(), 0);
}
