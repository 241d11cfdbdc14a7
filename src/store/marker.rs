use serde::{Deserialize, Serialize};

use super::{Error, PoolDir, Version};
use crate::host::Files;
use crate::model::{Backend, PoolName};

/// The mark that a directory is a pool of ours.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Marker {
    schema: Version,
    /// This pool's own id, a ULID.
    pub id: String,
    /// The pool's name when it was first used.
    pub name: PoolName,
    /// How its volumes are made.
    pub backend: Backend,
}

impl Marker {
    /// A marker for a pool that is used for the first time.
    pub fn new(id: String, name: PoolName, backend: Backend) -> Self {
        Self { schema: Version::default(), id, name, backend }
    }

    /// Reads a pool's marker; `None` where there is none.
    pub fn load(files: &dyn Files, pool: &PoolDir) -> Result<Option<Self>, Error> {
        super::load(files, &pool.marker())
    }

    /// Writes it, whole.
    pub fn save(&self, files: &dyn Files, pool: &PoolDir) -> Result<(), Error> {
        super::save(files, &pool.marker(), self)
    }
}
