//! How full volumes are, measured again and again.

use std::sync::Arc;

use crate::model::{Reading, VolumeId};

/// Measures one volume, synchronously; called off the runtime.
pub trait Gauge: Send + Sync {
    /// One measurement.
    ///
    /// # Errors
    /// It is not there as it should be (lost), and why.
    fn read(&self) -> Result<Reading, String>;
}

/// A volume that is to be watched.
#[derive(Clone)]
pub struct Target {
    /// Whose it is.
    pub id: VolumeId,
    /// What measures it.
    pub gauge: Arc<dyn Gauge>,
    /// Another number: the gauge is another one.
    pub generation: u64,
}
