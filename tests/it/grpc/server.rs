//! A process that serves a machine in memory, and its clients.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;
use ullage::config::{Defaults, PoolConfig};
use ullage::csi::{Door, routes};
use ullage::engine::Engine;
use ullage::host::Machine;
use ullage::host::fake::{Fake, How};
use ullage::model::Bytes;
use ullage::observe::metrics::{Metrics, Snapshot};
use ullage::rpc::admin::admin_client::AdminClient;
use ullage::rpc::csi::ProbeRequest;
use ullage::rpc::csi::controller_client::ControllerClient;
use ullage::rpc::csi::identity_client::IdentityClient;
use ullage::rpc::csi::node_client::NodeClient;
use ullage::rpc::socket::{Access, connect, listen};

use crate::world::{POOL, pool};

/// A volume, and the size that was asked for.
type Wish = (String, Bytes);

pub struct Server {
    pub fake: Fake,
    pub engine: Arc<Engine>,
    pub metrics: Arc<Metrics>,
    /// How often the caretaker of the trash was woken.
    pub woken: Arc<AtomicUsize>,
    /// Which volumes could not have which size, with what was answered.
    pub refused: Arc<Mutex<Vec<(Wish, String)>>>,
    pub identity: IdentityClient<Channel>,
    pub controller: ControllerClient<Channel>,
    pub node: NodeClient<Channel>,
    pub admin: AdminClient<Channel>,
    channel: Channel,
    _scratch: tempfile::TempDir,
}

impl Server {
    /// One pool on a disk of 100 GiB.
    pub async fn start() -> Self {
        Self::with(Fake::new(Bytes::gib(100)), vec![pool("default", POOL)]).await
    }

    pub async fn with(fake: Fake, pools: Vec<PoolConfig>) -> Self {
        let machine = fake.machine();
        for pool in &pools {
            machine.files.create_dir(&pool.path).unwrap();
        }
        let server = Self::unrecovered(fake, machine, pools).await;
        server.engine.recover();
        server
    }

    /// The process is killed, and the next one started.
    pub async fn again(self) -> Self {
        let pools = self.engine.pools().into_iter().map(|pool| pool.config).collect();
        self.fake.restart(How::Kill);
        Self::with(self.fake, pools).await
    }

    /// A process that has only begun. `machine` is `fake`, seen through whatever a test puts before it.
    pub async fn unrecovered(fake: Fake, machine: Machine, pools: Vec<PoolConfig>) -> Self {
        machine.files.create_dir(Path::new("/kubelet/pods")).unwrap(); // the parent of a target is the caller's to make
        let names = pools.iter().map(|pool| (pool.name.clone(), pool.backend)).collect();
        let engine = Arc::new(Engine::new(machine, pools));
        let (metrics, woken) = (Arc::new(Metrics::new(Arc::new(Snapshot::default))), Arc::<AtomicUsize>::default());
        let (count, refused) = (woken.clone(), Arc::<Mutex<Vec<_>>>::default());
        let note = refused.clone();
        let door = Door {
            engine: engine.clone(),
            driver_name: "csi.ullage.dev".into(),
            node_name: "n1".into(),
            defaults: Defaults::default(),
            pools: names,
            metrics: metrics.clone(),
            deleted: Arc::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
            }),
            refused: Arc::new(move |id, asked, text| {
                note.lock().unwrap().push(((id.to_string(), asked), text.to_owned()))
            }),
        };
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("csi.sock");
        let listener = listen(&path, Access::Owner).await.unwrap();
        let serving = tonic::transport::Server::builder().add_routes(routes(Arc::new(door)));
        tokio::spawn(serving.serve_with_incoming(listener));
        let channel = connect(&path).await.unwrap();
        Self {
            fake,
            engine,
            metrics,
            woken,
            refused,
            identity: IdentityClient::new(channel.clone()),
            controller: ControllerClient::new(channel.clone()),
            node: NodeClient::new(channel.clone()),
            admin: AdminClient::new(channel.clone()),
            channel,
            _scratch: scratch,
        }
    }

    /// Calls a method by its path, with an empty message.
    pub async fn call(&self, path: &'static str) -> Result<(), Status> {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.unwrap();
        let codec = ProstCodec::<ProbeRequest, ProbeRequest>::default();
        client.unary(Request::new(ProbeRequest {}), PathAndQuery::from_static(path), codec).await.map(drop)
    }

    /// What lies in the default pool, besides what every pool has.
    pub fn files(&self) -> Vec<String> {
        let of_pool = ["/pool/", "/pool/pool.yaml", "/pool/trash/", "/pool/volumes/"];
        let paths = self.fake.paths().into_iter();
        paths.filter(|path| path.starts_with(POOL) && !of_pool.contains(&path.as_str())).collect()
    }
}
