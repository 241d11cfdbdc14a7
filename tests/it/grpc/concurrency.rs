//! Calls at the same time, and callers that go away.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tonic::Code::{Aborted, Internal};
use ullage::host::fake::Fake;
use ullage::host::{FsTools, HeldLoop, Machine, Result};
use ullage::model::{Bytes, FsKind};
use ullage::rpc::csi::{CreateVolumeRequest, DeleteVolumeRequest, ListVolumesRequest};

use super::ask::*;
use super::server::Server;
use crate::world::{POOL, pool};

/// A machine whose `mkfs` waits at a gate, or ends the thread that ran it.
///
/// Dropped by its test it opens: a failed test shall not wait for the thread that waits there.
#[derive(Default)]
struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    closed: bool,
    panics: bool,
    waiting: usize,
}

struct Gated {
    gate: Gate,
    tools: Arc<dyn FsTools>,
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.change(|state| state.closed = false);
    }
}

impl Gate {
    fn same(&self) -> Self {
        Self(self.0.clone())
    }

    fn change(&self, change: impl Fn(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let panics = std::mem::take(&mut self.0.0.lock().unwrap().panics);
        assert!(!panics, "the thread ends here, as the test wants it");
        let mut state = self.0.0.lock().unwrap();
        state.waiting += 1;
        let mut state = self.0.1.wait_while(state, |state| state.closed).unwrap();
        state.waiting -= 1;
    }

    async fn somebody_waits(&self) {
        while self.0.0.lock().unwrap().waiting == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl FsTools for Gated {
    fn format(&self, image: &Path, fs: FsKind) -> Result<()> {
        self.gate.pass();
        self.tools.format(image, fs)
    }

    fn grow_offline(&self, device: &HeldLoop, fs: FsKind) -> Result<()> {
        self.tools.grow_offline(device, fs)
    }

    fn smallest(&self, device: &HeldLoop) -> Result<Bytes> {
        self.tools.smallest(device)
    }

    fn shrink(&self, device: &HeldLoop, size: Bytes, undo: &Path) -> Result<()> {
        self.tools.shrink(device, size, undo)
    }

    fn undo_shrink(&self, device: &HeldLoop, undo: &Path) -> Result<()> {
        self.tools.undo_shrink(device, undo)
    }
}

async fn gated() -> (Server, Gate) {
    let (fake, gate) = (Fake::new(Bytes::gib(100)), Gate::default());
    fake.machine().files.create_dir(Path::new(POOL)).unwrap();
    let machine = fake.machine();
    let tools = Arc::new(Gated { gate: gate.same(), tools: machine.tools });
    let machine = Machine { tools, ..fake.machine() };
    let server = Server::unrecovered(fake, machine, vec![pool("default", POOL)]).await;
    server.engine.recover();
    gate.change(|state| state.closed = true);
    (server, gate)
}

#[tokio::test]
async fn of_two_calls_on_one_volume_one_works_and_other_volumes_do_not_wait() {
    let (mut server, gate) = gated().await;
    let mut other = server.controller.clone();
    let first = tokio::spawn(async move { other.create_volume(create("db")).await });
    gate.somebody_waits().await;

    let text = "another call on volume 'db' is under way";
    refused(server.controller.create_volume(create("db")).await, Aborted, text);
    let delete = DeleteVolumeRequest { volume_id: "db".into(), ..Default::default() };
    refused(server.controller.delete_volume(delete).await, Aborted, text);
    refused(server.node.node_stage_volume(stage("db", writer())).await, Aborted, text);
    refused(
        server.node.node_expand_volume(expand("db", 2 * GIB, 0)).await,
        tonic::Code::Unavailable,
        "still being made",
    );

    server.published(CreateVolumeRequest { volume_capabilities: vec![block()], ..create("other") }).await;
    let listed = server.controller.list_volumes(ListVolumesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.entries.len(), 1, "what is not finished is not listed");

    gate.change(|state| state.closed = false);
    first.await.unwrap().unwrap();
    assert_eq!(server.create(create("db")).await.unwrap().capacity_bytes, GIB);
}

#[tokio::test]
async fn a_caller_that_hangs_up_stops_nothing_half_way() {
    let (mut server, gate) = gated().await;
    let mut other = server.controller.clone();
    let call = tokio::spawn(async move { other.create_volume(create("db")).await });
    gate.somebody_waits().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    refused(server.controller.create_volume(create("db")).await, Aborted, "is under way");

    gate.change(|state| state.closed = false);
    let counted = "ullage_rpc_total{method=\"CreateVolume\",code=\"Ok\"} 1";
    while !server.metrics.text().unwrap().contains(counted) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.published(create("db")).await;
}

#[tokio::test]
async fn a_fault_of_ours_ends_one_call_and_no_other() {
    let (mut server, gate) = gated().await;
    gate.change(|state| *state = State { panics: true, ..State::default() });
    let answer = server.controller.create_volume(create("db")).await;
    refused(answer, Internal, "a fault of the program: see its log");
    server.published(create("db")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_volumes_at_once() {
    let server = Server::start().await;
    let lives = (0..24).map(|number| {
        let (mut controller, mut node) = (server.controller.clone(), server.node.clone());
        tokio::spawn(async move {
            let id = format!("v{number}");
            controller.create_volume(create(&id)).await.unwrap();
            node.node_stage_volume(stage(&id, writer())).await.unwrap();
            node.node_publish_volume(publish(&id, writer())).await.unwrap();
            node.node_expand_volume(expand(&id, 2 * GIB, 0)).await.unwrap();
            node.node_unpublish_volume(unpublish(&id)).await.unwrap();
            node.node_unstage_volume(unstage(&id)).await.unwrap();
            controller.delete_volume(DeleteVolumeRequest { volume_id: id, ..Default::default() }).await.unwrap();
        })
    });
    for life in lives.collect::<Vec<_>>() {
        life.await.unwrap();
    }
    server.engine.tend();
    assert_eq!((server.files(), server.fake.attached()), (Vec::<String>::new(), 0));
}
