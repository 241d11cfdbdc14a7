use crate::backend::check_options;
use crate::csi::Error;
use crate::csi::parameters::ParameterError;
use crate::engine::{self, Access};
use crate::model::{Backend, Content, FsKind, MountOptions};
use crate::rpc::csi::VolumeCapability;
use crate::rpc::csi::volume_capability::AccessType;
use crate::rpc::csi::volume_capability::access_mode::Mode;

/// What a volume is wanted for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::csi) struct Capability {
    /// As a filesystem or as blocks.
    pub(in crate::csi) access: Access,
    /// How to mount it.
    pub(in crate::csi) options: MountOptions,
    /// Without writes.
    pub(in crate::csi) read_only: bool,
    /// At one target alone.
    pub(in crate::csi) exclusive: bool,
}

impl Capability {
    /// One capability that must be there. Its mount flags may be sensitive: no text holds them.
    pub(in crate::csi) fn new(message: Option<&VolumeCapability>) -> Result<Self, Error> {
        let message = message.ok_or(Error::Required("volume_capability"))?;
        let mode = message.access_mode.as_ref().map(|mode| mode.mode());
        let mode = mode.filter(|mode| *mode != Mode::Unknown).ok_or(Error::Required("access_mode"))?;
        if !is_of_one_node(mode) {
            return Err(Error::AccessMode(mode.as_str_name()));
        }
        let (access, flags) = match message.access_type.as_ref().ok_or(Error::Required("access_type"))? {
            AccessType::Block(_) => (Access::Block, [].as_slice()),
            AccessType::Mount(mount) if !mount.volume_mount_group.is_empty() => return Err(Error::MountGroup),
            AccessType::Mount(mount) => (Access::Mount(filesystem(&mount.fs_type)?), mount.mount_flags.as_slice()),
        };
        let options = MountOptions::from_flags(flags);
        let read_only = mode == Mode::SingleNodeReaderOnly || options.attributes.read_only;
        Ok(Self { access, options, read_only, exclusive: mode == Mode::SingleNodeSingleWriter })
    }

    /// Whether a volume with that content can be used so.
    pub(in crate::csi) fn fits(&self, content: Content) -> Result<(), Error> {
        let refused = |asked| Error::OtherContent { content: content.to_string(), asked };
        self.access.mismatch(content).map_or(Ok(()), |asked| Err(refused(asked)))
    }

    /// Whether a volume of a backend can be mounted so: at a stage it would be too late to say.
    pub(in crate::csi) fn can_be_mounted(&self, backend: Backend, sparse: bool) -> Result<(), Error> {
        check_options(backend, sparse, &self.options).map_err(|error| engine::Error::from(error).into())
    }

    /// The filesystem that it names.
    pub(super) fn fs_type(&self) -> Option<&'static str> {
        match self.access {
            Access::Mount(fs) => fs.map(FsKind::as_str),
            Access::Block => None,
        }
    }
}

/// Several capabilities of one volume, all of one access type. There may be none.
pub(in crate::csi) fn several(messages: &[VolumeCapability]) -> Result<Vec<Capability>, Error> {
    let capabilities = messages.iter().map(|message| Capability::new(Some(message)));
    let capabilities = capabilities.collect::<Result<Vec<_>, _>>()?;
    let blocks = capabilities.iter().filter(|capability| capability.access == Access::Block).count();
    if blocks > 0 && blocks < capabilities.len() {
        return Err(Error::BothAccessTypes);
    }
    Ok(capabilities)
}

/// `SINGLE_NODE_WRITER` leaves open how many targets there are: older callers mean any number by it.
fn is_of_one_node(mode: Mode) -> bool {
    match mode {
        Mode::SingleNodeWriter
        | Mode::SingleNodeReaderOnly
        | Mode::SingleNodeSingleWriter
        | Mode::SingleNodeMultiWriter => true,
        Mode::Unknown | Mode::MultiNodeReaderOnly | Mode::MultiNodeSingleWriter | Mode::MultiNodeMultiWriter => false,
    }
}

fn filesystem(fs_type: &str) -> Result<Option<FsKind>, Error> {
    match fs_type.trim() {
        "" => Ok(None),
        text => FsKind::parse(text).map(Some).ok_or_else(|| ParameterError::Filesystem(text.to_owned()).into()),
    }
}
