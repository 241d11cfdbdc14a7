use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::super::Pace;
use super::world::{Client, World};

/// A client that asks for more than any buffer holds, and reads nothing of it.
async fn glutton(world: &World) -> Client {
    for round in 0..60 {
        world.leave("other", if round % 2 == 0 { 5 } else { 1000 }).await;
    }
    let mut client = world.client("any").await;
    for _ in 0..1500 {
        client.say(r#"{"event":"request_logs"}"#).await;
    }
    // Until nothing more can be written to it.
    let written = || world.alerts.press.counters().frames();
    let (mut before, mut same) = (0, 0);
    while same < 3 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let now = written();
        same = if now == before && now > 0 { same + 1 } else { 0 };
        before = now;
    }
    client
}

#[tokio::test]
async fn one_that_never_reads_delays_nobody_and_is_dropped() {
    let pace = Pace { patience: Duration::from_secs(3), moment: Duration::from_millis(200), ..Pace::default() };
    let world = World::with(&[("db", 1024), ("other", 1000)], pace).await;
    let glutton = glutton(&world).await;
    let mut client = world.client("db").await;
    client.until("stats").await;
    assert_eq!(world.alerts.press.clients(), 2);
    let begin = Instant::now();
    world.leave("db", 5).await;
    client.until("daemon_message").await;
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    world.clients(1).await;
    assert_eq!(world.closes(1006), 1, "no close frame could be written");
    drop(glutton);
}

#[tokio::test]
async fn one_that_is_slow_gets_its_alert_and_then_is_closed() {
    let pace = Pace { moment: Duration::from_millis(50), ..Pace::default() };
    let world = World::with(&[("db", 1024), ("other", 1000)], pace).await;
    let mut glutton = glutton(&world).await;
    world.leave("db", 5).await;
    // Longer than a moment after it is told to go, and far less than it has from then.
    tokio::time::sleep(pace.patience + Duration::from_millis(500)).await;
    let (heard, code) = glutton.rest().await;
    assert_eq!(code, 1013);
    assert_eq!(heard.iter().filter(|frame| *frame == "daemon_message db").count(), 1);
    assert_eq!(heard.last().unwrap(), "storage db full");
    drop(glutton);
    world.clients(0).await;
    assert_eq!(world.closes(1013), 1);
}

#[tokio::test]
async fn more_than_the_bound_is_too_much_only_for_one_that_is_blocked() {
    let pace = Pace { urgent: 2, moment: Duration::from_secs(9), ..Pace::default() };
    let world = World::with(&[("a", 0), ("b", 0), ("c", 0), ("db", 1024), ("other", 1000)], pace).await;
    let mut client = world.client("any").await;
    assert_eq!(client.hear(500).await.len(), 1 + 6 + 5);
    let mut glutton = glutton(&world).await;
    let begin = Instant::now();
    // Five volumes may have twenty frames for it at once.
    for round in 0..20 {
        world.leave("db", if round % 2 == 0 { 5 } else { 1000 }).await;
    }
    assert_eq!(glutton.rest().await.1, 1013);
    assert!(begin.elapsed() < pace.patience, "{:?}", begin.elapsed());
}

/// All of whose alerts do not fit into what the kernel takes at once.
#[tokio::test]
async fn who_reads_is_not_closed_for_having_many_full_volumes() {
    let names: Vec<_> = (0..100).map(|number| format!("v{number}")).collect();
    let volumes: Vec<_> = names.iter().map(|name| (name.as_str(), 0)).collect();
    let world = World::narrow(&volumes).await;
    let mut client = world.client("any").await;
    // It takes its time, and reads all of it.
    tokio::time::sleep(Duration::from_millis(500)).await;
    for round in 0..2 {
        let mut alerts = 0;
        while alerts < names.len() {
            let frame = client.next().await.expect("it was closed");
            alerts += usize::from(frame["event"] == "daemon_message");
        }
        // And all at once again, as where the disk below them is full.
        if round == 0 {
            for available in [1000, 0] {
                join_all(names.iter().map(|name| world.leave(name, available))).await;
            }
        }
    }
}

#[tokio::test]
async fn nor_for_many_that_come_full_after_it() {
    let world = World::narrow(&[("db", 1024)]).await;
    let mut client = world.client("any").await;
    client.until("stats").await;
    let names: Vec<_> = (0..200).map(|number| format!("v{number}")).collect();
    join_all(names.iter().map(|name| world.make(name, 0))).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut alerts = 0;
    while alerts < names.len() {
        let frame = client.next().await.expect("it was closed");
        alerts += usize::from(frame["event"] == "daemon_message");
    }
}
