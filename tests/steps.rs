//! What a call writes into the log. In a process of its own: who listens to the log is decided for all threads at once.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs, reason = "a test may panic")]

#[path = "it/world.rs"]
mod world;

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use ullage::observe::log::{self, Format, Level};
use ullage::observe::trace::Call;

use world::{Volume, World};

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_steps_of_a_call_are_numbered_below_it() {
    let (world, page) = (World::new(), Page::default());
    let (level, format): (Level, Format) = ("debug".parse().unwrap(), "text".parse().unwrap());
    let subscriber = Registry::default().with(log::layer(level, format, false, page.clone()));
    let call = tracing::subscriber::with_default(subscriber, || {
        let call = Call::begin("CreateVolume");
        call.run(|| world.create(&Volume::xfs("db"))).unwrap();
        call.finish("Ok", None);
        call.id().to_owned()
    });
    let lines = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
    let traces: Vec<_> = lines.lines().filter_map(|line| line.split("trace=").nth(1)).map(str::trim).collect();
    assert_eq!(traces.len(), lines.lines().count(), "every line has its id:\n{lines}");
    // Provision; in it reserve, format, and reserve again; and the call's own line.
    let expected = [".1.1", ".1.3", ".1", ""].map(|step| format!("{call}{step}"));
    assert_eq!(traces, expected, "{lines}");
}
