//! What a call writes into the log. In a process of its own: who listens to the log is decided for all threads at once.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs, reason = "a test may panic")]

#[path = "it/world.rs"]
mod world;

#[path = "it/grpc"]
mod grpc {
    pub mod ask;
    pub mod server;
}

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use tonic::metadata::MetadataMap;
use tracing::Subscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt;
use ullage::csi::TRACE;
use ullage::host::fake::Fake;
use ullage::host::{FsTools, HeldLoop, Machine, Result, linux};
use ullage::model::{Bytes, FsKind};
use ullage::observe::log::{self, Format, Level};
use ullage::observe::trace::Call;

use ullage::rpc::csi::{ListVolumesRequest, ProbeRequest};

use grpc::ask::create_with;
use grpc::server::Server;
use world::{Volume, World, pool};

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

impl Page {
    /// At debug, as words.
    fn listens(&self) -> impl Subscriber + Send + Sync + use<> {
        let (level, format): (Level, Format) = ("debug".parse().unwrap(), "text".parse().unwrap());
        Registry::default().with(log::layer(level, format, false, self.clone()))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines of one call, without their time.
    fn of(&self, answer: &MetadataMap) -> Vec<String> {
        let trace = format!("trace={}", answer.get(TRACE).unwrap().to_str().unwrap());
        let text = self.text();
        let lines = text.lines().filter(|line| line.contains(&trace));
        lines.map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }
}

/// The machine in memory, but for what formats a volume: that is `mkfs` itself, which finds no such file on this machine.
struct RealFormat {
    memory: Arc<dyn FsTools>,
    real: Arc<dyn FsTools>,
}

impl FsTools for RealFormat {
    fn format(&self, image: &Path, fs: FsKind) -> Result<()> {
        let is_proof = image.components().any(|part| part.as_os_str() == "trash");
        if is_proof { self.memory.format(image, fs) } else { self.real.format(image, fs) }
    }

    fn grow_offline(&self, device: &HeldLoop, fs: FsKind) -> Result<()> {
        self.memory.grow_offline(device, fs)
    }

    fn smallest(&self, device: &HeldLoop) -> Result<Bytes> {
        self.memory.smallest(device)
    }

    fn shrink(&self, device: &HeldLoop, size: Bytes, undo: &Path) -> Result<()> {
        self.memory.shrink(device, size, undo)
    }

    fn undo_shrink(&self, device: &HeldLoop, undo: &Path) -> Result<()> {
        self.memory.undo_shrink(device, undo)
    }
}

#[tokio::test]
async fn a_call_has_its_line_and_a_program_its_words_and_what_it_printed() {
    let page = Page::default();
    tracing::subscriber::set_global_default(page.listens()).unwrap(); // the work is on other threads
    let (fake, nowhere) = (Fake::new(Bytes::gib(100)), "/nowhere-but-in-memory");
    fake.machine().files.create_dir(Path::new(nowhere)).unwrap();
    let tools = Arc::new(RealFormat { memory: fake.machine().tools, real: linux::machine().tools });
    let machine = Machine { tools, ..fake.machine() };
    let mut server = Server::unrecovered(fake, machine, vec![pool("default", nowhere)]).await;
    server.engine.recover();

    let listed = server.controller.list_volumes(ListVolumesRequest::default()).await.unwrap();
    let lines = page.of(listed.metadata());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("INFO  answered method=ListVolumes code=Ok seconds="), "{lines:?}");
    let probed = server.identity.probe(ProbeRequest {}).await.unwrap();
    let lines = page.of(probed.metadata());
    assert!(lines.len() == 1 && lines[0].starts_with("DEBUG answered method=Probe code=Ok seconds="), "{lines:?}");

    let status = server.controller.create_volume(create_with("db", &[("fs", "ext4")])).await.unwrap_err();
    let lines = page.of(status.metadata());
    let ran: Vec<_> = lines.iter().filter(|line| line.starts_with("DEBUG ran method=CreateVolume volume=db")).collect();
    // mkfs, and what it says of its version.
    assert_eq!(ran.len(), 2, "{lines:#?}");
    for said in ["-m", "lazy_journal_init=1", "/nowhere-but-in-memory/volumes/db/image", "does not exist"] {
        assert!(ran[0].contains("mkfs.ext4") && ran[0].contains(said), "{}", ran[0]);
    }
    assert!(ran[1].contains("-V") && ran[1].contains("mke2fs 1."), "{}", ran[1]);
    let last = lines.last().unwrap();
    assert!(last.starts_with("ERROR failed method=CreateVolume volume=db code=Internal seconds="), "{last}");
    assert!(last.contains("reason=") && last.contains("mkfs.ext4 ended with"), "{last}");
}

#[test]
fn the_steps_of_a_call_are_numbered_below_it() {
    let (world, page) = (World::new(), Page::default());
    let call = tracing::subscriber::with_default(page.listens(), || {
        let call = Call::begin("CreateVolume");
        call.run(|| world.create(&Volume::xfs("db"))).unwrap();
        call.finish("Ok", None);
        call.id().to_owned()
    });
    let lines = page.text();
    let traces: Vec<_> = lines.lines().filter_map(|line| line.split("trace=").nth(1)).map(str::trim).collect();
    assert_eq!(traces.len(), lines.lines().count(), "every line has its id:\n{lines}");
    // Provision; in it reserve, format, and reserve again; and the call's own line.
    let expected = [".1.1", ".1.3", ".1", ""].map(|step| format!("{call}{step}"));
    assert_eq!(traces, expected, "{lines}");
}
