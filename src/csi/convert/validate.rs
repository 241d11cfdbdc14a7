use super::capability::several;
use super::create::parse;
use super::{Capability, Here};
use crate::config::{Defaults, FsChoice};
use crate::csi::Error;
use crate::model::{Backend, PoolName};
use crate::rpc::csi::ValidateVolumeCapabilitiesRequest;
use crate::store::Record;

/// Why a volume is not what is asked for, where it is not (`ValidateVolumeCapabilities`).
pub(in crate::csi) fn validate(
    request: &ValidateVolumeCapabilitiesRequest,
    record: &Record,
    here: &Here,
    pools: &[(PoolName, Backend)],
    defaults: &Defaults,
) -> Result<(), String> {
    let text = |error: Error| error.to_string();
    let capabilities = several(&request.volume_capabilities).map_err(text)?;
    capabilities.iter().try_for_each(|capability| capability.fits(record.spec.content)).map_err(text)?;
    let mountable = |capability: &Capability| capability.can_be_mounted(record.backend(), record.spec.sparse);
    capabilities.iter().try_for_each(mountable).map_err(text)?;
    let context = super::volume(record, here).volume_context;
    if let Some((key, value)) = context.iter().find(|(key, value)| {
        // Callers add keys of their own.
        request.volume_context.get(*key).is_some_and(|said| said != *value)
    }) {
        return Err(format!("the volume's '{key}' is '{value}'"));
    }
    if !request.mutable_parameters.is_empty() {
        return Err(text(Error::MutableParameters("none can be changed".to_owned())));
    }
    if request.parameters.is_empty() {
        return Ok(());
    }
    // Where nobody asks for a filesystem, the default depended on the size that it was made with.
    let made = record.spec.content.filesystem().map_or(defaults.fs, FsChoice::Always);
    let defaults = Defaults { fs: made, ..defaults.clone() };
    let mut asked = parse(&request.parameters, &capabilities, None, pools, &defaults).map_err(text)?;
    asked.claim = record.spec.claim.clone();
    match asked.into_spec(record.spec.name.clone(), record.spec.size) == record.spec {
        true => Ok(()),
        false => Err("the volume was not made with these parameters".to_owned()),
    }
}
