use std::io;
use std::path::PathBuf;

use crate::api::{pod, tokens};
use crate::rpc::socket;
use crate::{config, inject, k8s, model, observe};

/// Why a command did not do what was asked, in words for whoever typed it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The socket cannot be listened at, or nobody answers there.
    #[error("{}{}", .0, hint(.0))]
    Socket(#[from] socket::Error),
    /// The log cannot be set up.
    #[error(transparent)]
    Log(#[from] observe::log::Error),
    /// The connection broke in the middle of a call.
    #[error("the process that serves went away: ask it again when it is back")]
    WentAway,
    /// The process that serves refused.
    #[error("{}", said(.0))]
    Refused(Box<tonic::Status>),
    /// A step on this machine failed.
    #[error("cannot {step}: {source}")]
    Step {
        /// The step.
        step: String,
        /// The reason.
        source: io::Error,
    },
    /// A group that is not there.
    #[error("there is no group '{0}'")]
    NoGroup(String),
    /// Two sockets at one path.
    #[error("{} is both --socket and --kubelet-socket: give each a path of its own", .0.display())]
    OneSocket(PathBuf),
    /// A driver has to know where it runs.
    #[error("the node has no name: give --node-name, the variable NODE_NAME, or nodeName in {}", .0.display())]
    NoNodeName(PathBuf),
    /// The only pool is not served.
    #[error("{0}")]
    NotReady(String),
    /// The gRPC server ended.
    #[error("the server ended: {0}")]
    Server(#[from] tonic::transport::Error),
    /// A thread that must not end ended.
    #[error("{0} ended: see the log above")]
    Died(&'static str),
    /// What was asked does not fit the volume as it is.
    #[error("{0}")]
    Unfit(String),
    /// A token cannot be read, made or replaced.
    #[error(transparent)]
    Tokens(#[from] tokens::Error),
    /// What was typed is no token.
    #[error(transparent)]
    InvalidToken(#[from] tokens::InvalidToken),
    /// Thresholds that contradict each other.
    #[error(transparent)]
    Limits(#[from] model::InvalidLimits),
    /// What was typed is no volume.
    #[error(transparent)]
    Volume(#[from] pod::InvalidVolume),
    /// There is nothing to watch.
    #[error(transparent)]
    Watch(#[from] super::watch::Error),
    /// The cluster does not answer, or refuses.
    #[error(transparent)]
    Cluster(#[from] k8s::Error),
    /// What would be left without a driver.
    #[error("{0}")]
    VolumesLeft(String),
    /// A manifest that cannot have the quota API.
    #[error("{file}: {source}")]
    Manifest {
        /// As it was named.
        file: String,
        /// Where in it, and why.
        source: inject::Error,
    },
    /// An answer that cannot be printed.
    #[error("cannot print the answer: {0}")]
    Print(String),
}

/// The result of a command.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// What stands before it on standard error: the program's name, or for a token Lightd's word.
    pub fn speaker(&self) -> &'static str {
        if matches!(self, Self::InvalidToken(_)) { "Error" } else { "ullage" }
    }

    /// A failed step, for `map_err`.
    pub(super) fn step(step: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let step = step.into();
        move |source| Self::Step { step, source }
    }
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        // A server's refusal has no source: that is a broken connection's.
        if std::error::Error::source(&status).is_some() { Self::WentAway } else { Self::Refused(Box::new(status)) }
    }
}

fn hint(error: &socket::Error) -> &'static str {
    match error {
        socket::Error::NothingListens(_) => " (ullage standalone --pool DIR)",
        _ => "",
    }
}

/// The message for people; the code where there is none.
fn said(status: &tonic::Status) -> &str {
    match status.message() {
        "" => status.code().description(),
        message => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_the_server_said_and_no_more() {
        let error = Error::from(tonic::Status::not_found("volume 'db' does not exist"));
        assert_eq!(error.to_string(), "volume 'db' does not exist");
        let error = Error::from(tonic::Status::new(tonic::Code::Unimplemented, ""));
        assert_eq!(error.to_string(), tonic::Code::Unimplemented.description());
    }

    #[test]
    fn says_what_to_do_where_nobody_listens() {
        let error = Error::from(socket::Error::NothingListens("/run/ullage/csi.sock".into()));
        let said = "nothing listens at /run/ullage/csi.sock: is ullage running? (ullage standalone --pool DIR)";
        assert_eq!(error.to_string(), said);
    }
}
