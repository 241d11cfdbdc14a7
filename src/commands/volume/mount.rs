use std::path::{Path, PathBuf};

use super::client::Client;
use super::create::capability;
use super::{Error, Result, output, places};
use crate::rpc::admin::Volume;

/// A volume to be shown at a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mount {
    /// Which.
    pub name: String,
    /// Where: a directory, or a file for a block volume. Made where it is missing.
    pub path: PathBuf,
    /// Without writes.
    pub read_only: bool,
}

/// A volume to be taken off a path, or off all of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unmount {
    /// Which.
    pub name: String,
    /// From where; `None`: from everywhere.
    pub path: Option<PathBuf>,
}

impl Mount {
    pub(super) async fn run(self, client: &Client) -> Result<()> {
        let volume = client.get(&self.name).await?;
        let target = places::resolved(&self.path)?;
        let block = is_block(&volume);
        if !is_at(&volume, &target) {
            places::must_be_free(&target, block)?;
        }
        client.stage(volume.id.clone(), capability(block)).await?;
        let shown = client.publish(volume.id.clone(), capability(block), &target, self.read_only).await;
        if shown.is_err() && volume.mounts.is_empty() {
            // The first error is the one to tell.
            let _ = unstage(client, &volume).await;
        }
        shown?;
        output::say(&format!("{} is mounted at {}", self.name, target.display()))
    }
}

impl Unmount {
    pub(super) async fn run(self, client: &Client) -> Result<()> {
        let volume = client.get(&self.name).await?;
        let ours = staged_at(client, &volume);
        let targets = match &self.path {
            Some(path) => vec![at(&volume, places::resolved(path)?)?],
            None => everywhere(&volume, &ours)?,
        };
        for target in &targets {
            client.unpublish(volume.id.clone(), target).await?;
            if !is_block(&volume) {
                places::leave_directory(target);
            }
            output::say(&format!("{} is unmounted from {}", self.name, target.display()))?;
        }
        let left = client.get(&volume.id).await?;
        if left.mounts.iter().all(|mount| Path::new(&mount.path) == ours) {
            unstage(client, &volume).await?;
        }
        Ok(())
    }
}

/// The place named, where the volume is there.
fn at(volume: &Volume, target: PathBuf) -> Result<PathBuf> {
    if is_at(volume, &target) {
        return Ok(target);
    }
    let (name, places) = (&volume.name, paths(volume).join(", "));
    Err(Error::Unfit(match places.is_empty() {
        true => format!("{name} is not mounted"),
        false => format!("{name} is not mounted at {}: it is at {places}", target.display()),
    }))
}

/// Every place but that where it is staged. What a kubelet has mounted is not taken from under its pods.
fn everywhere(volume: &Volume, ours: &Path) -> Result<Vec<PathBuf>> {
    if volume.mounts.is_empty() {
        return at(volume, PathBuf::new()).map(|_| Vec::new());
    }
    if !is_at(volume, ours) {
        let (name, places) = (&volume.name, paths(volume).join(", "));
        return Err(Error::Unfit(format!("{name} was not mounted by 'ullage volume mount': name the path ({places})")));
    }
    Ok(paths(volume).into_iter().map(PathBuf::from).filter(|path| path != ours).collect())
}

async fn unstage(client: &Client, volume: &Volume) -> Result<()> {
    client.unstage(volume.id.clone()).await?;
    places::tidy(&client.staging(&volume.id));
    Ok(())
}

/// Where the kernel shows a volume that this client has staged: a block device is a node in the directory.
fn staged_at(client: &Client, volume: &Volume) -> PathBuf {
    let staging = client.staging(&volume.id);
    let staging = places::resolved(&staging).unwrap_or(staging);
    if is_block(volume) { staging.join("device") } else { staging }
}

fn is_at(volume: &Volume, path: &Path) -> bool {
    volume.mounts.iter().any(|mount| Path::new(&mount.path) == path)
}

fn paths(volume: &Volume) -> Vec<&str> {
    volume.mounts.iter().map(|mount| mount.path.as_str()).collect()
}

fn is_block(volume: &Volume) -> bool {
    volume.content == "block"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::admin;

    fn mounted(paths: &[&str]) -> Volume {
        let mounts = paths.iter().map(|path| admin::Mount { path: (*path).to_owned(), read_only: false }).collect();
        Volume { name: "db".into(), mounts, ..Volume::default() }
    }

    #[test]
    fn everywhere_is_not_where_it_is_staged() {
        let volume = mounted(&["/run/staging/db", "/mnt/a", "/mnt/b"]);
        let places = everywhere(&volume, Path::new("/run/staging/db")).unwrap();
        assert_eq!(places, [Path::new("/mnt/a"), Path::new("/mnt/b")]);
    }

    #[test]
    fn what_a_kubelet_mounted_stays() {
        let volume = mounted(&["/var/lib/kubelet/globalmount", "/var/lib/kubelet/pods/1"]);
        let said = everywhere(&volume, Path::new("/run/staging/db")).unwrap_err().to_string();
        assert!(said.contains("name the path (/var/lib/kubelet/globalmount, "), "{said}");
    }

    #[test]
    fn a_place_where_it_is_not_is_refused() {
        let said = |volume: &Volume| at(volume, "/mnt/x".into()).unwrap_err().to_string();
        assert_eq!(said(&mounted(&["/mnt/a"])), "db is not mounted at /mnt/x: it is at /mnt/a");
        assert_eq!(said(&mounted(&[])), "db is not mounted");
        assert_eq!(everywhere(&mounted(&[]), Path::new("/s")).unwrap_err().to_string(), "db is not mounted");
    }
}
