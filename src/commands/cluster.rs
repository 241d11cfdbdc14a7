//! `ullage cluster`: what the hooks of the chart ask of the cluster, by the account of their own pod.

use super::volume::output;
use super::{Error, Result};
use crate::k8s::{Cluster, Fixed, KeptVolume};

/// So many volumes are named; the message has to be read.
const NAMED: usize = 50;

/// Refuses while volumes of the driver exist, and names them.
pub fn check_uninstall(driver: &str) -> Result<()> {
    let kept = in_cluster(Cluster::new().volumes_of(driver))?;
    match kept.is_empty() {
        true => output::say(&format!("no volume of {driver} is left")),
        false => Err(Error::VolumesLeft(told(driver, &kept))),
    }
}

/// Takes objects away that an upgrade makes anew.
pub fn forget(objects: &[Fixed]) -> Result<()> {
    let cluster = Cluster::new();
    for object in objects {
        let was_there = in_cluster(cluster.delete(object))?;
        output::say(&format!("{object} {}", if was_there { "is deleted: it is made anew" } else { "is not there" }))?;
    }
    Ok(())
}

fn told(driver: &str, kept: &[KeptVolume]) -> String {
    let named = kept.iter().take(NAMED).map(|volume| format!("\n  {volume}"));
    let more = kept.len().checked_sub(NAMED + 1).map(|more| format!("\n  and {} more", more + 1));
    let count = match kept.len() {
        1 => "one volume".to_owned(),
        many => format!("{many} volumes"),
    };
    named.chain(more).fold(
        format!(
            "{count} of {driver} would be left without a driver. Delete the claims first, or uninstall with --no-hooks: \
             then they stay on the disks, and nothing serves them. Before another `helm upgrade`: `helm rollback`."
        ),
        |text, line| text + &line,
    )
}

fn in_cluster<T>(asked: impl Future<Output = crate::k8s::Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(Error::step("start"))?.block_on(asked)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(count: usize) -> Vec<KeptVolume> {
        (0..count).map(|n| KeptVolume { name: format!("pvc-{n}"), claim: None, size: None, node: None }).collect()
    }

    #[test]
    fn names_what_is_left_and_what_to_do() {
        let said = told("csi.ullage.dev", &kept(1));
        assert!(said.starts_with("one volume of csi.ullage.dev would be left"), "{said}");
        assert!(said.contains("--no-hooks") && said.ends_with("\n  pvc-0, no claim"), "{said}");
        assert!(told("d", &kept(50)).ends_with("\n  pvc-49, no claim"));
        assert!(
            told("d", &kept(52)).starts_with("52 volumes of d") && told("d", &kept(52)).ends_with("\n  and 2 more")
        );
    }

    #[test]
    fn outside_a_cluster_it_refuses() {
        let said = check_uninstall("csi.ullage.dev").unwrap_err().to_string();
        assert!(said.contains("KUBERNETES_SERVICE_HOST"), "{said}");
    }
}
