use super::super::fixtures::status;
use super::*;
use crate::model::Bytes;

/// What was said, in short: alerts, states, numbers.
fn short(said: &[Arc<Printed>]) -> Vec<String> {
    let state = |frame: &str| -> String {
        let frame: serde_json::Value = serde_json::from_str(frame).unwrap();
        let data = &frame["data"];
        let reminder = if data["reminder"] == true { "!" } else { "" };
        let previous = data["previous"].as_str().map_or(String::new(), |previous| format!("{previous}>"));
        format!("{previous}{}{reminder}", data["state"].as_str().unwrap())
    };
    let one = |printed: &Arc<Printed>| match &printed.kind {
        Kind::Stats(_) => "stats".to_owned(),
        Kind::Storage { frame, ended } => format!("{}{}", state(frame), if ended.is_some() { " over" } else { "" }),
        Kind::Alert { storage, .. } => format!("ALERT {}", state(storage)),
    };
    said.iter().map(one).collect()
}

fn all(_: &VolumeId) -> bool {
    true
}

#[test]
fn each_entering_is_one_alert_whatever_says_so_first() {
    let mut board = Board::default();
    assert_eq!(short(&board.take(&Event::Measured(status("db", 900, Level::Ok, 0)))), ["stats"]);
    let warning = status("db", 300, Level::Warning, 0);
    let level = |status: &Arc<Status>, previous| Event::Level { status: status.clone(), previous };
    assert_eq!(short(&board.take(&level(&warning, Level::Ok))), ["ok>warning"]);
    let full = status("db", 5, Level::Full, 1);
    assert_eq!(short(&board.take(&level(&full, Level::Warning))), ["ALERT warning>full"]);
    assert_eq!(short(&board.take(&Event::Measured(full.clone()))), ["stats"]);
    assert_eq!(short(&board.take(&level(&full, Level::Warning))), [""; 0]);
    assert_eq!(short(&board.take(&Event::Reminder(full.clone()))), ["full!"]);
    let free = status("db", 900, Level::Ok, 1);
    assert_eq!(short(&board.take(&level(&free, Level::Full))), ["full>ok over"]);
    let again = status("db", 0, Level::Full, 2);
    assert_eq!(short(&board.take(&Event::Measured(again.clone()))), ["ALERT ok>full", "stats"]);
    assert_eq!(short(&board.take(&level(&again, Level::Ok))), [""; 0]);
    assert_eq!(short(&board.take(&Event::Gone(again.id.clone()))), ["gone over"]);
    assert_eq!(short(&board.take(&Event::Gone(again.id.clone()))), [""; 0]);
}

#[test]
fn growing_says_the_size_and_then_the_level() {
    let mut board = Board::default();
    board.take(&Event::Measured(status("db", 5, Level::Full, 1)));
    let event = Event::Resized { status: status("db", 1500, Level::Ok, 1), previous: Bytes::mib(1024) };
    assert_eq!(short(&board.take(&event)), ["resized", "full>ok over"]);
}

#[test]
fn a_volume_that_is_lost_while_full_is_still_full_when_found() {
    let mut board = Board::default();
    let full = status("db", 5, Level::Full, 1);
    let away = Arc::new(Status { lost: Some("gone".into()), ..Status::clone(&full) });
    board.take(&Event::Measured(full.clone()));
    assert_eq!(short(&board.take(&Event::Lost(away.clone()))), ["lost"]);
    assert_eq!(short(&board.take(&Event::Lost(away))), [""; 0]);
    let shown = board.shown(all);
    assert!(shown[0].alert.is_some() && shown[0].lost.is_some() && shown[0].stats.is_some());
    assert_eq!(short(&board.take(&Event::Found(status("db", 5, Level::Full, 1)))), ["lost>full"]);
}

#[test]
fn what_fell_out_of_the_monitors_queue_is_said_from_the_statuses() {
    let mut board = Board::default();
    board.catch_up(&[status("a", 900, Level::Ok, 0), status("b", 5, Level::Full, 1), status("c", 9, Level::Ok, 0)]);
    let before = status("b", 900, Level::Ok, 1);
    let now = [status("a", 5, Level::Full, 1), status("b", 5, Level::Full, 2), status("d", 300, Level::Warning, 0)];
    let said = board.catch_up(&now);
    let expected = ["gone", "ALERT ok>full", "stats", "ALERT full>full", "stats", "ok>warning", "stats"];
    assert_eq!(short(&said), expected);
    // An event that was on its way: older than what is known.
    assert_eq!(short(&board.take(&Event::Level { status: before, previous: Level::Full })), [""; 0]);
    // Full and free again while nobody looked: it is said all the same.
    let said = board.catch_up(&[status("a", 900, Level::Ok, 2)]);
    assert_eq!(short(&said), ["gone over", "gone", "ALERT full>ok", "stats"]);
    assert!(board.shown(all)[0].alert.is_none());
}

#[test]
fn who_comes_later_is_shown_how_it_stands_with_one_print_for_all() {
    let mut board = Board::default();
    board.catch_up(&[status("a", 900, Level::Ok, 0), status("b", 5, Level::Full, 1)]);
    let (first, second) = (board.shown(all), board.shown(all));
    assert!(Arc::ptr_eq(&first[1], &second[1]));
    let (number, [message, storage]) = first[1].alert.clone().unwrap();
    assert_eq!(number, board.last());
    assert!(message.contains("System out of storage") && storage.contains(r#""state":"full""#));
    assert!(first[0].alert.is_none());
    assert_eq!(board.shown(|volume| volume.as_str() == "a").len(), 1);
}

#[test]
fn the_last_hundred_are_kept() {
    let mut board = Board::default();
    for round in 0..80 {
        board.take(&Event::Measured(status("db", 5, Level::Full, round + 1)));
        board.take(&Event::Measured(status("db", 1024, Level::Ok, round + 1)));
    }
    assert_eq!((board.since(0).len(), board.last()), (100, 160));
    assert_eq!(short(&board.since(158)), ["ALERT ok>full", "full>ok over"]);
    assert!(board.since(159)[0].words.ends_with("db: ok (was full), 50.0 % used, 1024 MiB left"));
}

#[test]
fn a_size_that_is_the_same_in_mb_is_not_told() {
    let mut board = Board::default();
    let now = status("db", 900, Level::Ok, 0);
    for (previous, said) in [
        (Bytes::new((2048 << 20) + 4096), &[][..]),
        (Bytes::mib(2048), &[]),
        (Bytes::mib(2047), &["resized"]),
        (Bytes::mib(4096), &["resized"]),
    ] {
        let event = Event::Resized { status: now.clone(), previous };
        assert_eq!(short(&board.take(&event)), said, "{previous}");
    }
}
