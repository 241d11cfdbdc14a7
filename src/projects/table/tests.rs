use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const POOL: &str = "/srv/fast";

fn id(id: u32) -> ProjectId {
    ProjectId::new(id).unwrap()
}

fn data(name: &str) -> PathBuf {
    Path::new(POOL).join("volumes").join(name).join("data")
}

fn project(number: u32, name: &str) -> Project {
    Project { id: id(number), name: name.to_owned(), path: data(name) }
}

fn volume(number: u32, name: &str) -> Holder {
    Holder::Volume(project(number, name))
}

fn trash(number: u32, name: &str) -> Holder {
    Holder::Trash { id: id(number), path: Path::new(POOL).join("trash").join(name) }
}

fn left(number: u32, path: &Path) -> Holder {
    Holder::Left { id: id(number), path: path.to_owned(), why: "its record cannot be read".into() }
}

/// A table with one empty pool.
fn table(range: &str) -> Projects {
    let projects = Projects::new(ProjectRange::parse(range).unwrap());
    assert_eq!(projects.sync(Path::new(POOL), []), []);
    projects
}

fn create(projects: &Projects, name: &str) -> Result<u32, Error> {
    create_beside(projects, name, &[])
}

/// With ids that the kernel or `/etc/projects` knows.
fn create_beside(projects: &Projects, name: &str, foreign: &[u32]) -> Result<u32, Error> {
    let project = projects.fetch_or_create(name, &data(name), |id| Ok::<_, Error>(foreign.contains(&id.get())))?;
    assert_eq!(project, self::project(project.id.get(), name));
    Ok(project.id.get())
}

#[test]
fn is_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Projects>();
}

#[test]
fn the_lowest_id_that_is_nobodys_comes_first() {
    let projects = Projects::new(ProjectRange::parse("100-110").unwrap());
    let found =
        [volume(103, "c"), trash(100, "old"), left(105, &data("bad")), volume(99, "below"), volume(500, "above")];
    assert_eq!(projects.sync(Path::new(POOL), found), []);
    for (name, foreign, expected) in [
        ("a", &[][..], 101),
        ("a", &[101], 101), // it has it: nobody is asked
        ("b", &[102, 104], 106),
        ("d", &[], 102),
        ("e", &[], 104),
        ("f", &[107, 108, 109], 110),
    ] {
        assert_eq!(create_beside(&projects, name, foreign).unwrap(), expected, "{name}");
    }
    let ids: Vec<_> = projects.list().iter().map(|project| project.id.get()).collect();
    assert_eq!(ids, [99, 101, 102, 103, 104, 106, 110, 500]);
    assert_eq!(projects.fetch("e"), Some(project(104, "e")));
    assert_eq!(projects.fetch_by_id(id(104)), Some(project(104, "e")));
    assert_eq!((projects.fetch("old"), projects.fetch_by_id(id(100))), (None, None));
    assert!(projects.has(id(100)) && projects.has(id(105)) && !projects.has(id(107)));
    assert_eq!(projects.list_in(&data("e")), [project(104, "e")]);
}

#[test]
fn an_exhausted_range_says_how() {
    let projects = Projects::new(ProjectRange::parse("100-104").unwrap());
    assert_eq!(projects.sync(Path::new(POOL), [volume(100, "a"), trash(102, "b"), volume(7, "c")]), []);
    let said = create_beside(&projects, "d", &[101, 103, 104]).unwrap_err().to_string();
    let expected = "no project id is free: of 100-104, 2 are taken by volumes and what is left of them on this filesystem, and \
                    3 are used by others: configure a larger range";
    assert_eq!(said, expected);
    assert_eq!(create(&projects, "d").unwrap(), 101, "and nothing is remembered of it");
    let all = ProjectRange::parse("4294967294-4294967294").unwrap();
    let projects = Projects::new(all);
    assert_eq!(projects.sync(Path::new(POOL), []), []);
    assert_eq!(create(&projects, "a").unwrap(), u32::MAX - 1);
    assert!(matches!(create(&projects, "b"), Err(Error::Exhausted { taken: 1, foreign: 0, .. })));
}

#[test]
fn nothing_is_given_out_in_a_pool_that_was_not_read() {
    let projects = Projects::new(ProjectRange::default());
    assert!(matches!(create(&projects, "a"), Err(Error::NotRead { path }) if path == data("a")));
    assert_eq!(projects.sync(Path::new("/srv/fast2"), []), []);
    assert!(matches!(create(&projects, "a"), Err(Error::NotRead { .. })));
    assert_eq!(projects.sync(Path::new(POOL), []), []);
    assert_eq!(create(&projects, "a").unwrap(), 100);
}

#[test]
fn a_freed_id_waits_until_its_data_is_gone() {
    let projects = table("100-102");
    for (name, expected) in [("a", 100), ("b", 101)] {
        assert_eq!(create(&projects, name).unwrap(), expected);
    }
    let place = Path::new(POOL).join("trash/a.01");
    assert_eq!(projects.retire("a", &place), Some(project(100, "a")));
    projects.bring_back(project(100, "a"), &place);
    assert_eq!(projects.holders(id(100)), [volume(100, "a")], "it has stayed where it was");
    assert_eq!(projects.retire("a", &place), Some(project(100, "a")));
    assert_eq!(projects.retire("a", &place), None);
    assert_eq!(projects.fetch("a"), None);
    assert_eq!(create(&projects, "a").unwrap(), 102, "the name is free, the id is not");
    assert!(matches!(create(&projects, "c"), Err(Error::Exhausted { .. })));
    for (path, is_free) in [(Path::new("/srv/other"), false), (&data("b"), false), (&place, true)] {
        projects.release(path);
        assert_eq!(!projects.has(id(100)), is_free, "{}", path.display());
        assert!(projects.has(id(101)), "a volume keeps its id");
    }
    assert_eq!(create(&projects, "c").unwrap(), 100);
    assert_eq!(projects.remove("c"), Some(project(100, "c")));
    assert_eq!(projects.remove("c"), None);
    assert_eq!(create(&projects, "d").unwrap(), 100, "a create that failed gave it back");
}

#[test]
fn a_question_that_fails_takes_nothing() {
    let projects = table("100-102");
    let fails = |_| Err(Error::Busy { name: "the kernel".into() });
    let refused = projects.fetch_or_create("a", &data("a"), fails).unwrap_err();
    assert!(matches!(refused, Error::Busy { name } if name == "the kernel"));
    assert!(!projects.has(id(100)));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        projects.fetch_or_create("a", &data("a"), |_| -> Result<bool, Error> { panic!("the question") })
    }));
    assert!(panicked.is_err());
    assert_eq!(create(&projects, "a").unwrap(), 100);
}

#[test]
fn a_candidate_is_nobody_elses_while_it_is_asked_about() {
    let projects = table("100-110");
    let outer = projects.fetch_or_create("a", &data("a"), |candidate| {
        assert_eq!(candidate, id(100));
        assert!(projects.has(id(100)) && projects.fetch("a").is_none(), "taken, and nobody's yet");
        assert!(matches!(create(&projects, "a"), Err(Error::Busy { name }) if name == "a"));
        assert_eq!(create(&projects, "b").unwrap(), 101);
        Ok::<_, Error>(false)
    });
    assert_eq!(outer.unwrap(), project(100, "a"));
    // While somebody asks, a disk is read on which the id is found.
    let other = Path::new("/srv/other");
    let holder = Holder::Volume(Project { id: id(102), name: "x".into(), path: other.join("volumes/x/data") });
    let settled = projects.fetch_or_create("c", &data("c"), |candidate| {
        if candidate == id(102) {
            assert_eq!(projects.sync(other, [holder.clone()]), []);
        }
        Ok::<_, Error>(false)
    });
    assert_eq!(settled.unwrap(), project(103, "c"));
    assert_eq!(projects.holders(id(102)), [holder]);
}

#[test]
fn a_volume_has_one_place() {
    let projects = table("100-110");
    assert_eq!(create(&projects, "a").unwrap(), 100);
    let elsewhere = Path::new(POOL).join("volumes/else/data");
    let refused = projects.fetch_or_create("a", &elsewhere, |_| Ok::<_, Error>(false)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "'a' lies at /srv/fast/volumes/a/data and cannot be made at /srv/fast/volumes/else/data"
    );
}

#[test]
fn pools_on_one_filesystem_share_its_ids_and_are_read_apart() {
    let (projects, second) = (table("100-110"), Path::new("/srv/slow"));
    assert_eq!(create(&projects, "a").unwrap(), 100);
    let there = Project { id: id(101), name: "x".into(), path: second.join("volumes/x/data") };
    assert_eq!(projects.sync(second, [Holder::Volume(there.clone())]), []);
    assert_eq!(create(&projects, "b").unwrap(), 102);
    assert_eq!(projects.list(), [project(100, "a"), there.clone(), project(102, "b")]);
    assert_eq!(projects.sync(Path::new(POOL), [volume(100, "a")]), [], "b was not found again");
    assert_eq!(projects.list(), [project(100, "a"), there.clone()]);
    assert_eq!(projects.list_in(second), [there]);
    assert_eq!(create(&projects, "c").unwrap(), 102);
}

#[test]
fn two_with_one_id_are_reported_and_keep_it_from_all_others() {
    let bad = data("bad");
    let cases = [
        (vec![volume(100, "a"), volume(100, "b")], 1),
        (vec![volume(100, "a"), trash(100, "b.01")], 1),
        (vec![trash(100, "a.01"), trash(100, "b.01")], 1),
        (vec![left(100, &bad), volume(100, "a")], 1),
        (vec![volume(100, "a"), volume(100, "b"), volume(100, "c")], 2),
        (vec![volume(100, "a"), volume(101, "a2"), left(101, &data("a"))], 1), // a tag that is not what the record says
        (vec![volume(100, "a"), left(100, &data("a"))], 0),
        (vec![left(100, &data("a")), volume(100, "a")], 0),
        (vec![left(100, &Path::new(POOL).join("trash/a.01/data")), trash(100, "a.01")], 0),
    ];
    for (found, conflicts) in cases {
        let projects = Projects::new(ProjectRange::default());
        let reported = projects.sync(Path::new(POOL), found.clone());
        assert_eq!(reported.len(), conflicts, "{found:?}: {reported:?}");
        assert!(reported.iter().all(|conflict| matches!(conflict, Conflict::Id { .. })), "{reported:?}");
        assert!(create(&projects, "new").unwrap() > found.iter().map(|holder| holder.id().get()).max().unwrap());
    }
    let projects = Projects::new(ProjectRange::default());
    let reported = projects.sync(Path::new(POOL), [volume(100, "a"), trash(100, "b.01")]);
    let said = "project 100 is that of volume 'a' (/srv/fast/volumes/a/data) and of what is being deleted (/srv/fast/trash/b.01)";
    assert_eq!(reported[0].to_string(), said);
    projects.release(&Path::new(POOL).join("trash/b.01"));
    assert_eq!(projects.holders(id(100)), [volume(100, "a")], "the other still has it");
}

#[test]
fn two_of_one_name_are_reported_and_both_keep_their_ids() {
    let projects = table("100-110");
    assert_eq!(create(&projects, "a").unwrap(), 100);
    let second = Path::new("/srv/slow");
    let copy = Project { id: id(101), name: "a".into(), path: second.join("volumes/a/data") };
    let reported = projects.sync(second, [Holder::Volume(copy)]);
    let said = "two volumes are called 'a': one at /srv/fast/volumes/a/data with project 100, one at \
                /srv/slow/volumes/a/data with project 101";
    assert_eq!(reported.iter().map(Conflict::to_string).collect::<Vec<_>>(), [said]);
    assert_eq!(projects.fetch("a"), Some(project(100, "a")));
    assert_eq!(create(&projects, "b").unwrap(), 102);
}

#[test]
fn what_has_an_id_already_is_entered_only_where_it_fits() {
    let projects = table("100-110");
    assert_eq!(create(&projects, "a").unwrap(), 100);
    for wrong in [project(100, "b"), project(101, "a")] {
        assert!(matches!(projects.adopt(wrong.clone()), Err(Error::Conflict(_))), "{wrong:?}");
        assert!(!projects.has(id(101)) && projects.fetch("b").is_none());
    }
    projects.adopt(project(100, "a")).unwrap();
    projects.adopt(project(101, "b")).unwrap();
    assert_eq!(projects.list(), [project(100, "a"), project(101, "b")]);
    assert_eq!(projects.reserve(id(102), &data("x"), "a tag"), None);
    assert_eq!(projects.reserve(id(100), &data("a"), "its own tag"), None);
    let conflict = projects.reserve(id(101), &data("x"), "a tag").unwrap();
    let said = "project 101 is that of volume 'b' (/srv/fast/volumes/b/data) and of /srv/fast/volumes/x/data (a tag)";
    assert_eq!(conflict.to_string(), said);
    assert_eq!(create(&projects, "c").unwrap(), 103);
    projects.release(&data("x"));
    assert!(!projects.has(id(102)));
}

#[test]
fn no_two_threads_get_one_id() {
    let (projects, threads, each) = (table("100-1000"), 16, 20);
    let (start, next) = (Barrier::new(threads), AtomicU32::new(0));
    let kept: Vec<(String, u32)> = std::thread::scope(|scope| {
        let work = |thread: usize| {
            let (projects, start, next) = (&projects, &start, &next);
            move || {
                start.wait();
                let mut kept = Vec::new();
                for at in 0..each {
                    let name = format!("v{thread}-{at}");
                    // Every seventh id is a stranger's, every fifth question fails, every third create does.
                    let asked = projects.fetch_or_create(&name, &data(&name), |id| {
                        std::thread::yield_now();
                        match next.fetch_add(1, Ordering::Relaxed) % 5 {
                            0 => Err(Error::Busy { name: "the kernel".into() }),
                            _ => Ok(id.get().is_multiple_of(7)),
                        }
                    });
                    match asked {
                        Ok(_) if at % 3 == 0 => drop(projects.remove(&name)),
                        Ok(project) => kept.push((name, project.id.get())),
                        Err(Error::Busy { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                kept
            }
        };
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let ids: BTreeSet<_> = kept.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), kept.len(), "an id was given out twice");
    assert!(ids.iter().all(|id| !id.is_multiple_of(7)));
    let mut listed: Vec<_> = projects.list().into_iter().map(|project| (project.name, project.id.get())).collect();
    let mut kept = kept;
    listed.sort();
    kept.sort();
    assert_eq!(listed, kept, "nothing else is taken");
    assert_eq!(create(&projects, "last").unwrap(), (100..).find(|id| !ids.contains(id)).unwrap());
}

#[test]
fn threads_that_want_one_name_get_one_id() {
    let (projects, start) = (table("100-1000"), Barrier::new(8));
    let given: BTreeSet<u32> = std::thread::scope(|scope| {
        let work = || {
            start.wait();
            loop {
                match create(&projects, "a") {
                    Err(Error::Busy { .. }) => std::thread::yield_now(),
                    given => return given.unwrap(),
                }
            }
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(given, BTreeSet::from([100]));
}
