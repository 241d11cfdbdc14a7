use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use super::Press;
use crate::api::Gate;
use crate::model::VolumeId;
use crate::monitor::Monitor;

/// Everything that sockets need. Cheap to clone.
#[derive(Clone)]
pub struct Alerts {
    /// Measures.
    pub monitor: Monitor,
    /// Prints what it says.
    pub press: Press,
    /// Knows who may listen.
    pub gate: Arc<Gate>,
    /// Knows the volumes' names.
    pub resolve: Arc<dyn Resolve>,
    /// Turns true when the process is to stop: then every socket closes with 1001.
    pub stopping: watch::Receiver<bool>,
    /// How patient sockets are.
    pub pace: Pace,
}

/// Finds the volumes that a client means: by their ids, their names, or whatever else the REST routes take.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// The volume of each name; none where nothing, or more than one, is called so.
    async fn volumes(&self, names: &[String]) -> Vec<Option<VolumeId>>;

    /// The one volume that a socket is for by its path: what is exactly its id, or else its name. None: all of them.
    async fn only(&self, internal_id: &str) -> Option<VolumeId>;
}

/// How patient a socket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    /// How often a client is pinged; one that says nothing to two of them is gone.
    pub ping: Duration,
    /// How long a frame that must not be missed may wait to be written; and who is told to go for that has as long to read it.
    pub patience: Duration,
    /// How many of them may wait while the client takes nothing, beside what its volumes may have to say at once.
    pub urgent: usize,
    /// How long saying goodbye may take.
    pub moment: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ping: Duration::from_secs(30),
            patience: Duration::from_secs(10),
            urgent: 128,
            moment: Duration::from_secs(1),
        }
    }
}
