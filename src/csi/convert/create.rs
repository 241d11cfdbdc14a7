use std::collections::BTreeMap;

use super::capability::several;
use super::{Capability, required};
use crate::config::Defaults;
use crate::csi::parameters::{self, ParameterError, Parsed, Request};
use crate::csi::size::SizeError;
use crate::csi::{Error, size};
use crate::engine::{Access, CreateRequest, SizeRange};
use crate::model::{Backend, Bytes, PoolName, VolumeSpec};
use crate::rpc::csi::{CapacityRange, CreateVolumeRequest, GetCapacityRequest};

/// The volume that is asked for, every default filled in.
pub(in crate::csi) fn create(
    request: &CreateVolumeRequest,
    pools: &[(PoolName, Backend)],
    defaults: &Defaults,
) -> Result<CreateRequest, Error> {
    let name = required("name", &request.name)?;
    if request.volume_capabilities.is_empty() {
        return Err(Error::Required("volume_capabilities"));
    }
    let capabilities = several(&request.volume_capabilities)?;
    if request.volume_content_source.is_some() {
        return Err(Error::Source);
    }
    if !request.mutable_parameters.is_empty() {
        let keys: Vec<&str> = request.mutable_parameters.keys().map(String::as_str).collect();
        return Err(Error::MutableParameters(keys.join(", ")));
    }
    let CapacityRange { required_bytes, limit_bytes } = request.capacity_range.unwrap_or_default();
    let size = size::size(required_bytes, limit_bytes, defaults.size)?;
    let parsed = parse(&request.parameters, &capabilities, Some(size), pools, defaults)?;
    capabilities.iter().try_for_each(|one| one.can_be_mounted(parsed.backend, parsed.sparse))?;
    let accepted = range(required_bytes, limit_bytes);
    Ok(CreateRequest { spec: parsed.into_spec(name.to_owned(), size), accepted })
}

/// Which volumes GetCapacity asks about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::csi) struct Capacity {
    /// What they are, but for their size.
    pub(in crate::csi) volumes: Parsed,
    /// The smallest of them: a limit below it refuses every size, as sizes are whole blocks.
    pub(in crate::csi) minimum: Bytes,
}

impl Capacity {
    /// "The same `volume_capabilities`" and "`parameters` the CO will use in `CreateVolumeRequest`".
    pub(in crate::csi) fn new(
        request: &GetCapacityRequest,
        pools: &[(PoolName, Backend)],
        defaults: &Defaults,
    ) -> Result<Self, Error> {
        let capabilities = several(&request.volume_capabilities)?;
        let parse = |size| parse(&request.parameters, &capabilities, size, pools, defaults);
        let volumes = parse(None)?;
        let smallest = VolumeSpec::SMALLEST.round_up().unwrap_or(VolumeSpec::SMALLEST);
        let minimum = match parse(Some(smallest)) {
            Err(Error::Parameter(ParameterError::TooSmall { fs, .. })) => fs.smallest(),
            _ => smallest,
        };
        Ok(Self { volumes, minimum })
    }
}

/// The size that a volume shall grow to. Without a range nothing is asked but that its filesystem has its size.
pub(in crate::csi) fn expansion(range: Option<&CapacityRange>) -> Result<SizeRange, Error> {
    let CapacityRange { required_bytes, limit_bytes } = range.copied().unwrap_or_default();
    let asked = self::range(required_bytes, limit_bytes);
    if required_bytes == 0 && limit_bytes >= 0 {
        return Ok(asked);
    }
    // The default is for a range that requires nothing. What no file can hold is the engine's to refuse, as all that does
    // not fit: a pod may wait for it.
    let at_least = match size::size(required_bytes, limit_bytes, VolumeSpec::SMALLEST) {
        Err(SizeError::TooLarge(_)) => Bytes::new(u64::MAX),
        size => size?,
    };
    Ok(SizeRange { at_least, ..asked })
}

pub(super) fn parse(
    parameters: &BTreeMap<String, String>,
    capabilities: &[Capability],
    size: Option<Bytes>,
    pools: &[(PoolName, Backend)],
    defaults: &Defaults,
) -> Result<Parsed, Error> {
    let fs_types: Vec<&str> = capabilities.iter().filter_map(Capability::fs_type).collect();
    let block = capabilities.iter().any(|capability| capability.access == Access::Block);
    Ok(parameters::parse(&Request { parameters, fs_types: &fs_types, block, size }, pools, defaults)?)
}

/// Checked before: neither bound is negative. 0 is one that is not given.
fn range(required: i64, limit: i64) -> SizeRange {
    let given = |bytes: i64| u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).map(Bytes::new);
    SizeRange { at_least: given(required).unwrap_or_default(), at_most: given(limit) }
}
