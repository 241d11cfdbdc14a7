use std::fmt;

use crate::yaml::Value;

/// A filesystem volume of a pod, and the claim behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Claimed {
    /// What the pod calls it.
    pub(super) volume: String,
    /// The claim's name, with `$(POD_NAME)` in it where each pod has its own.
    pub(super) claim: String,
}

/// What the kubelet puts the pod's name for, in arguments.
const POD_NAME: &str = "$(POD_NAME)";

/// The claims that these containers of a pod mount as filesystems. A volume that nobody mounts may be a block device.
pub(super) fn claimed(spec: &Value, templates: &[Value], containers: &[&Value]) -> Vec<Claimed> {
    let uses = |key: &'static str, volume: &str| {
        let mut all = containers.iter().flat_map(|container| container.get(key).map(Value::items).unwrap_or_default());
        all.any(|mount| mount.name() == Some(volume))
    };
    let volumes = spec.get("volumes").map(Value::items).unwrap_or_default();
    // A set's claim hides a volume of the same name.
    let is_hidden = |volume: &str| templates.iter().any(|template| template_name(template) == Some(volume));
    let own = volumes.iter().filter_map(of_volume).filter(|claimed| !is_hidden(&claimed.volume));
    let all = own.chain(templates.iter().filter_map(of_template));
    all.filter(|claimed| uses("volumeMounts", &claimed.volume) && !uses("volumeDevices", &claimed.volume)).collect()
}

fn of_volume(volume: &Value) -> Option<Claimed> {
    let name = volume.name()?;
    if let Some(claim) = volume.text_at(&["persistentVolumeClaim", "claimName"]) {
        return Some(Claimed { volume: name.to_owned(), claim: claim.to_owned() });
    }
    let template = volume.at(&["ephemeral", "volumeClaimTemplate"])?;
    is_filesystem(template).then(|| Claimed { volume: name.to_owned(), claim: format!("{POD_NAME}-{name}") })
}

fn of_template(template: &Value) -> Option<Claimed> {
    let name = template_name(template)?;
    is_filesystem(template).then(|| Claimed { volume: name.to_owned(), claim: format!("{name}-{POD_NAME}") })
}

fn template_name(template: &Value) -> Option<&str> {
    template.text_at(&["metadata", "name"])
}

fn is_filesystem(template: &Value) -> bool {
    template.text_at(&["spec", "volumeMode"]) != Some("Block")
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (claim {})", self.volume, self.claim.replace(POD_NAME, "<pod>"))
    }
}
