use std::sync::Arc;

use crate::engine::{Engine, Place, Whereabouts};
use crate::model::{Reading, VolumeId};
use crate::monitor::Gauge;

/// Measures what is mounted at one place.
pub(super) struct VolumeGauge {
    /// Who asks the machine.
    pub(super) engine: Arc<Engine>,
    /// Which volume.
    pub(super) id: VolumeId,
    /// Where; `None`: it is not where it is wanted. Another place, or another device there, is another gauge.
    pub(super) place: Option<Place>,
}

impl Gauge for VolumeGauge {
    fn read(&self) -> Result<Reading, String> {
        match &self.place {
            Some(place) => self.engine.read(place).map_err(|error| error.to_string()),
            None => Err(match self.engine.whereabouts(&self.id) {
                Ok(Whereabouts::Missed(reason)) => reason,
                Ok(Whereabouts::At(_) | Whereabouts::Aside) => "it is not where it was a moment ago".to_owned(),
                Err(error) => error.to_string(),
            }),
        }
    }

    fn is_aside(&self) -> bool {
        match self.engine.whereabouts(&self.id) {
            Ok(Whereabouts::Aside) => true,
            // It has moved, and another gauge comes. Where it has not, it cannot be read.
            Ok(Whereabouts::At(place)) => self.place.as_ref() != Some(&place),
            Ok(Whereabouts::Missed(_)) | Err(_) => false,
        }
    }
}
