use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tonic::transport::Server;

use super::Result;
use crate::csi::registration::{self, Plugin, Standing};
use crate::rpc::socket::{self, Access};

/// Where the kubelet of this node is served, and where it hears of that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kubelet {
    /// The unix socket that it calls the driver on, by the path that the kubelet knows it by.
    pub socket: PathBuf,
    /// The directory in which it looks for plugins, where the driver shall register itself.
    pub registration_dir: Option<PathBuf>,
}

/// Registers the driver with the kubelet, and stays registered.
pub(super) struct Registrar {
    socket: PathBuf,
    plugin: Plugin,
    told: watch::Sender<Standing>,
}

/// How long a driver that was refused waits before it asks again: at first, and at most.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

impl Registrar {
    /// For the driver of that name, which the kubelet calls on `endpoint`.
    pub(super) fn new(dir: &Path, driver: &str, endpoint: &Path) -> Result<Self> {
        let socket = socket::parse(&dir.join(registration::socket_name(driver)).to_string_lossy())?;
        let plugin = Plugin { name: driver.to_owned(), endpoint: endpoint.to_string_lossy().into_owned() };
        Ok(Self { socket, plugin, told: watch::channel(Standing::Unheard).0 })
    }

    /// What the kubelet makes of it.
    pub(super) fn standing(&self) -> watch::Receiver<Standing> {
        self.told.subscribe()
    }

    /// Registers once volumes are recovered. Never ends by itself, but with an error; dropped, its socket is gone, which tells
    /// the kubelet that the driver is.
    ///
    /// A refusal is no reason to end: the other calls of this node are answered all the while, and it mostly means that the
    /// API server is out of reach. A kubelet before 1.36 does not try again while the socket stays, so it comes anew.
    pub(super) async fn keep(self, mut recovered: watch::Receiver<bool>) -> Result<()> {
        if recovered.wait_for(|recovered| *recovered).await.is_err() {
            return pending().await; // its thread has died, which ends the process
        }
        let [first, longest] = PAUSES;
        let mut pause = first;
        loop {
            let listener = socket::listen(&self.socket, Access::Owner).await?;
            tracing::info!(socket = %self.socket.display(), endpoint = self.plugin.endpoint, "to be registered");
            let mut told = self.told.subscribe();
            let routes = registration::routes(self.plugin.clone(), self.told.clone());
            tokio::select! {
                ended = Server::builder().add_routes(routes).serve_with_incoming(listener) => return Ok(ended?),
                was_registered = refusal(&mut told) => if was_registered { pause = first },
            }
            tokio::time::sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }
}

/// Waits until the kubelet refuses; whether it had registered the driver meanwhile.
async fn refusal(told: &mut watch::Receiver<Standing>) -> bool {
    let mut was_registered = false;
    while told.changed().await.is_ok() {
        match &*told.borrow_and_update() {
            Standing::Unheard => {}
            Standing::Registered => was_registered = true,
            Standing::Refused(_) => return was_registered,
        }
    }
    pending().await
}

#[cfg(test)]
mod tests {
    use hyper_util::rt::TokioIo;
    use tokio::net::UnixStream;
    use tonic::transport::{Channel, Endpoint};

    use super::*;
    use crate::rpc::registration::registration_client::RegistrationClient;
    use crate::rpc::registration::{InfoRequest, RegistrationStatus};

    /// As a kubelet dials: with the path, escaped, as `:authority`.
    async fn kubelet(socket: &Path) -> RegistrationClient<Channel> {
        let authority = socket.to_str().unwrap().replace('/', "%2F");
        let target = socket.to_owned();
        let connector = tower::service_fn(move |_| {
            let target = target.clone();
            async move { UnixStream::connect(target).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_shared(format!("http://{authority}")).unwrap();
        RegistrationClient::new(endpoint.connect_with_connector(connector).await.unwrap())
    }

    fn status(refusal: &str) -> RegistrationStatus {
        RegistrationStatus { plugin_registered: refusal.is_empty(), error: refusal.to_owned() }
    }

    async fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..500 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("not seen: {what}");
    }

    #[tokio::test]
    async fn a_driver_registers_when_it_is_recovered_and_again_when_it_was_refused() {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("plugins_registry");
        let socket = dir.join("csi.ullage.dev@reg.sock");
        let registrar = Registrar::new(&dir, "csi.ullage.dev", Path::new("/plugins/csi.sock")).unwrap();
        let (recover, recovered) = watch::channel(false);
        let standing = registrar.standing();
        let keeping = tokio::spawn(registrar.keep(recovered));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!socket.exists());

        recover.send_replace(true);
        soon("the socket", || socket.exists()).await;
        let info = kubelet(&socket).await.get_info(InfoRequest {}).await.unwrap().into_inner();
        assert_eq!((info.r#type.as_str(), info.name.as_str()), ("CSIPlugin", "csi.ullage.dev"));
        assert_eq!((info.endpoint.as_str(), info.supported_versions), ("/plugins/csi.sock", vec!["1.0.0".to_owned()]));
        assert_eq!(*standing.borrow(), Standing::Unheard);

        kubelet(&socket).await.notify_registration_status(status("no CSINode")).await.unwrap();
        assert_eq!(*standing.borrow(), Standing::Refused("no CSINode".to_owned()));
        soon("the socket is gone", || !socket.exists()).await;
        soon("it comes anew", || socket.exists()).await;

        kubelet(&socket).await.notify_registration_status(status("")).await.unwrap();
        assert_eq!(*standing.borrow(), Standing::Registered);
        keeping.abort();
        assert!(keeping.await.unwrap_err().is_cancelled());
        assert!(!socket.exists());
    }

    #[test]
    fn a_name_that_is_too_long_for_a_socket_is_told() {
        let dir = Path::new("/").join("d".repeat(60));
        let refused = Registrar::new(&dir, &"n".repeat(60), Path::new("/csi.sock")).map(drop).unwrap_err().to_string();
        assert!(refused.contains("@reg.sock' is not a unix socket: the path is too long"), "{refused}");
        let refused = Registrar::new(Path::new("x"), "n", Path::new("/csi.sock")).map(drop).unwrap_err().to_string();
        assert!(refused.contains("'x/n@reg.sock' is not a unix socket: the path is not absolute"), "{refused}");
    }
}
