use super::claims::{Claimed, claimed};
use super::error::{Fault, Result};
use super::{Weight, sidecar};
use crate::yaml::Value;

/// A pod or a pod's template, to be changed.
pub(super) struct Pod<'v> {
    pod: &'v mut Value,
    templates: &'v [Value],
}

/// What was done, or is wrong.
type Said = Vec<(Weight, String)>;

/// Asks the cluster for the quota API; "false" keeps this program's away, too.
const ANNOTATION: &str = "ullage.dev/quota-api";

impl<'v> Pod<'v> {
    /// The templates are those of the claims that each pod gets.
    pub(super) fn new(pod: &'v mut Value, templates: &'v [Value]) -> Result<Self> {
        match pod.at(&["spec", "containers"]) {
            Some(Value::List(containers)) if !containers.is_empty() => Ok(Self { pod, templates }),
            _ => Err(Fault::new(["spec", "containers"], "a pod has a list of containers here, with one at least")),
        }
    }

    /// Puts the quota API beside its volumes, or renews it.
    pub(super) fn add(&mut self, image: &str) -> Result<Said> {
        if self.asked() == Some("false") {
            return Ok(vec![(Weight::Idle, format!("left as it is: {ANNOTATION} is \"false\""))]);
        }
        if let Some(own) = self.containers("containers").iter().find(|container| is_quota_api(container)) {
            let name = own.name().unwrap_or_default();
            return Ok(vec![(Weight::Idle, format!("has a quota API of its own, the container {name}"))]);
        }
        let had = self.sidecar()?;
        let claimed = self.claimed();
        match (claimed.is_empty(), had) {
            (true, None) => return Ok(vec![(Weight::Idle, "mounts no claim with a filesystem".to_owned())]),
            (true, Some(_)) => {
                self.take();
                return Ok(vec![(Weight::Done, "quota API removed: it mounts no claim with a filesystem".to_owned())]);
            }
            _ => {}
        }
        let before = self.pod.clone();
        self.put(image, &claimed, had)?;
        let names = claimed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let done = match had {
            None => "quota API for",
            Some(_) if *self.pod == before => "has the quota API already, for",
            Some(_) => "quota API renewed, for",
        };
        let mut said = vec![(Weight::Done, format!("{done} {names}"))];
        said.extend(self.warnings().into_iter().map(|warning| (Weight::Warning, warning)));
        Ok(said)
    }

    /// Takes the quota API away with all that came with it.
    pub(super) fn remove(&mut self) -> Result<Said> {
        if self.sidecar()?.is_none() {
            return Ok(vec![(Weight::Idle, "has no quota API".to_owned())]);
        }
        self.take();
        let mut said = vec![(Weight::Done, "quota API removed".to_owned())];
        if self.asked() == Some("true") {
            let text = format!("the annotation {ANNOTATION} asks the cluster for it: take that away, too");
            said.push((Weight::Warning, text));
        }
        Ok(said)
    }

    /// Where the container is among those that run first, if it is there.
    fn sidecar(&self) -> Result<Option<usize>> {
        let all = self.containers("initContainers");
        let Some(at) = all.iter().position(|container| container.name() == Some(sidecar::CONTAINER)) else {
            return Ok(None);
        };
        match is_quota_api(&all[at]) {
            true => Ok(Some(at)),
            false => Err(Fault::new(
                ["spec", "initContainers", &at.to_string()],
                format!("the container {} is none of this program: call it something else", sidecar::CONTAINER),
            )),
        }
    }

    fn claimed(&self) -> Vec<Claimed> {
        let first = self.containers("initContainers").iter();
        let first = first.filter(|container| container.name() != Some(sidecar::CONTAINER));
        let all: Vec<_> = first.chain(self.containers("containers")).collect();
        self.pod.get("spec").map(|spec| claimed(spec, self.templates, &all)).unwrap_or_default()
    }

    fn put(&mut self, image: &str, claimed: &[Claimed], had: Option<usize>) -> Result<()> {
        let first = self.list("initContainers")?;
        let container = sidecar::container(image, claimed);
        match had {
            Some(at) => first[at] = container,
            None => first.insert(0, container),
        }
        let volumes = self.list("volumes")?;
        match volumes.iter().position(|volume| volume.name() == Some(sidecar::TOKEN)) {
            None => volumes.push(sidecar::token_volume()),
            Some(at) if volumes[at].get("emptyDir").is_some() => volumes[at] = sidecar::token_volume(),
            Some(at) => {
                let reason = format!("the volume {} is not this program's: call it something else", sidecar::TOKEN);
                return Err(Fault::new(["spec", "volumes", &at.to_string()], reason));
            }
        }
        for (at, container) in self.list("containers")?.iter_mut().enumerate() {
            mount_token(container).map_err(|fault| {
                let at = at.to_string();
                fault.below(["spec", "containers", at.as_str()].into_iter(), "")
            })?;
        }
        Ok(())
    }

    fn take(&mut self) {
        let Some(spec) = self.pod.get_mut("spec") else { return };
        drop_named(spec, "initContainers", sidecar::CONTAINER);
        drop_named(spec, "volumes", sidecar::TOKEN);
        for key in ["initContainers", "containers"] {
            let Some(Value::List(containers)) = spec.get_mut(key) else { continue };
            containers.iter_mut().for_each(|container| drop_named(container, "volumeMounts", sidecar::TOKEN));
        }
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.pod.at(&["spec", "hostNetwork"]).is_some_and(Value::is_true) {
            let [clients, metrics] = sidecar::PORTS;
            warnings.push(format!("hostNetwork: one pod alone can have the ports {clients} and {metrics} of a node"));
        }
        for container in self.containers("containers") {
            let ports = container.get("ports").map(Value::items).unwrap_or_default();
            let taken = |port: &&u16| ports.iter().any(|it| it.get("containerPort") == Some(&Value::bare(**port)));
            let name = container.name().unwrap_or("?");
            let said =
                |port| format!("the container {name} listens at {port}, where the quota API does: one of them fails");
            warnings.extend(sidecar::PORTS.iter().filter(taken).map(said));
        }
        warnings
    }

    fn asked(&self) -> Option<&str> {
        match self.pod.at(&["metadata", "annotations", ANNOTATION])? {
            Value::Text(asked) | Value::Bare(asked) => Some(asked),
            _ => None,
        }
    }

    fn containers(&self, key: &str) -> &[Value] {
        self.pod.at(&["spec", key]).map(Value::items).unwrap_or_default()
    }

    fn list(&mut self, key: &str) -> Result<&mut Vec<Value>> {
        let spec = self.pod.get_mut("spec").ok_or_else(|| Fault::new(["spec"], "a pod has a mapping here"))?;
        list(spec, key, "containers").map_err(|fault| fault.below(std::iter::once("spec"), ""))
    }
}

/// It is known by what it runs.
fn is_quota_api(container: &Value) -> bool {
    let said = |key| container.get(key).map(Value::items).unwrap_or_default().iter();
    said("command").chain(said("args")).take(2).any(|word| word.as_text() == Some(sidecar::CONTAINER))
}

fn mount_token(container: &mut Value) -> Result<()> {
    let mounts = list(container, "volumeMounts", "")?;
    let mount = sidecar::token_mount();
    if let Some(at) = mounts.iter().position(|mount| mount.name() == Some(sidecar::TOKEN)) {
        mounts[at] = mount;
        return Ok(());
    }
    let is_there =
        |mount: &Value| mount.text_at(&["mountPath"]).is_some_and(|path| path.trim_end_matches('/') == sidecar::STATE);
    if let Some(at) = mounts.iter().position(is_there) {
        let reason =
            format!("{} is where the token of the quota API will be: mount this somewhere else", sidecar::STATE);
        return Err(Fault::new(["volumeMounts", &at.to_string()], reason));
    }
    mounts.push(mount);
    Ok(())
}

/// The list under a key; made before that other key, or at the end, where there is none.
fn list<'v>(of: &'v mut Value, key: &str, before: &str) -> Result<&'v mut Vec<Value>> {
    let wrong = || Fault::new([key], "there has to be a list here");
    let Value::Map(entries) = of else { return Err(Fault::new([], "there has to be a mapping here")) };
    let at = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
        let next = entries.iter().position(|(name, _)| name == before && key == "initContainers");
        let at = next.unwrap_or(entries.len());
        entries.insert(at, (key.to_owned(), Value::List(Vec::new())));
        at
    });
    let value = &mut entries[at].1;
    if value.is_null() {
        *value = Value::List(Vec::new());
    }
    match value {
        Value::List(items) => Ok(items),
        _ => Err(wrong()),
    }
}

/// Takes the items of that name from the list under a key, and the key with the last of them.
fn drop_named(of: &mut Value, key: &str, name: &str) {
    let Some(Value::List(items)) = of.get_mut(key) else { return };
    let before = items.len();
    items.retain(|item| item.name() != Some(name));
    if let (true, Value::Map(entries)) = (items.is_empty() && before > 0, of) {
        entries.retain(|(name, _)| name != key);
    }
}
