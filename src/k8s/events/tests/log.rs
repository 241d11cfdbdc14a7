//! What is said in the log, and how often.

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;

/// How loudly each thing was said.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<Level>>>);

impl Subscriber for Said {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.target().ends_with("events::desk") && *about.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(*event.metadata().level());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Said {
    fn since(&self) -> Vec<Level> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_namespace_forbids_is_said_once_whatever_another_permits() {
    let said = Said::default();
    let _log = tracing::subscriber::set_default(said.clone());
    let server = Server::default();
    let events = server.healthy();
    let round = async |closed: &[&str]| {
        server.0.lock().unwrap().closed = closed.iter().map(|&name| name.to_owned()).collect();
        sleep(Duration::from_secs(300)).await; // nobody is muted any more
        for namespace in ["closed", "shop"] {
            events.post(Subject { namespace: namespace.into(), ..subject("data") }, notice("A"));
            settled().await;
        }
        said.since()
    };
    assert_eq!(round(&["closed"]).await, [Level::WARN]);
    for _ in 0..3 {
        assert!(round(&["closed"]).await.is_empty());
    }
    assert_eq!(round(&["closed", "shop"]).await, [Level::WARN], "another is news");
    assert_eq!(round(&["closed"]).await, [Level::INFO]);
    assert_eq!(round(&[]).await, [Level::INFO]);
    assert_eq!(round(&["closed"]).await, [Level::WARN]);
}
