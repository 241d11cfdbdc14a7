//! What the engine promises, refuses and finds.

mod audit;
mod capacity;
mod fullness;
mod growth;
mod ids;
mod import;
mod limits;
mod looks;
mod pods;
mod pool_image;
mod pools;
mod shared;
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
