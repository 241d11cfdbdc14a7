use std::fmt;

use k8s_openapi::api::core::v1::{NodeSelectorRequirement, PersistentVolume};
use kube::Api;
use kube::api::ListParams;

use super::client::in_time;
use super::quantity::bytes;
use super::{Cluster, Result};
use crate::model::Bytes;

/// A PersistentVolume that a driver has made and that still exists, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeptVolume {
    /// Its name.
    pub name: String,
    /// Its claim as `namespace/name`, where it has one.
    pub claim: Option<String>,
    /// Its size, where that is written there.
    pub size: Option<Bytes>,
    /// The node on which it lies, where that is written there.
    pub node: Option<String>,
}

/// A cluster may have thousands: no answer shall be larger than the API server likes.
const PAGE: u32 = 500;

impl Cluster {
    /// Every volume in the cluster of the CSI driver with that name, by its name.
    ///
    /// # Errors
    /// It takes the right to `list` volumes.
    pub async fn volumes_of(&self, driver: &str) -> Result<Vec<KeptVolume>> {
        let volumes: Api<PersistentVolume> = Api::all(self.client().await?);
        let (mut kept, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
        loop {
            let found = in_time(volumes.list(&page)).await?;
            kept.extend(found.items.iter().filter_map(|volume| KeptVolume::of(volume, driver)));
            match found.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => page = page.continue_token(&next),
                None => break,
            }
        }
        kept.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(kept)
    }
}

impl KeptVolume {
    fn of(volume: &PersistentVolume, driver: &str) -> Option<Self> {
        let spec = volume.spec.as_ref()?;
        spec.csi.as_ref().filter(|csi| csi.driver == driver)?;
        let claim = spec.claim_ref.as_ref().and_then(|claim| {
            Some(format!("{}/{}", claim.namespace.as_deref().unwrap_or_default(), claim.name.as_deref()?))
        });
        let size = spec.capacity.as_ref().and_then(|capacity| bytes(capacity.get("storage")?));
        let terms = spec.node_affinity.as_ref().and_then(|affinity| affinity.required.as_ref());
        let mut wanted = terms.into_iter().flat_map(|terms| &terms.node_selector_terms);
        let wanted = wanted.find_map(|term| term.match_expressions.as_ref()?.first());
        let node = wanted.and_then(|NodeSelectorRequirement { values, .. }| values.as_ref()?.first().cloned());
        Some(Self { name: volume.metadata.name.clone().unwrap_or_default(), claim, size, node })
    }
}

impl fmt::Display for KeptVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.claim {
            Some(claim) => write!(f, ", claim {claim}")?,
            None => f.write_str(", no claim")?,
        }
        if let Some(size) = self.size {
            write!(f, ", {size}")?;
        }
        self.node.as_ref().map_or(Ok(()), |node| write!(f, ", on {node}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::Error;
    use super::super::mock::{failure, response, scripted};
    use super::*;

    fn volume(name: &str, driver: &str, claim: Value) -> Value {
        let place = json!({"key": "topology.csi.ullage.dev/node", "operator": "In", "values": ["n1"]});
        json!({"metadata": {"name": name}, "spec": {
            "capacity": {"storage": "2Gi"}, "csi": {"driver": driver, "volumeHandle": name}, "claimRef": claim,
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [place]}]}},
        }})
    }

    fn page(items: Value, next: &str) -> http::Response<kube::client::Body> {
        let list =
            json!({"kind": "PersistentVolumeList", "apiVersion": "v1", "metadata": {"continue": next}, "items": items});
        response(200, &list.to_string())
    }

    #[tokio::test]
    async fn names_the_volumes_of_that_driver_on_every_page() {
        let claim = json!({"namespace": "shop", "name": "data"});
        let bare =
            json!({"metadata": {"name": "bare"}, "spec": {"csi": {"driver": "csi.ullage.dev", "volumeHandle": "x"}}});
        let first = json!([volume("pvc-b", "csi.ullage.dev", claim), volume("pvc-x", "other.example", Value::Null)]);
        let (cluster, asked) =
            scripted(vec![page(first, "more"), page(json!([bare, {"metadata": {"name": "old"}}]), "")]);
        let kept = cluster.volumes_of("csi.ullage.dev").await.unwrap();
        let shown: Vec<String> = kept.iter().map(KeptVolume::to_string).collect();
        assert_eq!(shown, ["bare, no claim", "pvc-b, claim shop/data, 2Gi, on n1"]);
        let asked = asked.lock().unwrap();
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[0], "GET /api/v1/persistentvolumes?&limit=500");
        assert!(asked[1].ends_with("&continue=more"), "{asked:?}");
    }

    #[tokio::test]
    async fn what_may_not_be_listed_is_not_taken_for_nothing() {
        let (cluster, _) = scripted(vec![failure(403, "persistentvolumes is forbidden")]);
        let refused = cluster.volumes_of("csi.ullage.dev").await.unwrap_err();
        assert_eq!(refused, Error::Forbidden("persistentvolumes is forbidden".to_owned()));
    }
}
