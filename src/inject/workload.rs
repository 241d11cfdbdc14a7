use crate::yaml::Value;

/// What makes pods, or is one.
pub(super) struct Workload {
    kind: &'static Kind,
    name: String,
}

/// A kind of them.
struct Kind {
    name: &'static str,
    /// The groups that it is in; another's kind of this name is none.
    groups: &'static [&'static str],
    /// Where the pod is, with its `metadata` and `spec`.
    pod: &'static [&'static str],
}

const TEMPLATE: &[&str] = &["spec", "template"];
const APPS: &[&str] = &["apps", "extensions"];

const KINDS: [Kind; 9] = [
    Kind { name: "Pod", groups: &[""], pod: &[] },
    Kind { name: "Deployment", groups: APPS, pod: TEMPLATE },
    Kind { name: "StatefulSet", groups: APPS, pod: TEMPLATE },
    Kind { name: "DaemonSet", groups: APPS, pod: TEMPLATE },
    Kind { name: "ReplicaSet", groups: APPS, pod: TEMPLATE },
    Kind { name: "ReplicationController", groups: &[""], pod: TEMPLATE },
    Kind { name: "Job", groups: &["batch"], pod: TEMPLATE },
    Kind { name: "CronJob", groups: &["batch"], pod: &["spec", "jobTemplate", "spec", "template"] },
    Kind { name: "PodTemplate", groups: &[""], pod: &["template"] },
];

/// Whether it is a list of objects, as `kubectl get -o yaml` prints it.
pub(super) fn is_list(object: &Value) -> bool {
    object.text_at(&["kind"]) == Some("List")
}

impl Workload {
    pub(super) fn of(object: &Value) -> Option<Self> {
        let version = object.text_at(&["apiVersion"])?;
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let name = object.text_at(&["kind"])?;
        let kind = KINDS.iter().find(|kind| kind.name == name && kind.groups.contains(&group))?;
        let own = object.text_at(&["metadata", "name"]).map(str::to_owned);
        let begun = || object.text_at(&["metadata", "generateName"]).map(|begun| format!("{begun}*"));
        let name = own.or_else(begun).unwrap_or_else(|| "?".to_owned());
        Some(Self { kind, name })
    }

    /// As `kubectl` names it.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.kind.name.to_lowercase(), self.name)
    }

    /// Where its pod is.
    pub(super) fn pod(&self) -> &'static [&'static str] {
        self.kind.pod
    }

    /// The claims that are made for each of its pods.
    pub(super) fn templates(&self, object: &Value) -> Vec<Value> {
        let is_set = self.kind.name == "StatefulSet";
        let all = object.at(&["spec", "volumeClaimTemplates"]).filter(|_| is_set);
        all.map(|templates| templates.items().to_vec()).unwrap_or_default()
    }
}
