//! What the engine promises, refuses and finds.

mod capacity;
mod fullness;
mod growth;
mod import;
mod limits;
mod looks;
mod pods;
mod pool_image;
mod pools;
mod volumes;

use ullage::engine::{Error, Kind};
use ullage::model::{Bytes, Content, FsKind};

use crate::world::Volume;

const EXT4: Content = Content::Filesystem(FsKind::Ext4);

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> Kind {
    result.unwrap_err().kind()
}

fn sized(name: &'static str, size: Bytes) -> Volume {
    Volume { size, ..Volume::xfs(name) }
}
