use super::world::World;

const ALERT: [&str; 2] = ["daemon_message db", "storage db full"];

/// Without the numbers, which come when they come.
fn without_stats(mut heard: Vec<String>) -> Vec<String> {
    heard.retain(|frame| !frame.starts_with("stats"));
    heard
}

#[tokio::test]
async fn every_client_is_alerted_once_for_each_entering() {
    let world = World::new(&[("db", 1024)]).await;
    let mut clients = vec![world.client("any").await, world.client("db").await, world.client("pod-7").await];
    for client in &mut clients {
        assert_eq!(client.hear(100).await, ["event", "stats db"]);
    }
    world.leave("db", 300).await;
    for client in &mut clients {
        assert_eq!(client.until("storage").await["data"]["state"], "warning");
    }
    for entering in 1..=2 {
        world.leave("db", 5).await;
        clients.push(world.client("late").await);
        for (at, client) in clients.iter_mut().enumerate() {
            let mut heard = without_stats(client.hear(200).await);
            // Whoever came late is told first of all that it runs.
            heard.retain(|frame| frame != "event");
            assert_eq!(heard, ALERT, "client {at}, entering {entering}");
        }
        world.leave("db", 1).await;
        world.leave("db", 1000).await;
        for client in &mut clients {
            assert_eq!(without_stats(client.hear(100).await), ["storage db ok"]);
        }
    }
    assert_eq!(world.alerts.press.counters().delays().buckets().iter().sum::<u64>(), 3 + 4);
}

#[tokio::test]
async fn who_connects_while_full_is_told_at_once() {
    let world = World::new(&[("cache", 1024), ("db", 0)]).await;
    let mut client = world.client("any").await;
    let heard = client.hear(200).await;
    assert_eq!(heard, [&["event"][..], &ALERT, &["stats cache", "stats db"]].concat());
    let mut client = world.client("cache").await;
    assert_eq!(client.hear(100).await, ["event", "stats cache"]);
}

#[tokio::test]
async fn a_volume_that_goes_away_is_said_to_be_gone() {
    let world = World::new(&[("db", 0)]).await;
    let mut client = world.client("db").await;
    client.until("stats").await;
    world.alerts.monitor.remove(&super::world::id("db"));
    assert_eq!(client.frame().await["data"]["state"], "gone");
}

#[tokio::test]
async fn a_client_sees_the_volumes_that_it_asks_for() {
    let world = World::new(&[("cache", 1024), ("db", 1024)]).await;
    let mut client = world.client("cache").await;
    assert_eq!(client.hear(100).await, ["event", "stats cache"]);
    world.leave("db", 5).await;
    world.settle().await;
    client.say(r#"{"event":"subscribe","volumes":["db"]}"#).await;
    assert_eq!(client.hear(100).await, [&ALERT[..], &["stats db"]].concat());
    // Back and forth: what was told is not told again.
    client.say(r#"{"event":"subscribe","volumes":["cache"]}"#).await;
    client.say(r#"{"event":"subscribe","args":["cache","db"]}"#).await;
    assert_eq!(without_stats(client.hear(100).await), [""; 0]);
    client.say(r#"{"event":"subscribe","volumes":["cache","nothing"]}"#).await;
    assert_eq!(client.until("daemon_message").await["data"], "No such volume: nothing");
    // What is over and began again while nobody looked is told when somebody looks.
    world.leave("db", 1000).await;
    world.leave("db", 5).await;
    world.settle().await;
    assert_eq!(without_stats(client.hear(50).await), [""; 0]);
    client.say(r#"{"event":"subscribe","volumes":[]}"#).await;
    assert_eq!(without_stats(client.hear(100).await), ALERT);
}
