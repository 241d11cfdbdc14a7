use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::model::{Bytes, Level, Reading, VolumeId};

/// What is known of a volume.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// Which volume.
    pub id: VolumeId,
    /// The last numbers; none before the first sample. They are kept while it is lost.
    pub reading: Option<Reading>,
    /// What they mean.
    pub level: Level,
    /// Why it is not there as it should be.
    pub lost: Option<String>,
    /// When it was last looked at, by the clock on the wall.
    pub at: OffsetDateTime,
    /// When that look began, by a clock that never jumps: an alert can say how old it is.
    pub started: Instant,
    /// How many times it became full since it is watched.
    pub entered_full: u64,
    /// A sample has not come back in time: the numbers are old.
    pub hung: bool,
}

/// What happened to a volume.
#[derive(Clone, Debug)]
pub enum Event {
    /// The numbers are others: at most once a second, and the last ones always come.
    Measured(Arc<Status>),
    /// It entered another level; sent at the instant.
    Level {
        /// How it is now.
        status: Arc<Status>,
        /// The level before.
        previous: Level,
    },
    /// It is still full: every 300 s.
    Reminder(Arc<Status>),
    /// It has another size, and its filesystem has followed.
    Resized {
        /// How it is now.
        status: Arc<Status>,
        /// The size before.
        previous: Bytes,
    },
    /// It is not there as it should be.
    Lost(Arc<Status>),
    /// It is there again.
    Found(Arc<Status>),
    /// It is watched no more.
    Gone(VolumeId),
}

impl Status {
    /// Of a volume that nobody has looked at.
    pub fn new(id: VolumeId) -> Self {
        Self {
            id,
            reading: None,
            level: Level::Ok,
            lost: None,
            at: OffsetDateTime::now_utc(),
            started: Instant::now(),
            entered_full: 0,
            hung: false,
        }
    }
}

impl Event {
    /// Which volume it is about.
    pub fn id(&self) -> &VolumeId {
        match self {
            Self::Measured(status) | Self::Reminder(status) | Self::Lost(status) | Self::Found(status) => &status.id,
            Self::Level { status, .. } | Self::Resized { status, .. } => &status.id,
            Self::Gone(id) => id,
        }
    }

    /// Where people read it.
    pub(super) fn log(&self) {
        match self {
            Self::Level { status, previous } => {
                let (volume, level, reading) = (&status.id, status.level, status.reading.unwrap_or_default());
                let (size, available, inodes) = (reading.size, reading.available, reading.inodes.free);
                if level < *previous {
                    tracing::info!(%volume, %level, %previous, %size, %available, inodes, "a volume has room again");
                } else {
                    tracing::warn!(%volume, %level, %previous, %size, %available, inodes, "a volume is filling up");
                }
            }
            Self::Resized { status, previous } => {
                let size = status.reading.unwrap_or_default().size;
                tracing::info!(volume = %status.id, %size, %previous, "a volume has another size");
            }
            Self::Lost(status) => tracing::warn!(volume = %status.id, reason = status.lost, "a volume is lost"),
            Self::Found(status) => tracing::info!(volume = %status.id, "a volume is there again"),
            Self::Measured(_) | Self::Reminder(_) | Self::Gone(_) => {}
        }
    }
}
