//! What is asked of a Kubernetes API server: to read a claim, to grow it and see that through, to make a new one; to post
//! events; and, for whoever installs, upgrades and uninstalls, which volumes there are, and to take away what cannot be
//! changed.
//!
//! `kube` and `k8s-openapi` live here only. The client is made on its first use: a process that never grows anything
//! pays for no TLS. A service account needs `get` and `patch` on the claims that it names, and `create` for new ones:
//! waiting is done by asking again, because `watch` would be one more right for a wait of seconds. Events need `create` and
//! `patch`.

mod claim;
mod classes;
mod client;
mod error;
pub mod events;
#[cfg(test)]
pub(crate) mod mock;
mod pvc;
mod quantity;
mod volumes;

use std::time::Duration;

use async_trait::async_trait;

pub use claim::Claim;
pub use classes::Fixed;
pub use client::Cluster;
pub use error::{Error, Result};
pub use volumes::KeptVolume;

use crate::model::Bytes;

/// The PersistentVolumeClaims of one namespace.
#[async_trait]
pub trait Claims: Send + Sync {
    /// The namespace, where it is known without asking anybody.
    fn namespace(&self) -> Option<String>;

    /// A claim as it is now.
    async fn read(&self, name: &str) -> Result<Claim>;

    /// Asks for a larger size, and sees what comes of it for at most `wait`.
    ///
    /// Only the claim's request is changed, and it is never lowered below what somebody else asked for meanwhile. A
    /// size that does not fit is taken back: see [`Growth::NoRoom`].
    async fn grow(&self, name: &str, size: Bytes, wait: Duration) -> Growth;

    /// Makes a claim, with a name of the API server's choice.
    async fn create(&self, new: &NewClaim) -> Result<Claim>;
}

/// What came of growing a claim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Growth {
    /// The volume has that size or more.
    Completed(Bytes),
    /// The claim asks for it; what it waits for.
    Pending(String),
    /// Not permitted: by a role, a quota of the namespace, the StorageClass or another rule of the cluster.
    Forbidden(String),
    /// It does not fit on the node. The request was taken back, to what it was, or to the smallest that the API server
    /// accepts (what the volume has and 4096 bytes): whoever is told *no* does not expect it to happen later after all,
    /// and until then the resizer and the kubelet would try for ever.
    NoRoom(String),
    /// There is no such claim.
    NotFound,
    /// Anything else; the claim may ask for the larger size, or not.
    Failed(String),
}

/// A claim that is to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewClaim {
    /// Its StorageClass.
    pub class: String,
    /// How much it asks for.
    pub size: Bytes,
    /// What its name begins with.
    pub prefix: String,
}
