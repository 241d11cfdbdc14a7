use std::sync::{Arc, Mutex};

use crate::engine::{Engine, Place, Whereabouts};
use crate::host::MountIdentity;
use crate::model::{Bytes, Reading, VolumeId};
use crate::monitor::Gauge;

/// Measures what is mounted at one place.
pub(super) struct VolumeGauge {
    /// Who asks the machine.
    engine: Arc<Engine>,
    /// Which volume.
    id: VolumeId,
    /// Where; `None`: it is not where it is wanted. Another place, or another device there, is another gauge.
    place: Option<Place>,
    /// Its filesystem had yet to grow when that was looked at.
    is_behind: bool,
    /// The mount that was found there last.
    seen: Mutex<Option<MountIdentity>>,
}

impl VolumeGauge {
    pub(super) fn new(engine: Arc<Engine>, id: VolumeId, place: Option<Place>, is_behind: bool) -> Self {
        Self { engine, id, place, is_behind, seen: Mutex::default() }
    }

    fn read_at(&self, place: &Place) -> Result<Reading, String> {
        let mut seen = *self.seen.lock().expect("no holder panics");
        let reading = self.engine.read(place, &mut seen);
        *self.seen.lock().expect("no holder panics") = seen;
        reading.map_err(|error| error.to_string())
    }
}

impl Gauge for VolumeGauge {
    fn read(&self) -> Result<Reading, String> {
        match &self.place {
            Some(place) => self.read_at(place),
            None => Err(match self.engine.whereabouts(&self.id) {
                Ok(Whereabouts::Missed(reason)) => reason,
                Ok(Whereabouts::At(_) | Whereabouts::Aside) => "it is not where it was a moment ago".to_owned(),
                Err(error) => error.to_string(),
            }),
        }
    }

    fn behind(&self) -> Option<Bytes> {
        // A record is a file: it is not read for a volume that has nothing to wait for.
        let record = self.is_behind.then(|| self.engine.record(&self.id).ok()).flatten()?;
        record.growth_is_pending().then_some(record.grown_to)
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
