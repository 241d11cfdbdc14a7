use super::super::fixtures::{AT, status};
use super::*;

/// Every kind of frame, with the name that `docs/alerts.md` has for it.
fn printed() -> Vec<(&'static str, String)> {
    let db = VolumeId::from_name("db");
    let changed = |available, level, previous| Storage::Level { previous }.frame(&status("db", available, level, 1));
    let larger = Status {
        reading: Some(Reading { size: Bytes::mib(4096), available: Bytes::mib(2396), ..Reading::default() }),
        ..Status::clone(&status("db", 348, Level::Ok, 1))
    };
    let scarce = Status {
        reading: Some(Reading {
            size: Bytes::mib(2048),
            available: Bytes::mib(1536),
            inodes: Inodes { total: 1000, used: 991, free: 9 },
        }),
        ..Status::clone(&status("db", 348, Level::Full, 1))
    };
    let lost = Status { lost: Some("/data is not mounted".into()), ..Status::clone(&status("db", 348, Level::Ok, 0)) };
    vec![
        ("running", running(AT)),
        ("alert", out_of_storage(&db, AT)),
        ("notice", notice("Commands are not run here: use kubectl exec, or a shell on the host", AT)),
        ("stats", stats(&status("db", 1536, Level::Ok, 0)).unwrap()),
        ("warning", changed(348, Level::Warning, Some(Level::Ok))),
        ("full", changed(51, Level::Full, Some(Level::Warning))),
        ("full, on connecting", changed(51, Level::Full, None)),
        ("full, of inodes", Storage::Level { previous: Some(Level::Ok) }.frame(&scarce)),
        ("ok", changed(1024, Level::Ok, Some(Level::Full))),
        ("reminder", Storage::Reminder.frame(&status("db", 51, Level::Full, 1))),
        ("resized", Storage::Resized { previous: Bytes::mib(2048) }.frame(&larger)),
        ("lost", Storage::Lost.frame(&lost)),
        ("found", Storage::Found.frame(&status("db", 1536, Level::Ok, 0))),
        ("gone", gone(&db, AT)),
        ("logs", logs(&[&format!("{} db: warning (was ok), 83.0 % used, 348 MiB left", stamp(AT))], AT)),
    ]
}

#[test]
fn frames_are_those_of_the_contract() {
    let expected = [
        r#"{"event":"event","ts":"T","data":"running","args":["running"]}"#,
        r#"{"event":"daemon_message","ts":"T","volume_id":"db","data":"System out of storage","args":["System out of storage"]}"#,
        r#"{"event":"daemon_message","ts":"T","data":"Commands are not run here: use kubectl exec, or a shell on the host","args":["Commands are not run here: use kubectl exec, or a shell on the host"]}"#,
        r#"{"event":"stats","ts":"T","volume_id":"db","disk_bytes":536870912,"disk_limit_bytes":2147483648,"args":["{\"disk_bytes\":536870912,\"disk_limit_bytes\":2147483648}"]}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"warning","previous":"ok","size_mb":2048,"used_mb":1700,"available_mb":348,"percentage_used":83.01}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"full","previous":"warning","size_mb":2048,"used_mb":1997,"available_mb":51,"percentage_used":97.51}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"full","size_mb":2048,"used_mb":1997,"available_mb":51,"percentage_used":97.51}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"full","previous":"ok","size_mb":2048,"used_mb":512,"available_mb":1536,"percentage_used":25.0,"inodes_total":1000,"inodes_free":9}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"ok","previous":"full","size_mb":2048,"used_mb":1024,"available_mb":1024,"percentage_used":50.0}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"full","reminder":true,"size_mb":2048,"used_mb":1997,"available_mb":51,"percentage_used":97.51}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"resized","previous_mb":2048,"size_mb":4096}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"lost","reason":"/data is not mounted"}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"ok","previous":"lost","size_mb":2048,"used_mb":512,"available_mb":1536,"percentage_used":25.0}}"#,
        r#"{"event":"storage","ts":"T","volume_id":"db","data":{"state":"gone"}}"#,
        r#"{"event":"logs","ts":"T","data":"T db: warning (was ok), 83.0 % used, 348 MiB left","args":["T db: warning (was ok), 83.0 % used, 348 MiB left"]}"#,
    ];
    let printed: Vec<_> = printed().into_iter().map(|(_, frame)| frame.replace(&stamp(AT), "T")).collect();
    assert_eq!(printed, expected);
}

#[test]
fn a_time_is_rfc_3339() {
    assert_eq!(stamp(AT), "2026-01-28T12:30:01.500Z");
    let elsewhere = AT.to_offset(time::macros::offset!(+5:30));
    assert_eq!(stamp(elsewhere), stamp(AT));
    use time::format_description::well_known::Rfc3339;
    assert_eq!(OffsetDateTime::parse(&stamp(AT), &Rfc3339), Ok(AT));
}

#[test]
fn what_was_never_measured_has_no_numbers() {
    let unseen = Status::new(VolumeId::from_name("db"));
    assert_eq!(stats(&unseen), None);
    let frame: serde_json::Value = serde_json::from_str(&Storage::Lost.frame(&unseen)).unwrap();
    assert_eq!(frame["data"], serde_json::json!({ "state": "lost" }));
}

#[test]
fn the_same_in_words() {
    let full = status("db", 51, Level::Full, 1);
    let words = |what: Storage| what.words(&full);
    assert_eq!(words(Storage::Reminder), "still full, 97.5 % used, 51 MiB left");
    assert_eq!(words(Storage::Found), "full (was lost), 97.5 % used, 51 MiB left");
    assert_eq!(words(Storage::Resized { previous: Bytes::mib(1024) }), "resized from 1024 MiB to 2048 MiB");
}

/// The rows of a table under a heading, cell by cell.
fn rows(page: &'static str, heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = page.split_once(&format!("\n## {heading}\n")).expect("the page has the heading");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()).collect()
}

const PAGE: &str = include_str!("../../../../docs/alerts.md");

#[test]
fn the_page_shows_every_frame_as_it_is() {
    let rows = rows(PAGE, "Frames out");
    let shown: Vec<_> = rows.iter().map(|cells| (cells[0], cells[2].to_owned())).collect();
    assert_eq!(shown, printed());
}

#[test]
fn the_page_shows_what_may_be_asked_as_it_is_read() {
    use super::super::requests::Request;

    let rows = rows(PAGE, "Frames in");
    assert!(rows.len() >= 5, "{rows:?}");
    for cells in rows {
        let asked = |cell: &str| Request::parse(cell.as_bytes()).unwrap();
        let (ours, theirs) = (asked(cells[1]), asked(cells[2]));
        assert_ne!(ours, Request::Unknown, "{cells:?}");
        assert_eq!(ours, theirs, "{cells:?}");
    }
}
