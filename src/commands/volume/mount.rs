use std::path::{Path, PathBuf};

use super::client::Client;
use super::{Error, Result, output, places};
use crate::rpc::admin::{self, Volume};

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
        let target = places::resolved(&self.path)?;
        client.mount(&self.name, &target, self.read_only).await?;
        output::say(&format!("{} is mounted at {}", self.name, target.display()))
    }
}

impl Unmount {
    pub(super) async fn run(self, client: &Client) -> Result<()> {
        let volume = client.get(&self.name).await?;
        let targets = match &self.path {
            Some(path) => vec![at(&volume, places::resolved(path)?)?],
            None => everywhere(&volume)?,
        };
        for target in &targets {
            client.unmount(volume.id.clone(), target).await?;
            output::say(&format!("{} is unmounted from {}", self.name, target.display()))?;
        }
        Ok(())
    }
}

/// The place named, where the volume is there, or is wanted.
fn at(volume: &Volume, target: PathBuf) -> Result<PathBuf> {
    if volume.mounts.iter().chain(&volume.wanted).any(|mount| Path::new(&mount.path) == target) {
        return Ok(target);
    }
    let (name, places) = (&volume.name, paths(&volume.mounts).join(", "));
    Err(Error::Unfit(match places.is_empty() {
        true => format!("{name} is not mounted"),
        false => format!("{name} is not mounted at {}: it is at {places}", target.display()),
    }))
}

/// Every place where it is wanted. What a kubelet has mounted is not taken from under its pods.
fn everywhere(volume: &Volume) -> Result<Vec<PathBuf>> {
    let name = &volume.name;
    match (paths(&volume.wanted), paths(&volume.mounts)) {
        (wanted, _) if !wanted.is_empty() => Ok(wanted.into_iter().map(PathBuf::from).collect()),
        (_, mounts) if mounts.is_empty() => Err(Error::Unfit(format!("{name} is not mounted"))),
        (_, mounts) => {
            let places = mounts.join(", ");
            Err(Error::Unfit(format!("nobody has asked for {name} to stay mounted: name the path ({places})")))
        }
    }
}

fn paths(mounts: &[admin::Mount]) -> Vec<&str> {
    mounts.iter().map(|mount| mount.path.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(paths: &[&str]) -> Vec<admin::Mount> {
        paths.iter().map(|path| admin::Mount { path: (*path).to_owned(), read_only: false }).collect()
    }

    fn mounted(paths: &[&str]) -> Volume {
        Volume { name: "db".into(), mounts: mounts(paths), ..Volume::default() }
    }

    #[test]
    fn everywhere_is_where_it_is_wanted() {
        let volume = Volume { wanted: mounts(&["/mnt/a", "/mnt/b"]), ..mounted(&["/run/else", "/mnt/a"]) };
        assert_eq!(everywhere(&volume).unwrap(), [Path::new("/mnt/a"), Path::new("/mnt/b")]);
    }

    #[test]
    fn what_a_kubelet_mounted_stays() {
        let volume = mounted(&["/var/lib/kubelet/globalmount", "/var/lib/kubelet/pods/1"]);
        let said = everywhere(&volume).unwrap_err().to_string();
        assert!(said.contains("name the path (/var/lib/kubelet/globalmount, "), "{said}");
    }

    #[test]
    fn a_place_where_it_is_not_is_refused() {
        let said = |volume: &Volume| at(volume, "/mnt/x".into()).unwrap_err().to_string();
        assert_eq!(said(&mounted(&["/mnt/a"])), "db is not mounted at /mnt/x: it is at /mnt/a");
        assert_eq!(said(&mounted(&[])), "db is not mounted");
        assert_eq!(everywhere(&mounted(&[])).unwrap_err().to_string(), "db is not mounted");
        let wanted = Volume { wanted: mounts(&["/mnt/x"]), ..mounted(&[]) };
        assert_eq!(at(&wanted, "/mnt/x".into()).unwrap(), Path::new("/mnt/x"));
    }
}
