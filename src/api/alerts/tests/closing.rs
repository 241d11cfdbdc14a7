use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::{Instant, sleep};
use tokio_tungstenite::tungstenite::Message;

use super::super::Pace;
use super::world::World;
use crate::api::limits::Limits;
use crate::api::tokens::FakeClock;

#[tokio::test]
async fn a_token_that_is_replaced_closes_its_own_sockets() {
    let world = World::new(&[("db", 1024)]).await;
    let (issued, _) = world.keeper().issue(Duration::from_secs(60), false).unwrap();
    let mut old = world.client("any").await;
    let mut other = world.client_with("any", issued.as_str()).await;
    world.replace_token();
    assert_eq!(old.rest().await, (vec!["event".to_owned(), "stats db".to_owned()], 4401));
    world.clients(1).await;
    world.leave("db", 5).await;
    other.until("daemon_message").await;
    assert_eq!(world.closes(4401), 1);
}

#[tokio::test]
async fn a_token_that_expires_closes_its_sockets_then() {
    let world = World::new(&[("db", 1024)]).await;
    let (issued, expires) = world.keeper().issue(Duration::from_secs(5), true).unwrap();
    let mut client = world.client_with("any", issued.as_str()).await;
    assert_eq!(client.rest().await.1, 4401);
    let late = OffsetDateTime::now_utc() - expires;
    assert!(late >= time::Duration::ZERO && late < time::Duration::SECOND, "{late}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_prolongs_no_socket() {
    let clock = FakeClock::new();
    let world = World::at(&[("db", 1024)], Pace::default(), Limits::new(0, 0), clock.clone()).await;
    let (issued, _) = world.keeper().issue(Duration::from_secs(1), false).unwrap();
    clock.jump(-3600);
    world.keeper().refresh();
    // What ends it is the steady clock, by which it has at most two seconds, whenever its socket was opened.
    let mut client = world.client_with("any", issued.as_str()).await;
    let ended = tokio::time::timeout(Duration::from_secs(4), client.rest()).await.expect("it goes on");
    assert_eq!(ended.1, 4401);
}

#[tokio::test]
async fn a_clock_that_is_set_forward_ends_what_has_expired_by_it_at_once() {
    let clock = FakeClock::new();
    let world = World::at(&[("db", 1024)], Pace::default(), Limits::new(0, 0), clock.clone()).await;
    let (short, _) = world.keeper().issue(Duration::from_secs(60), true).unwrap();
    let (long, _) = world.keeper().issue(Duration::from_secs(7200), false).unwrap();
    let mut short = world.client_with("any", short.as_str()).await;
    let mut others = [world.client("any").await, world.client_with("any", long.as_str()).await];
    world.keeper().refresh();
    assert_eq!(short.hear(500).await, ["event", "stats db"]);
    clock.jump(3600);
    world.keeper().refresh();
    let ended = tokio::time::timeout(Duration::from_secs(1), short.rest()).await.expect("it goes on");
    assert_eq!(ended.1, 4401);
    for other in &mut others {
        assert_eq!(other.hear(500).await, ["event", "stats db"]);
    }
}

#[tokio::test]
async fn tokens_that_are_revoked_close_their_sockets_and_no_others() {
    let world = World::new(&[("db", 1024)]).await;
    let issue = |once| world.keeper().issue(Duration::from_secs(60), once).unwrap().0;
    let (again, once) = (issue(false), issue(true));
    let mut revoked = [world.client_with("any", again.as_str()).await, world.client_with("any", once.as_str()).await];
    let mut master = world.client("any").await;
    world.revoke();
    for client in &mut revoked {
        assert_eq!(client.rest().await.1, 4401);
    }
    assert_eq!(master.hear(500).await, ["event", "stats db"]);
    // One that is issued after that is good.
    let mut late = world.client_with("any", issue(false).as_str()).await;
    assert_eq!(late.hear(500).await, ["event", "stats db"]);
}

#[tokio::test]
async fn a_shutdown_is_said_to_everybody() {
    let world = World::new(&[("db", 1024)]).await;
    let mut clients = [world.client("any").await, world.client("db").await];
    world.stop.send(true).unwrap();
    for client in &mut clients {
        assert_eq!(client.rest().await.1, 1001);
    }
    world.clients(0).await;
    assert_eq!(world.closes(1001), 2);
}

#[tokio::test]
async fn a_client_that_closes_is_answered() {
    let world = World::new(&[("db", 1024)]).await;
    let mut client = world.client("any").await;
    client.say(Message::Close(None)).await;
    assert!(matches!(client.rest().await.1, 1005 | 1006));
    world.clients(0).await;
    assert_eq!(world.closes(1005), 1);
    // One that is simply not there any more.
    drop(world.client("any").await);
    world.clients(0).await;
    assert_eq!(world.closes(1006), 1);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_by_name() {
    let world = World::new(&[("db", 1024)]).await;
    let mut client = world.client("any").await;
    client.say("x".repeat(64 << 10)).await;
    client.say(r#"{"logs":[]}"#).await;
    client.until("logs").await;
    client.say("x".repeat((64 << 10) + 1)).await;
    assert!(matches!(client.rest().await.1, 1009 | 1006));
    world.clients(0).await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed_and_one_that_does_is_not() {
    let pace = Pace { ping: Duration::from_millis(150), ..Pace::default() };
    let world = World::with(&[("db", 1024)], pace).await;
    let (mut silent, mut alive) = (world.client("any").await, world.client("any").await);
    let begin = Instant::now();
    let hears = tokio::spawn(async move { alive.hear(900).await });
    // Who does not read answers nothing.
    world.clients(2).await;
    while world.alerts.press.clients() == 2 && begin.elapsed() < Duration::from_secs(5) {
        sleep(Duration::from_millis(5)).await;
    }
    let lasted = begin.elapsed();
    assert!(lasted > Duration::from_millis(400), "{lasted:?}");
    assert_eq!(silent.rest().await.1, 1001);
    assert_eq!(hears.await.unwrap(), ["event", "stats db"]);
}
