use std::fmt::{self, Debug};

use k8s_openapi::api::storage::v1::{CSIDriver, StorageClass};
use kube::api::{DeleteParams, Resource};
use kube::{Api, Client};
use serde::de::DeserializeOwned;

use super::client::in_time;
use super::{Cluster, Error, Result};

/// An object of which some fields cannot change: to change them it is made anew. Volumes do not need it to live on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fixed {
    /// The StorageClass of that name.
    StorageClass(String),
    /// The CSIDriver of that name.
    CsiDriver(String),
}

impl Cluster {
    /// Deletes it. Says whether it was there.
    ///
    /// # Errors
    /// It takes the right to `delete` it.
    pub async fn delete(&self, fixed: &Fixed) -> Result<bool> {
        let client = self.client().await?;
        match fixed {
            Fixed::StorageClass(name) => delete::<StorageClass>(client, name).await,
            Fixed::CsiDriver(name) => delete::<CSIDriver>(client, name).await,
        }
    }
}

async fn delete<K>(client: Client, name: &str) -> Result<bool>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    match in_time(Api::<K>::all(client).delete(name, &DeleteParams::default())).await {
        Ok(_) => Ok(true),
        Err(Error::NotFound(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

impl fmt::Display for Fixed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StorageClass(name) => write!(f, "StorageClass {name}"),
            Self::CsiDriver(name) => write!(f, "CSIDriver {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::mock::{failure, response, scripted};
    use super::*;

    #[tokio::test]
    async fn takes_it_away_once() {
        let deleted = response(200, r#"{"kind":"Status","apiVersion":"v1","status":"Success"}"#);
        let class = response(200, r#"{"kind":"StorageClass","metadata":{"name":"ullage"},"provisioner":"x"}"#);
        let cases = [
            (Fixed::StorageClass("ullage".to_owned()), class, Ok(true)),
            (Fixed::StorageClass("ullage".to_owned()), failure(404, "not found"), Ok(false)),
            (Fixed::CsiDriver("csi.ullage.dev".to_owned()), deleted, Ok(true)),
            (Fixed::CsiDriver("a".to_owned()), failure(403, "no"), Err(Error::Forbidden("no".to_owned()))),
        ];
        for (fixed, answer, expected) in cases {
            let (cluster, asked) = scripted(vec![answer]);
            assert_eq!(cluster.delete(&fixed).await, expected, "{fixed}");
            let (kind, name) = match &fixed {
                Fixed::StorageClass(name) => ("storageclasses", name),
                Fixed::CsiDriver(name) => ("csidrivers", name),
            };
            let wanted = format!("DELETE /apis/storage.k8s.io/v1/{kind}/{name}?");
            assert_eq!(*asked.lock().unwrap(), [wanted]);
        }
    }
}
