use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Version, VolumeDir};
use crate::host::Files;
use crate::model::PodRef;

/// Which pods a volume was shown to, and where. A note beside the record, and no more: whether it still is there the kernel
/// knows, and without it nothing is missing but names.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pods {
    schema: Version,
    shown: Vec<Shown>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    target: PathBuf,
    pod: PodRef,
}

impl Pods {
    /// The pods at those targets of which `is_there` says so.
    pub fn at(self, is_there: impl Fn(&Path) -> bool) -> Vec<PodRef> {
        let shown = self.shown.into_iter().filter(|shown| is_there(&shown.target));
        let mut pods: Vec<_> = shown.map(|shown| shown.pod).collect();
        pods.sort();
        pods.dedup();
        pods
    }

    /// The same with another pod at that target, or with none; without those at targets that are gone.
    #[must_use]
    pub fn with(&self, target: &Path, pod: Option<&PodRef>, is_gone: impl Fn(&Path) -> bool) -> Self {
        let others = self.shown.iter().filter(|shown| shown.target != target && !is_gone(&shown.target)).cloned();
        let this = pod.map(|pod| Shown { target: target.to_owned(), pod: pod.clone() });
        let mut shown: Vec<_> = others.chain(this).collect();
        shown.sort_by(|a, b| a.target.cmp(&b.target));
        Self { schema: Version::default(), shown }
    }

    /// Reads what was noted; no file is no pod.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where it cannot be understood: a power cut may leave that.
    pub fn load(files: &dyn Files, dir: &VolumeDir) -> Result<Self, Error> {
        Ok(super::load(files, &dir.pods())?.unwrap_or_default())
    }

    /// Writes it, whole, and takes the file away where there is nothing to note. Nothing waits for the disk: after a power
    /// cut there are no mounts to tell of.
    pub fn save(&self, files: &dyn Files, dir: &VolumeDir) -> Result<(), Error> {
        let file = dir.pods();
        if !self.shown.is_empty() {
            return Ok(files.write_unsynced(&file, &super::print(&file, self)?)?);
        }
        files.write_unsynced(&file, b"")?;
        Ok(files.remove_empty(&file)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn pod(name: &str) -> PodRef {
        PodRef { namespace: "shop".into(), name: name.into(), uid: format!("uid-of-{name}") }
    }

    #[test]
    fn a_target_has_one_pod_and_those_that_are_gone_are_forgotten() {
        let (a, b, nobody) = (Path::new("/a"), Path::new("/b"), |_: &Path| false);
        let both = Pods::default().with(b, Some(&pod("two")), nobody).with(a, Some(&pod("one")), nobody);
        assert_eq!(both.clone().at(|_| true), [pod("one"), pod("two")]);
        assert_eq!(both.clone().at(|target| target == b), [pod("two")]);
        assert_eq!(both.with(a, Some(&pod("three")), nobody).at(|_| true), [pod("three"), pod("two")]);
        assert_eq!(both.with(a, None, nobody).at(|_| true), [pod("two")]);
        assert_eq!(both.with(a, Some(&pod("one")), |target| target == b).at(|_| true), [pod("one")]);
        assert_eq!(both.with(a, Some(&pod("one")), |target| target == a), both);
        let text = yaml::print(&both).unwrap();
        assert!(text.starts_with("schema: 1\nshown:\n- target: /a\n  pod:\n    namespace: shop\n"), "{text}");
        assert_eq!(yaml::parse::<Pods>(&text).unwrap(), both);
    }
}
