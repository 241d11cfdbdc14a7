//! The CSI services, and what goes in and out of them.
//!
//! A request comes in by `identity`, `controller`, `node` or `admin`, is understood by the pure functions of
//! `convert`, and is done by one call of the engine, on a thread of its own (`call`). What was refused becomes a
//! gRPC code in one place (`status`). An answer that none of them gave is marked like theirs (`stray`). How the kubelet
//! hears of all this is a service of its own ([`registration`]).

mod admin;
mod call;
mod controller;
mod convert;
mod error;
mod identity;
mod node;
pub mod parameters;
pub mod registration;
pub mod size;
mod status;
mod stray;

use std::sync::Arc;

use tonic::service::Routes;

pub use call::TRACE;
pub use error::Error;

use crate::config::Defaults;
use crate::engine::Engine;
use crate::model::{Backend, Bytes, PoolName, VolumeId};
use crate::observe::metrics::Metrics;
use crate::rpc::admin::admin_server::AdminServer;
use crate::rpc::csi::controller_server::ControllerServer;
use crate::rpc::csi::identity_server::IdentityServer;
use crate::rpc::csi::node_server::NodeServer;
use convert::Here;
use stray::Strays;

/// What kind of fault a refused request has: the two codes that a resizer or a kubelet takes as final.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The request means nothing: `INVALID_ARGUMENT`.
    InvalidArgument,
    /// It asks for a size that cannot be: `OUT_OF_RANGE`.
    OutOfRange,
}

/// What is told of an expansion that does not fit: the size that was asked for, and why not. Nobody waits there.
pub type Refused = Arc<dyn Fn(&VolumeId, Bytes, &str) + Send + Sync>;

/// What all services of a process share.
pub struct Door {
    /// Who does the work.
    pub engine: Arc<Engine>,
    /// The driver's name, and the domain of its topology key.
    pub driver_name: String,
    /// The node that the volumes lie on.
    pub node_name: String,
    /// What a request that does not say gets.
    pub defaults: Defaults,
    /// The pools of this node, the one for a request that names none first.
    pub pools: Vec<(PoolName, Backend)>,
    /// Where calls are counted.
    pub metrics: Arc<Metrics>,
    /// Told when a volume was deleted: its space waits in the trash.
    pub deleted: Arc<dyn Fn() + Send + Sync>,
    /// Told when a volume cannot have the size that a kubelet asks for, with the answer's text.
    pub refused: Refused,
}

/// The door, as the generated services want it.
#[derive(Clone)]
struct Service(Arc<Door>);

impl Door {
    /// The place where the volumes lie, as CSI says it.
    fn here(&self) -> Here {
        Here::new(&self.driver_name, &self.node_name)
    }
}

/// What is served to a kubelet: CSI alone.
pub fn kubelet_routes(door: Arc<Door>) -> Routes {
    let metrics = door.metrics.clone();
    watched(services(&Service(door)), metrics)
}

/// Everything that is served on the process's own socket: CSI, and `ullage.v1.Admin`.
pub fn routes(door: Arc<Door>) -> Routes {
    let metrics = door.metrics.clone();
    let service = Service(door);
    watched(services(&service).add_service(AdminServer::new(service)), metrics)
}

fn services(service: &Service) -> Routes {
    Routes::new(IdentityServer::new(service.clone()))
        .add_service(ControllerServer::new(service.clone()))
        .add_service(NodeServer::new(service.clone()))
}

fn watched(routes: Routes, metrics: Arc<Metrics>) -> Routes {
    routes.into_axum_router().layer(Strays(metrics)).into()
}
