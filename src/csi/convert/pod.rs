use std::collections::BTreeMap;

use crate::model::PodRef;

/// The pod that a volume is published to, where the kubelet says so: with `podInfoOnMount` in the CSIDriver object it adds
/// these keys to the volume's own.
pub(in crate::csi) fn pod(context: &BTreeMap<String, String>) -> Option<PodRef> {
    let said = |key: &str| context.get(&format!("csi.storage.k8s.io/pod.{key}")).filter(|value| !value.is_empty());
    let [namespace, name, uid] = [said("namespace")?, said("name")?, said("uid")?].map(Clone::clone);
    Some(PodRef { namespace, name, uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_known_by_all_its_names_or_not_at_all() {
        let all = [("namespace", "shop"), ("name", "db-0"), ("uid", "1f0e")];
        let context = |said: &[(&str, &str)]| {
            let keys = said.iter().map(|(key, value)| (format!("csi.storage.k8s.io/pod.{key}"), value.to_string()));
            pod(&keys.chain([("pool".to_owned(), "default".to_owned())]).collect())
        };
        let expected = PodRef { namespace: "shop".into(), name: "db-0".into(), uid: "1f0e".into() };
        assert_eq!(context(&all), Some(expected));
        for missing in 0..3 {
            let (mut fewer, mut empty) = (all.to_vec(), all);
            fewer.remove(missing);
            empty[missing].1 = "";
            assert_eq!((context(&fewer), context(&empty)), (None, None), "{}", all[missing].0);
        }
    }
}
