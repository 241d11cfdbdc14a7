//! Every frame out, as text. Pure: what is written depends on nothing but what is given.
//!
//! `event`, `daemon_message` and `logs` carry `data` (as Lightd is documented) and `args` (as its program does it). MB are
//! MiB. `docs/alerts.md` shows one of each; a test holds it to what is written here.

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;

use crate::model::{Bytes, Inodes, Level, Reading, VolumeId};
use crate::monitor::Status;

/// What a full volume is told to every client, once per entering.
pub const OUT_OF_STORAGE: &str = "System out of storage";

/// What a `storage` frame is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Storage {
    /// The level, and which it was before where that is known.
    Level {
        /// The level before.
        previous: Option<Level>,
    },
    /// It is still full.
    Reminder,
    /// It has another size.
    Resized {
        /// The size before.
        previous: Bytes,
    },
    /// It is not there as it should be.
    Lost,
    /// It is back.
    Found,
}

/// `event`, `daemon_message`, `logs`.
#[derive(Serialize)]
struct Said<'a> {
    event: &'static str,
    ts: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_id: Option<&'a str>,
    data: &'a str,
    args: &'a [&'a str],
}

#[derive(Serialize)]
struct Stats<'a> {
    event: &'static str,
    ts: String,
    volume_id: &'a str,
    #[serde(flatten)]
    disk: Disk,
    args: [String; 1],
}

#[derive(Clone, Copy, Serialize)]
struct Disk {
    disk_bytes: u64,
    disk_limit_bytes: u64,
}

#[derive(Serialize)]
struct About<'a> {
    event: &'static str,
    ts: String,
    volume_id: &'a str,
    data: State<'a>,
}

#[derive(Default, Serialize)]
struct State<'a> {
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    reminder: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_mb: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_mb: Option<u64>,
    #[serde(flatten)]
    room: Option<Room>,
}

#[derive(Serialize)]
struct Room {
    used_mb: u64,
    available_mb: u64,
    percentage_used: f64,
    #[serde(flatten)]
    inodes: Option<Scarce>,
}

/// Inodes, where there are so few that they may be why a volume with room is full.
#[derive(Serialize)]
struct Scarce {
    inodes_total: u64,
    inodes_free: u64,
}

/// The first frame of every socket.
pub fn running(at: OffsetDateTime) -> String {
    said("event", "running", &["running"], None, at)
}

/// The alert: the volume has as good as no room.
pub fn out_of_storage(volume: &VolumeId, at: OffsetDateTime) -> String {
    said("daemon_message", OUT_OF_STORAGE, &[OUT_OF_STORAGE], Some(volume), at)
}

/// A message to one client alone.
pub fn notice(text: &str, at: OffsetDateTime) -> String {
    said("daemon_message", text, &[text], None, at)
}

/// The last storage messages, the oldest first.
pub fn logs(lines: &[&str], at: OffsetDateTime) -> String {
    said("logs", &lines.join("\n"), lines, None, at)
}

/// How much is used of how much; none of a volume that was never measured.
pub fn stats(status: &Status) -> Option<String> {
    let reading = status.reading.as_ref()?;
    let disk = Disk { disk_bytes: reading.used().get(), disk_limit_bytes: reading.size.get() };
    let (ts, volume_id) = (stamp(status.at), status.id.as_str());
    Some(text(&Stats { event: "stats", ts, volume_id, disk, args: [text(&disk)] }))
}

/// The volume is not watched any more: deleted, or not there any more.
pub fn gone(volume: &VolumeId, at: OffsetDateTime) -> String {
    storage(volume, at, State { state: "gone", ..State::default() })
}

/// A time as every frame has it: RFC 3339, to the millisecond.
pub fn stamp(at: OffsetDateTime) -> String {
    const STAMP: StaticFormatDescription =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at.to_offset(time::UtcOffset::UTC).format(STAMP).unwrap_or_default()
}

impl Storage {
    /// The frame.
    pub fn frame(self, status: &Status) -> String {
        storage(&status.id, status.at, self.state(status))
    }

    /// The same in words, for `logs`.
    pub fn words(self, status: &Status) -> String {
        let room = status.reading.map_or_else(String::new, |reading| {
            format!(", {:.1} % used, {} MiB left", reading.percentage(), mib(reading.available))
        });
        let level = status.level;
        match self {
            Self::Level { previous: Some(previous) } => format!("{level} (was {previous}){room}"),
            Self::Level { previous: None } => format!("{level}{room}"),
            Self::Reminder => format!("still {level}{room}"),
            Self::Resized { previous } => {
                let size = status.reading.map(|reading| reading.size).unwrap_or_default();
                format!("resized from {} MiB to {} MiB", mib(previous), mib(size))
            }
            Self::Lost => format!("lost: {}", status.lost.as_deref().unwrap_or_default()),
            Self::Found => format!("{level} (was lost){room}"),
        }
    }

    fn state(self, status: &Status) -> State<'_> {
        let size_mb = status.reading.map(|reading| mib(reading.size));
        let level = State {
            state: status.level.as_str(),
            size_mb,
            room: status.reading.as_ref().map(Room::of),
            ..State::default()
        };
        match self {
            Self::Level { previous } => State { previous: previous.map(Level::as_str), ..level },
            Self::Reminder => State { reminder: true, ..level },
            Self::Resized { previous } => {
                State { state: "resized", previous_mb: Some(mib(previous)), size_mb, ..State::default() }
            }
            Self::Lost => State { state: "lost", reason: status.lost.as_deref(), ..State::default() },
            Self::Found => State { previous: Some("lost"), ..level },
        }
    }
}

impl Room {
    fn of(reading: &Reading) -> Self {
        let available_mb = mib(reading.available);
        Self {
            // As the REST answer: what is used and what is left add up to the size.
            used_mb: mib(reading.size).saturating_sub(available_mb),
            available_mb,
            percentage_used: reading.percentage(),
            inodes: reading.scarce_inodes().map(Scarce::of),
        }
    }
}

impl Scarce {
    fn of(Inodes { total, free, .. }: Inodes) -> Self {
        Self { inodes_total: total, inodes_free: free }
    }
}

/// As clients count.
pub(super) fn mib(bytes: Bytes) -> u64 {
    bytes.get() >> 20
}

fn said(event: &'static str, data: &str, args: &[&str], volume: Option<&VolumeId>, at: OffsetDateTime) -> String {
    text(&Said { event, ts: stamp(at), volume_id: volume.map(VolumeId::as_str), data, args })
}

fn storage(volume: &VolumeId, at: OffsetDateTime, data: State<'_>) -> String {
    text(&About { event: "storage", ts: stamp(at), volume_id: volume.as_str(), data })
}

fn text(frame: &impl Serialize) -> String {
    serde_json::to_string(frame).expect("a frame has text keys and plain values")
}

#[cfg(test)]
mod tests;
