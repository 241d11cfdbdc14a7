use std::path::Path;
use std::time::Duration;

use super::LoopImages;
use crate::backend::{Error, Result};
use crate::host::{Attach, Backing, FileId, HeldLoop, LoopDevice, Machine, MountAt};
use crate::model::VolumeId;
use crate::store::{Record, VolumeDir};

/// How the kernel knows a volume's device: by the tag that attaching wrote, which outlives even the disk that the
/// image was on, and by the image where that can be seen.
pub(super) struct Identity<'a> {
    pub(super) id: &'a VolumeId,
    image: Option<FileId>,
}

impl<'a> Identity<'a> {
    /// By the tag alone: for taking a volume away whose disk may be gone, or back under another number.
    pub(super) fn by_tag(id: &'a VolumeId) -> Self {
        Self { id, image: None }
    }

    fn owns(&self, backing: &Backing) -> bool {
        backing.tag == Backing::tag_of(self.id) && self.image.is_none_or(|image| image == backing.image)
    }
}

impl LoopImages {
    /// The volume's device, held: that which it has, or a new one. Never a second on one image.
    pub(super) fn attach(&self, dir: &VolumeDir, record: &Record) -> Result<HeldLoop> {
        let _step = tracing::info_span!("attach").entered();
        let stat = self.image_of(dir, record)?;
        let volume = Identity { id: &record.id, image: Some(stat.id) };
        if let Some(held) = held(&self.machine, &dir.image(), || self.find(&volume), |backing| volume.owns(backing))? {
            return Ok(held);
        }
        if stat.size > record.spec.size {
            self.trim(dir, record)?;
        }
        let attach = Attach { tag: Backing::tag_of(&record.id), direct_io: record.spec.direct_io };
        let held = self.machine.loops.attach(&dir.image(), &attach)?;
        self.remember(&record.id, held.device());
        tracing::debug!(device = %held.device(), "attached");
        Ok(held)
    }

    /// The device that the volume has, if it has one.
    pub(super) fn device_of(&self, dir: &VolumeDir, id: &VolumeId) -> Result<Option<LoopDevice>> {
        let volume = self.identity(id, dir)?;
        // Asking whether an attached image is attached is a scan.
        if let Some(device) = self.hinted(&volume)? {
            return Ok(Some(device));
        }
        if self.is_attached(dir)? { self.find(&volume) } else { Ok(None) }
    }

    /// Whether anybody, in this mount namespace or another, has the image attached.
    pub(super) fn is_attached(&self, dir: &VolumeDir) -> Result<bool> {
        let image = dir.image();
        Ok(self.machine.files.stat(&image)?.is_some() && self.machine.loops.is_attached(&image)?)
    }

    /// The same, after those were waited for who only look at the device for a moment.
    pub(super) fn stays_attached(&self, dir: &VolumeDir) -> Result<bool> {
        let mut patience = Patience::default();
        while self.is_attached(dir)? {
            if patience.is_at_its_end() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes a device as large as its volume, and never larger: past the volume's size there is at most what an
    /// interrupted growth left in the image, and that goes first.
    pub(super) fn set_capacity(&self, dir: &VolumeDir, record: &Record, device: LoopDevice) -> Result<()> {
        if self.image_of(dir, record)?.size > record.spec.size {
            let actual = self.machine.loops.size(device)?;
            if actual > record.spec.size {
                return Err(Error::DeviceTooLarge { device, actual, recorded: record.spec.size });
            }
            self.trim(dir, record)?;
        }
        Ok(self.machine.loops.set_capacity(device)?)
    }

    /// Detaches a device that is kept; whether it is gone.
    pub(super) fn detach(&self, device: LoopDevice, volume: &Identity) -> Result<bool> {
        let Some(backing) = self.machine.loops.backing(device)?.filter(|backing| volume.owns(backing)) else {
            return Ok(true);
        };
        let mut gone = self.machine.loops.detach(device, backing.image)?;
        let mut patience = Patience::default();
        while !gone && !patience.is_at_its_end() {
            gone = !self.is_ours(device, volume)?;
        }
        Ok(gone)
    }

    /// What is mounted at a path, if it is this volume.
    ///
    /// # Errors
    /// [`Error::ForeignMount`] where it is something else.
    pub(super) fn mount_at(&self, path: &Path, volume: &Identity) -> Result<Option<MountAt>> {
        let Some(mount) = self.machine.mounts.at(path)? else { return Ok(None) };
        if let Some(device) = mount.device
            && self.is_ours(device, volume)?
        {
            self.remember(volume.id, device);
            return Ok(Some(mount));
        }
        Err(Error::ForeignMount { path: path.to_owned() })
    }

    /// Whether a device is this volume's.
    pub(super) fn is_ours(&self, device: LoopDevice, volume: &Identity) -> Result<bool> {
        Ok(self.machine.loops.backing(device)?.is_some_and(|backing| volume.owns(&backing)))
    }

    /// How the kernel knows a volume whose pool can be seen.
    pub(super) fn identity<'a>(&self, id: &'a VolumeId, dir: &VolumeDir) -> Result<Identity<'a>> {
        let stat = self.machine.files.stat(&dir.image())?;
        Ok(Identity { id, image: stat.map(|stat| stat.id) })
    }

    /// Cuts away what lies past the volume's size: what an interrupted growth left, where nothing could be written as no
    /// device is ever larger than the record; or what a shrink has left to the last, which holds nothing any more.
    pub(super) fn trim(&self, dir: &VolumeDir, record: &Record) -> Result<()> {
        // A record that was renamed into its place, and no more, may be the old one after a power cut: longer than its image.
        self.machine.files.sync(&dir.record())?;
        self.machine.files.sync(dir.path())?;
        let size = record.spec.size;
        tracing::info!(image = %dir.image().display(), %size, "what is past the volume's size is cut away");
        Ok(self.machine.files.set_len(&dir.image(), size)?)
    }

    /// The device where the volume was last seen, if it is still there.
    fn hinted(&self, volume: &Identity) -> Result<Option<LoopDevice>> {
        let hint = self.last_seen.lock().expect("no holder panics").get(volume.id).copied();
        match hint {
            Some(device) if self.is_ours(device, volume)? => Ok(Some(device)),
            _ => Ok(None),
        }
    }

    fn find(&self, volume: &Identity) -> Result<Option<LoopDevice>> {
        if let Some(device) = self.hinted(volume)? {
            return Ok(Some(device));
        }
        let all = self.machine.loops.list()?;
        let found = all.iter().find(|(_, backing)| volume.owns(backing)).map(|(device, _)| *device);
        self.hint(&all);
        if let Some(device) = found {
            self.remember(volume.id, device);
        }
        Ok(found)
    }

    /// One scan serves every volume: after a restart nothing is known of any.
    fn hint(&self, all: &[(LoopDevice, Backing)]) {
        let mut last_seen = self.last_seen.lock().expect("no holder panics");
        for (device, backing) in all {
            if let Some(id) = backing.volume() {
                last_seen.entry(id).or_insert(*device); // an older hint may know better: it is not by the tag alone
            }
        }
    }

    fn remember(&self, id: &VolumeId, device: LoopDevice) {
        self.last_seen.lock().expect("no holder panics").insert(id.clone(), device);
    }
}

/// The device that an image has, held; `None` where it has none. `find` looks for it, and `is_ours` knows it.
///
/// # Errors
/// [`Error::HeldByOthers`] where it stays with somebody else.
pub(in crate::backend) fn held(
    machine: &Machine,
    image: &Path,
    find: impl Fn() -> Result<Option<LoopDevice>>,
    is_ours: impl Fn(&Backing) -> bool,
) -> Result<Option<HeldLoop>> {
    let mut patience = Patience::default();
    while machine.loops.is_attached(image)? {
        // Asked again while it is held: before, the number may have become another's.
        if let Some(device) = find()?
            && let Ok(held) = machine.loops.hold(device)
            && machine.loops.backing(device)?.is_some_and(|backing| is_ours(&backing))
        {
            return Ok(Some(held));
        }
        // Somebody else's, or ours and just going.
        if patience.is_at_its_end() {
            return Err(Error::HeldByOthers { image: image.to_owned() });
        }
    }
    Ok(None)
}

/// Any process that looks for loop devices opens them for a moment, and what is open is not detached: udev, blkid, and
/// whoever looks for a free one.
#[derive(Default)]
pub(in crate::backend) struct Patience {
    waits: u32,
}

impl Patience {
    /// Waits: 1, 2, 4, … 128 ms, for on a busy node who looks is not soon done; after those it is at its end.
    pub(in crate::backend) fn is_at_its_end(&mut self) -> bool {
        if self.waits == 8 {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1 << self.waits));
        self.waits += 1;
        false
    }
}
