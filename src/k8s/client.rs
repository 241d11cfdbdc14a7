use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use k8s_openapi::api::events::v1::Event;
use kube::{Api, Client, Config};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{Error, Result};

/// The cluster in which this process runs, by the service account of its own pod.
pub struct Cluster {
    client: OnceCell<Client>,
    account: PathBuf,
}

/// Where every pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The longest wait for one answer. A healthy API server has milliseconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

impl Cluster {
    /// The cluster, of which nothing is asked or read yet.
    pub fn new() -> Self {
        Self { client: OnceCell::new(), account: PathBuf::from(ACCOUNT) }
    }

    /// The namespace of the pod, by the service account's file; `None` outside a cluster.
    pub(super) fn own_namespace(&self) -> Option<String> {
        let text = fs::read_to_string(self.account.join("namespace")).ok()?;
        Some(text.trim().to_owned()).filter(|namespace| !namespace.is_empty())
    }

    /// The claims of that namespace.
    ///
    /// # Errors
    /// [`Error::Nowhere`] outside a cluster, or without a service account: the next call tries again.
    pub(super) async fn claims(&self) -> Result<Api<PersistentVolumeClaim>> {
        Ok(Api::default_namespaced(self.client().await?))
    }

    /// The events of a namespace.
    ///
    /// # Errors
    /// As those of [`Cluster::claims`].
    pub(super) async fn events(&self, namespace: &str) -> Result<Api<Event>> {
        Ok(Api::namespaced(self.client().await?, namespace))
    }

    /// The client, made on its first use.
    ///
    /// # Errors
    /// [`Error::Nowhere`], as for [`Cluster::claims`].
    pub(super) async fn client(&self) -> Result<Client> {
        self.client.get_or_try_init(|| async { connect() }).await.cloned()
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

/// By the variables and files that Kubernetes gives to a pod. Nothing is sent yet.
fn connect() -> Result<Client> {
    let config = Config::incluster().map_err(|error| Error::Nowhere(hint(&error.to_string())))?;
    Client::try_from(config).map_err(|error| Error::Nowhere(hint(&error.to_string())))
}

pub(super) async fn in_time<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T> {
    timeout(PATIENCE, answer).await.map_err(|_| Error::Slow(PATIENCE))?.map_err(Error::from)
}

fn hint(said: &str) -> String {
    match std::env::var_os("KUBERNETES_SERVICE_HOST") {
        None => "this is no pod of a cluster (KUBERNETES_SERVICE_HOST is not set)".to_owned(),
        Some(_) => format!("{said} (is the service account's token mounted? automountServiceAccountToken: true)"),
    }
}

#[cfg(test)]
impl Cluster {
    /// One that is asked through this client.
    pub(super) fn over(client: Client) -> Self {
        Self { client: OnceCell::new_with(Some(client)), account: PathBuf::from("/nowhere") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outside_a_cluster_it_says_so() {
        let said = Cluster::new().claims().await.err().unwrap().to_string();
        assert!(said.contains("KUBERNETES_SERVICE_HOST is not set"), "{said}");
    }

    /// rustls panics at its first use where it finds no cryptography, or two.
    #[tokio::test]
    async fn there_is_one_provider_of_cryptography() {
        let mut config = Config::new("https://127.0.0.1:1".parse().unwrap());
        config.root_cert = Some(Vec::new());
        let client = Client::try_from(config).unwrap();
        assert!(client.apiserver_version().await.is_err());
    }

    #[test]
    fn the_namespace_is_that_of_the_service_account() {
        let account = tempfile::tempdir().unwrap();
        let cluster = Cluster { client: OnceCell::new(), account: account.path().to_owned() };
        assert_eq!(cluster.own_namespace(), None);
        fs::write(account.path().join("namespace"), "shop\n").unwrap();
        assert_eq!(cluster.own_namespace().as_deref(), Some("shop"));
    }
}
