use std::sync::{Arc, Mutex};

use crate::engine::{Engine, Place};
use crate::host::MountIdentity;
use crate::model::Reading;
use crate::monitor::Gauge;

/// Measures what is mounted at one place.
pub(super) struct VolumeGauge {
    /// Who asks the machine.
    engine: Arc<Engine>,
    /// Where. Another place, or another device there, is another gauge.
    place: Place,
    /// The mount that was found there last.
    seen: Mutex<Option<MountIdentity>>,
}

impl VolumeGauge {
    pub(super) fn new(engine: Arc<Engine>, place: Place) -> Self {
        Self { engine, place, seen: Mutex::default() }
    }
}

impl Gauge for VolumeGauge {
    fn read(&self) -> Result<Reading, String> {
        let mut seen = *self.seen.lock().expect("no holder panics");
        let reading = self.engine.read_again(&self.place, &mut seen);
        *self.seen.lock().expect("no holder panics") = seen;
        reading.map_err(|error| error.to_string())
    }
}
