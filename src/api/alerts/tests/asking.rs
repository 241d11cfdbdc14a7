use tokio_tungstenite::tungstenite::Message;

use super::world::World;

#[tokio::test]
async fn both_spellings_are_answered() {
    let world = World::new(&[("db", 300)]).await;
    world.leave("db", 5).await;
    world.settle().await;
    let (mut client, mut other) = (world.client("any").await, world.client("any").await);
    other.hear(100).await;
    for (asked, lines) in [(r#"{"event":"request_logs"}"#, 2), (r#"{"logs":["1"]}"#, 1)] {
        client.say(asked).await;
        let logs = client.until("logs").await;
        let args = logs["args"].as_array().unwrap();
        assert_eq!(args.len(), lines, "{logs}");
        assert!(args[lines - 1].as_str().unwrap().contains("db: System out of storage: full (was warning)"), "{logs}");
        assert_eq!(logs["data"].as_str().unwrap().lines().count(), lines);
    }
    for asked in [
        r#"{"event":"send_command","args":["say hi"]}"#,
        r#"{"event":"send_command","data":"say hi"}"#,
        r#"{"event":"power","data":"restart"}"#,
        r#"{"event":"power","args":["restart"]}"#,
    ] {
        client.say(Message::binary(asked.as_bytes())).await;
        let said = client.until("daemon_message").await;
        assert!(said["data"].as_str().unwrap().contains("kubectl"), "{said}");
        assert_eq!(said["data"], said["args"][0]);
        assert!(said.get("volume_id").is_none());
    }
    assert_eq!(other.hear(50).await, [""; 0]);
}

#[tokio::test]
async fn numbers_that_are_asked_for_are_measured_then() {
    let world = World::new(&[("cache", 1024), ("db", 1024)]).await;
    let mut client = world.client("db").await;
    client.until("stats").await;
    world.leave_unseen("db", 512);
    client.say(r#"{"event":"request_quota"}"#).await;
    let stats = client.until("stats").await;
    assert_eq!(stats["volume_id"], "db");
    assert_eq!(stats["disk_bytes"], 1536 << 20, "{stats}");
    let args: serde_json::Value = serde_json::from_str(stats["args"][0].as_str().unwrap()).unwrap();
    assert_eq!(args["disk_limit_bytes"], 2048u64 << 20);
}

#[tokio::test]
async fn malformed_frames_are_counted_and_ignored() {
    let world = World::new(&[("db", 1024)]).await;
    let mut client = world.client("any").await;
    for at in 0..500 {
        client.say("{").await;
        client.say(Message::binary(vec![0xff, 0xfe, 0])).await;
        client.say(format!("[{at}]")).await;
        client.say("x".repeat(100)).await;
        client.say(r#"{"event":"nobody knows"}"#).await;
    }
    client.say(r#"{"logs":[]}"#).await;
    client.until("logs").await;
    assert_eq!(world.alerts.press.counters().malformed(), 2000);
    world.leave("db", 5).await;
    assert_eq!(client.until("daemon_message").await["volume_id"], "db");
}
