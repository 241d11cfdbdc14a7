use std::collections::BTreeMap;

use super::client::Client;
use super::{Error, Result, output, progress, words};
use crate::model::Bytes;
use crate::rpc::admin::Volume;
use crate::rpc::csi::volume_capability::access_mode::Mode;
use crate::rpc::csi::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use crate::rpc::csi::{CapacityRange, CreateVolumeRequest, VolumeCapability};

/// A volume to be made.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Create {
    /// Its name.
    pub name: String,
    /// Its size; `None` leaves it to the configuration.
    pub size: Option<Bytes>,
    /// Its filesystem.
    pub fs: Option<String>,
    /// Whether space is taken only as it is written.
    pub sparse: bool,
    /// Raw blocks, and no filesystem.
    pub block: bool,
    /// Where it shall lie.
    pub pool: Option<String>,
    /// Parameters of a StorageClass.
    pub parameters: Vec<(String, String)>,
}

impl Create {
    pub(super) async fn run(self, client: &Client) -> Result<()> {
        let name = self.name.clone();
        let request = self.request()?;
        progress::while_creating(client, &name, client.create(request)).await?;
        // Made it is, whatever comes after: a server that is told to stop answers this call, and no other.
        let made = client.get(&name).await.map_or_else(|_| format!("{name} is made"), |volume| made(&volume));
        output::say(&made)
    }

    fn request(self) -> Result<CreateVolumeRequest> {
        let size = self.size.map(|size| CapacityRange { required_bytes: size.signed(), limit_bytes: 0 });
        let capability = capability(self.block);
        let (name, parameters) = (self.name.clone(), self.into_parameters()?);
        Ok(CreateVolumeRequest {
            name,
            capacity_range: size,
            volume_capabilities: vec![capability],
            parameters,
            ..Default::default()
        })
    }

    /// The flags are parameters too; what is given twice must be said once.
    fn into_parameters(self) -> Result<BTreeMap<String, String>> {
        let flags = [("fs", self.fs), ("pool", self.pool), ("sparse", self.sparse.then(|| "true".to_owned()))];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        let mut parameters = BTreeMap::new();
        for (key, value) in flags.chain(self.parameters) {
            if parameters.insert(key.clone(), value).is_some() {
                return Err(Error::Unfit(format!("parameter '{key}' is given twice")));
            }
        }
        Ok(parameters)
    }
}

/// What this client wants to do with a volume.
fn capability(block: bool) -> VolumeCapability {
    let access_type = match block {
        true => AccessType::Block(BlockVolume {}),
        false => AccessType::Mount(MountVolume::default()),
    };
    let access_mode = Some(AccessMode { mode: Mode::SingleNodeWriter.into() });
    VolumeCapability { access_type: Some(access_type), access_mode }
}

fn made(volume: &Volume) -> String {
    let Volume { name, pool, content, .. } = volume;
    let held = words::held(volume);
    format!("{name} is made: {} {content}, {held}, in pool {pool}", Bytes::new(volume.size_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn flags_become_parameters() {
        let create = Create {
            name: "db".into(),
            size: Some(Bytes::gib(2)),
            fs: Some("xfs".into()),
            sparse: true,
            pool: Some("fast".into()),
            parameters: vec![pair("uid", "1000")],
            ..Create::default()
        };
        let request = create.request().unwrap();
        let expected = [pair("fs", "xfs"), pair("pool", "fast"), pair("sparse", "true"), pair("uid", "1000")];
        assert_eq!(request.parameters.into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(request.capacity_range, Some(CapacityRange { required_bytes: 2 << 30, limit_bytes: 0 }));
    }

    #[test]
    fn nothing_is_said_that_was_not_given() {
        let request = Create { name: "db".into(), block: true, ..Create::default() }.request().unwrap();
        assert_eq!((request.capacity_range, request.parameters.len()), (None, 0));
        assert_eq!(request.volume_capabilities, [capability(true)]);
    }

    #[test]
    fn a_parameter_is_given_once() {
        let parameters = vec![pair("fs", "ext4")];
        let create = Create { fs: Some("xfs".into()), parameters, ..Create::default() };
        assert_eq!(create.request().unwrap_err().to_string(), "parameter 'fs' is given twice");
    }
}
