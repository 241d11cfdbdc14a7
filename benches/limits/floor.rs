use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::statvfs;
use ullage::sys::fsxattr::{self, Project};
use ullage::sys::quotactl::{self, Of};
use ullage::sys::statx::statx;

use crate::synced::{sync, write_record};
use crate::{GROWN, Maker, Result, SIZE};

/// Above those that the engine gives.
const PROJECT: u32 = 1_000_000;

/// The system calls, and nothing else.
pub(crate) struct Floor {
    volumes: PathBuf,
    trash: PathBuf,
    root: File,
}

impl Floor {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let (volumes, trash) = (root.join("floor/volumes"), root.join("floor/trash"));
        fs::create_dir_all(&volumes)?;
        fs::create_dir_all(&trash)?;
        Ok(Self { volumes, trash, root: File::open(root)? })
    }

    fn limit(&self, bytes: u64) -> Result<()> {
        Ok(quotactl::set_limits(Of::Inside(self.root.as_fd()), PROJECT, bytes / 512, 0)?)
    }
}

impl Maker for Floor {
    fn create(&self, name: &str) -> Result<()> {
        let dir = self.volumes.join(name);
        fs::create_dir(&dir)?;
        sync(&self.volumes)?;
        write_record(&dir)?;
        let data = dir.join("data");
        fs::create_dir(&data)?;
        sync(&dir)?;
        let tagged = File::open(&data)?;
        fsxattr::set_project(&tagged, Project { id: PROJECT, inherited: true })?;
        tagged.sync_all()?;
        self.limit(SIZE.get())?;
        Ok(write_record(&dir)?)
    }

    fn show(&self, name: &str, at: &Path) -> Result<()> {
        let data = self.volumes.join(name).join("data");
        Ok(mount(Some(&data), at, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
    }

    fn expand(&self, name: &str) -> Result<()> {
        self.limit(GROWN.get())?;
        Ok(write_record(&self.volumes.join(name))?)
    }

    fn stats(&self, name: &str, at: &Path) -> Result<()> {
        let (shown, data) = (statx(at)?, statx(&self.volumes.join(name).join("data"))?);
        if !shown.is_mount_root || (shown.device, shown.inode) != (data.device, data.inode) {
            return Err(format!("{} does not show {name}", at.display()).into());
        }
        let pool = File::open(&self.volumes)?;
        let (counted, _room) = (quotactl::get(Of::Inside(pool.as_fd()), PROJECT)?, statvfs(&self.volumes)?);
        let total = counted.block_limit * 512;
        if total == GROWN.get() { Ok(()) } else { Err(format!("{total} of {GROWN}").into()) }
    }

    fn hide(&self, _: &str, at: &Path) -> Result<()> {
        Ok(umount2(at, MntFlags::UMOUNT_NOFOLLOW)?)
    }

    fn delete(&self, name: &str) -> Result<()> {
        let root = format!("/floor/volumes/{name}/data ");
        if fs::read_to_string("/proc/self/mountinfo")?.contains(&root) {
            return Err(format!("{name} is mounted").into());
        }
        fs::rename(self.volumes.join(name), self.trash.join(name))?;
        sync(&self.volumes)?;
        Ok(sync(&self.trash)?)
    }

    fn settle(&self) -> Result<()> {
        for entry in fs::read_dir(&self.trash)? {
            fs::remove_dir_all(entry?.path())?;
        }
        self.limit(0)
    }
}
