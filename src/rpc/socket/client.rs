use std::io::{self, ErrorKind};
use std::path::Path;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

use super::Error;

/// A client's channel to the process that listens at `path`.
///
/// # Errors
/// [`Error::NothingListens`] where there is no socket, or nobody behind it.
pub async fn connect(path: &Path) -> Result<Channel, Error> {
    let target = path.to_owned();
    let connector = tower::service_fn(move |_: Uri| {
        let target = target.clone();
        async move { UnixStream::connect(target).await.map(TokioIo::new) }
    });
    // The name only fills the `:authority` header.
    let endpoint = Endpoint::from_static("http://localhost");
    let connected = endpoint.connect_with_connector(connector).await;
    connected.map_err(|error| match kind_of(&error) {
        Some(ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Error::NothingListens(path.to_owned()),
        Some(kind) => Error::Io { action: "connect to", path: path.to_owned(), source: kind.into() },
        None => Error::Transport { path: path.to_owned(), source: error },
    })
}

/// What the kernel said, from under the layers of a transport error.
fn kind_of(error: &tonic::transport::Error) -> Option<ErrorKind> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::socket::{Access, listen};

    #[tokio::test]
    async fn speaks_to_whoever_listens() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("csi.sock");
        let listener = listen(&path, Access::Owner).await.unwrap();
        let server = tonic::transport::Server::builder().add_routes(tonic::service::Routes::default());
        let serving = tokio::spawn(server.serve_with_incoming(listener));

        let channel = connect(&path).await.unwrap();
        let mut client = crate::rpc::csi::identity_client::IdentityClient::new(channel);
        let status = client.probe(crate::rpc::csi::ProbeRequest {}).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unimplemented);

        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn says_that_nobody_listens() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("csi.sock");
        for make in [false, true] {
            if make {
                drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            }
            let text = connect(&path).await.unwrap_err().to_string();
            assert_eq!(text, format!("nothing listens at {}: is ullage running?", path.display()));
        }
    }
}
