use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::try_join_all;
use nix::unistd::Group;
use tonic::transport::Server;

use super::signals::{Stopped, until};
use super::{Error, Result};
use crate::csi;
use crate::observe::{health, log};
use crate::rpc::socket::{self, Access, Listener};

/// Where a role serves, and how much it says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Doors {
    /// The unix socket of CSI and of `ullage volume`.
    pub socket: PathBuf,
    /// The group, by name or number, that may connect beside the owner.
    pub group: Option<String>,
    /// The address of metrics and health, where there shall be one.
    pub metrics: Option<String>,
    /// How much the log says.
    pub log_level: log::Level,
    /// How it says it.
    pub log_format: log::Format,
}

/// The unix sockets of a process, each listened at before anything else is begun.
pub(super) struct Sockets {
    own: Listener,
    kubelet: Option<Listener>,
}

impl Sockets {
    /// `kubelet` is a second socket, of CSI alone, that nobody but root may connect to.
    pub(super) async fn open(doors: &Doors, kubelet: Option<&PathBuf>) -> Result<Self> {
        if let Some(path) = kubelet.filter(|path| **path == doors.socket) {
            return Err(Error::OneSocket(path.clone()));
        }
        let own = socket::listen(&doors.socket, access(doors.group.as_deref())?).await?;
        let kubelet = match kubelet {
            Some(path) => Some(socket::listen(path, Access::Owner).await?),
            None => None,
        };
        Ok(Self { own, kubelet })
    }

    /// Answers calls; told to stop, the sockets are gone at once, and calls under way end.
    pub(super) async fn answer(self, door: csi::Door, stopped: Stopped) -> Result<()> {
        let door = Arc::new(door);
        let own = (self.own, csi::routes(door.clone()));
        let kubelet = self.kubelet.map(|listener| (listener, csi::kubelet_routes(door)));
        let served = [own].into_iter().chain(kubelet).map(|(listener, routes)| {
            Server::builder().add_routes(routes).serve_with_incoming_shutdown(listener, until(stopped.clone()))
        });
        try_join_all(served).await?;
        Ok(())
    }
}

/// Listens where metrics and health shall be.
pub(super) async fn listen(address: &str) -> Result<tokio::net::TcpListener> {
    health::listen(address).await.map_err(Error::step(format!("listen at {address}")))
}

fn access(group: Option<&str>) -> Result<Access> {
    let Some(name) = group else { return Ok(Access::Owner) };
    if let Ok(id) = name.parse() {
        return Ok(Access::Group(id));
    }
    let found = Group::from_name(name).map_err(|errno| Error::step(format!("look up group '{name}'"))(errno.into()))?;
    found.map(|group| Access::Group(group.gid.as_raw())).ok_or_else(|| Error::NoGroup(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_name_or_a_number() {
        assert_eq!(access(None).unwrap(), Access::Owner);
        assert_eq!(access(Some("4711")).unwrap(), Access::Group(4711));
        assert_eq!(access(Some("root")).unwrap(), Access::Group(0));
        assert_eq!(access(Some("no such group")).unwrap_err().to_string(), "there is no group 'no such group'");
    }
}
