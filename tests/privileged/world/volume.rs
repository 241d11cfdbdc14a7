use ullage::engine::{Access, CreateRequest, SizeRange};
use ullage::model::{Bytes, Claim, Content, FsKind, Owner, PoolName, VolumeId, VolumeSpec};

/// A volume that a test asks for.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Volume {
    pub(crate) name: String,
    pub(crate) content: Content,
    pub(crate) sparse: bool,
    pub(crate) owner: Option<Owner>,
    pub(crate) size: Bytes,
}

pub(crate) const EXT4: Content = Content::Filesystem(FsKind::Ext4);
pub(crate) const XFS: Content = Content::Filesystem(FsKind::Xfs);
pub(crate) const BLOCK: Content = Content::Block;

impl Volume {
    /// As small as its content allows, and reserved.
    pub(crate) fn new(name: &str, content: Content) -> Self {
        let size = match content {
            XFS => Bytes::mib(300),
            EXT4 => Bytes::mib(64),
            _ => Bytes::mib(32),
        };
        Self { name: name.to_owned(), content, sparse: false, owner: None, size }
    }

    pub(crate) fn sparse(name: &str, content: Content) -> Self {
        Self { sparse: true, ..Self::new(name, content) }
    }

    pub(crate) fn sized(self, size: Bytes) -> Self {
        Self { size, ..self }
    }

    pub(crate) fn id(&self) -> VolumeId {
        VolumeId::from_name(&self.name)
    }

    pub(crate) fn access(&self) -> Access {
        match self.content {
            Content::Filesystem(fs) => Access::Mount(Some(fs)),
            Content::Block => Access::Block,
        }
    }

    pub(crate) fn request(&self) -> CreateRequest {
        let spec = VolumeSpec {
            name: self.name.clone(),
            pool: PoolName::parse("default").unwrap(),
            size: self.size,
            content: self.content,
            sparse: self.sparse,
            direct_io: true,
            inodes: None,
            warn_percent: None,
            owner: self.owner,
            claim: Claim::default(),
        };
        CreateRequest { spec, accepted: SizeRange { at_least: self.size, at_most: None } }
    }
}
