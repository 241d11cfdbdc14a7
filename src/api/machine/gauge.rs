use std::sync::Arc;

use crate::engine::{Engine, Place};
use crate::model::Reading;
use crate::monitor::Gauge;

/// Measures what is mounted at one place.
pub(super) struct VolumeGauge {
    /// Who asks the machine.
    pub(super) engine: Arc<Engine>,
    /// Where. Another place, or another device there, is another gauge.
    pub(super) place: Place,
}

impl Gauge for VolumeGauge {
    fn read(&self) -> Result<Reading, String> {
        self.engine.read(&self.place).map_err(|error| error.to_string())
    }
}
