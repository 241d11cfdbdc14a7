use super::*;
use crate::projects::lines::Kind;

const LINES: &[u8] = b"100:/opt/app/a\n101:/opt/app//b/\n102:/opt/app/c\n102:/opt/app/c2\n103:/opt/app/x\n104:app/e\n\
    105:/opt/../f\n106:/data/g\n";

fn lines() -> Lines {
    let mut lines = Lines::default();
    let numbered = LINES.split_inclusive(|byte| *byte == b'\n').zip(1..).map(|(line, number)| (number, line));
    lines.add(Path::new("/etc/projects"), Kind::Projects, numbered.collect());
    lines
}

fn plan(items: &str, base: Option<&str>) -> Plan {
    let state = State::parse(&format!("[{items}]")).unwrap();
    let plan = Plan::of(&state, Place { base: base.map(Path::new), lines: &lines() });
    assert_eq!(plan.volumes.len() + plan.refused.len(), state.items.len(), "every item is in one of the two");
    plan
}

fn refused(items: &str, base: Option<&str>) -> Vec<(usize, String)> {
    plan(items, base).refused.into_iter().map(|refused| (refused.number, refused.reason.to_string())).collect()
}

fn project(id: u32) -> ProjectId {
    ProjectId::new(id).unwrap()
}

#[test]
fn an_item_becomes_a_volume_in_its_place() {
    let items = r#"
        {"id": 100, "mnt": "/opt", "name": "a", "soft": 1073741824, "hard": 1073741824, "used": 1073741824},
        {"id": 101, "name": "b", "soft": "80M", "hard": "100M"},
        {"id": 7, "mnt": "/mnt/h", "name": "h", "hard": "1Gi"}"#;
    let volume = |id: &str, number, directory: &str, size, used, warn_percent| Planned {
        id: VolumeId::from_name(id),
        project: project(number),
        directory: directory.into(),
        size,
        used,
        warn_percent,
    };
    let gib = Bytes::gib(1);
    let expected = [
        volume("a", 100, "/opt/app/a", gib, gib, None),
        volume("b", 101, "/opt/app/b", Bytes::new(100_003_840), Bytes::ZERO, Some(80)), // whole blocks
        volume("h", 7, "/mnt/h", gib, Bytes::ZERO, None),
    ];
    assert_eq!(plan(items, None), Plan { volumes: expected.to_vec(), refused: Vec::new() });
    let based = plan(r#"{"id": 7, "mnt": "/srv", "name": "z", "hard": "1Gi"}"#, Some("/srv/app"));
    assert_eq!(based.volumes, [volume("z", 7, "/srv/app/z", gib, Bytes::ZERO, None)]);
}

#[test]
fn a_soft_limit_becomes_a_warning() {
    let cases = [
        ("0", None),
        ("100M", None),
        ("101M", None),
        ("1", Some(1)),
        ("50M", Some(50)),
        ("79999999", Some(79)),
        ("99999999", Some(99)),
    ];
    for (soft, expected) in cases {
        let items = format!(r#"{{"id": 100, "name": "a", "hard": "100M", "soft": "{soft}"}}"#);
        assert_eq!(plan(&items, None).volumes[0].warn_percent, expected, "{soft}");
    }
}

#[test]
fn an_item_that_cannot_says_why() {
    let item = |id: &str, name: &str, rest: &str| format!(r#"{{"id": {id}, "name": "{name}", {rest}}}"#);
    let good = r#""hard": "1Gi""#;
    let cases = [
        (format!("{{\"id\": 100, {good}}}"), "it has no 'name'"),
        (format!("{{\"name\": \"a\", {good}}}"), "it has no 'id'"),
        (item("100", "a", r#""used": 0"#), "it has no 'hard'"),
        (item("0", "a", good), "'0' is no project id"),
        (item("-5", "a", good), "'-5' is no project id"),
        (item("4294967295", "a", good), "'4294967295' is no project id"),
        (item("4294967396", "a", good), "'4294967396' is no project id"),
        (item("1.5", "a", good), "'1.5' is no project id"),
        (item("\"+100\"", "a", good), "'+100' is no project id"),
        (item("100", "", good), "'' cannot be the name"),
        (item("100", "../a", good), "'../a' cannot be the name"),
        (item("100", "a", r#""hard": 0"#), "it has no limit"),
        (item("100", "a", r#""hard": -1"#), "hard: '-1' is not a size: a size has no sign"),
        (item("100", "a", r#""hard": "1Gi", "soft": "much""#), "soft: 'much' is not a size"),
        (item("100", "a", r#""hard": "1Gi", "used": "100m""#), "used: '100m' is not a size"),
        (item("100", "a", r#""hard": 4096"#), "its hard limit is 4Ki, and a volume has 20 MB at least"),
        (item("100", "a", r#""hard": 18446744073709551615"#), "its hard limit is 15.9Ei"),
        (
            item("100", "a", r#""hard": "1Gi", "used": 1073741825"#),
            "it uses 1073741825 bytes, and its hard limit is 1073741824",
        ),
        (item("99", "a", good), "where its directory lies is not known: no line of /etc/projects has project 99"),
        (item("99", "a", r#""hard": "1Gi", "mnt": "/opt""#), "where its directory lies is not known"),
        (item("102", "c", good), "/etc/projects gives project 102 to more than one directory"),
        (item("103", "d", good), "/etc/projects gives its project to /opt/app/x, which is not called like it"),
        (item("104", "e", good), "'app/e' is not a directory's absolute path"),
        (item("105", "f", good), "'/opt/../f' is not a directory's absolute path"),
        (item("106", "g", r#""hard": "1Gi", "mnt": "/opt""#), "its directory /data/g does not lie in /opt"),
        (item("106", "g", r#""hard": "1Gi", "mnt": "data""#), "'data' is not a directory's absolute path"),
    ];
    for (items, reason) in cases {
        let refused = refused(&items, None);
        assert!(matches!(&refused[..], [(1, said)] if said.contains(reason)), "{items}: {refused:?}");
    }
}

#[test]
fn two_that_share_are_both_refused_and_others_are_not() {
    let items = r#"
        {"id": 100, "name": "a", "hard": "1Gi"}, {"id": 101, "name": "b", "hard": "1Gi"},
        {"id": "0100", "name": "c", "hard": "1Gi"}, {"id": 103, "name": "d", "hard": "1Gi"},
        {"id": 104, "name": "d", "hard": "1Gi"}, {"id": 0, "name": "d", "hard": "1Gi"}"#;
    let expected = [
        (1, "item 3 has the same id: one of them has to go"),
        (3, "item 1 has the same id: one of them has to go"),
        (4, "item 5 has the same name: one of them has to go"),
        (5, "item 4 has the same name: one of them has to go"),
        (6, "'0' is no project id: those are 1 to 4294967294"),
    ];
    assert_eq!(refused(items, Some("/opt/app")), expected.map(|(number, said)| (number, said.to_owned())));
    assert_eq!(plan(items, Some("/opt/app")).volumes[0].id.as_str(), "b");
}

#[test]
fn one_in_another_is_refused() {
    let items = r#"
        {"id": 100, "name": "a", "hard": "1Gi"}, {"id": 1, "mnt": "/opt/app/a/in", "name": "in", "hard": "1Gi"},
        {"id": 2, "mnt": "/opt/app/ab", "name": "ab", "hard": "1Gi"}"#;
    let expected = [
        (1, "its directory is, or lies in, or holds that of 'in'".to_owned()),
        (2, "its directory is, or lies in, or holds that of 'a'".to_owned()),
    ];
    assert_eq!(refused(items, None), expected);
    assert_eq!(plan(items, None).volumes[0].id.as_str(), "ab");
}
