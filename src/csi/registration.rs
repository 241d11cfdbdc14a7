//! How the kubelet hears of the driver, and the driver of what the kubelet makes of it (`pluginregistration/v1`).

use tokio::sync::watch;
use tonic::service::Routes;
use tonic::{Request, Response, Status, async_trait};

use crate::rpc::registration::registration_server::{Registration, RegistrationServer};
use crate::rpc::registration::{InfoRequest, PluginInfo, RegistrationStatus, RegistrationStatusResponse};

/// What the kubelet is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plugin {
    /// The driver's name.
    pub name: String,
    /// The absolute path of the socket on which it serves the kubelet.
    pub endpoint: String,
}

/// What the kubelet said last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nothing yet.
    Unheard,
    /// It uses the driver.
    Registered,
    /// It does not, and these are its words.
    Refused(String),
}

/// The versions of CSI that the kubelet chooses from. Of these the major number counts.
const VERSIONS: [&str; 1] = ["1.0.0"];

/// The name of the socket in the kubelet's directory. The kubelet dials it with its escaped path as `:authority`, which h2
/// takes for one only where there is an `@` in it.
pub fn socket_name(driver: &str) -> String {
    format!("{driver}@reg.sock")
}

/// What is served on that socket; `told` follows what the kubelet says.
pub fn routes(plugin: Plugin, told: watch::Sender<Standing>) -> Routes {
    Routes::new(RegistrationServer::new(Registrant { plugin, told }))
}

struct Registrant {
    plugin: Plugin,
    told: watch::Sender<Standing>,
}

#[async_trait]
impl Registration for Registrant {
    async fn get_info(&self, _: Request<InfoRequest>) -> Result<Response<PluginInfo>, Status> {
        let Plugin { name, endpoint } = self.plugin.clone();
        tracing::debug!(name, endpoint, "the kubelet asks who this is");
        let supported_versions = VERSIONS.map(str::to_owned).into();
        Ok(Response::new(PluginInfo { r#type: "CSIPlugin".to_owned(), name, endpoint, supported_versions }))
    }

    async fn notify_registration_status(
        &self,
        request: Request<RegistrationStatus>,
    ) -> Result<Response<RegistrationStatusResponse>, Status> {
        let status = request.into_inner();
        if status.plugin_registered {
            tracing::info!(name = self.plugin.name, "the kubelet has registered the driver");
            self.told.send_replace(Standing::Registered);
        } else {
            tracing::error!(
                name = self.plugin.name,
                reason = status.error,
                "the kubelet refuses to register the driver"
            );
            self.told.send_replace(Standing::Refused(status.error));
        }
        Ok(Response::new(RegistrationStatusResponse {}))
    }
}
