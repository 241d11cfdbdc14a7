//! How full volumes are, again and again.

use crate::model::Reading;

/// Measures one volume. Called on a thread that may block.
pub trait Gauge: Send + Sync {
    /// The numbers of now; an error where the volume is not there as it should be: why.
    fn read(&self) -> Result<Reading, String>;
}
