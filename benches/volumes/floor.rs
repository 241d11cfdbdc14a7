//! The floor: what the steps cost as bare system calls, and nothing else.
//!
//! Nothing is looked up, checked or promised here. Synced is what the driver must have on disk before it answers: the
//! volume's directory, its record (twice: being made, made), its image, and that it is gone. `mkfs` is the driver's,
//! with the driver's words. The end is an `unlink`, where the driver renames and unlinks behind.

use std::fs::{self, File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::ftruncate;
use ullage::fs_tools::format;
use ullage::model::FsKind;
use ullage::sys::loop_device;

use crate::Result;
use crate::life::{Maker, SIZE, Step, Volume};
use crate::synced::{sync, write_record};

pub(crate) struct Floor {
    volumes: PathBuf,
    ext4: PathBuf,
    xfs: PathBuf,
}

impl Floor {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let volumes = root.join("floor");
        fs::create_dir_all(&volumes)?;
        Ok(Self { volumes, ext4: program(format::EXT4.program)?, xfs: program(format::XFS.program)? })
    }

    fn create(&self, volume: &Volume) -> Result<()> {
        let dir = self.volumes.join(&volume.name);
        fs::create_dir(&dir)?;
        sync(&self.volumes)?;
        write_record(&dir)?;
        let path = dir.join("image");
        let image = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let length = SIZE.get().cast_signed();
        ftruncate(&image, length)?;
        let reserve = || fallocate(&image, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length);
        if !volume.kind.sparse {
            reserve()?;
        }
        self.format(&path, volume.kind.fs)?;
        if !volume.kind.sparse {
            reserve()?; // mkfs punches holes
        }
        image.sync_all()?;
        Ok(write_record(&dir)?)
    }

    fn format(&self, image: &Path, fs: FsKind) -> Result<()> {
        let (program, words) = match fs {
            FsKind::Ext4 => (&self.ext4, format::EXT4),
            FsKind::Xfs => (&self.xfs, format::XFS),
        };
        let mut command = Command::new(program);
        command.args(words.options).arg(image).envs(words.environment.iter().copied());
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
    }

    fn stage(&self, volume: &Volume) -> Result<()> {
        let image = self.volumes.join(&volume.name).join("image");
        let image = OpenOptions::new().read(true).write(true).open(image)?;
        let (device, node) = attach(&image)?;
        // Kernels that mount nothing that is open for writing want it held by a reader.
        let held = File::open(&device)?;
        drop(node);
        mount(Some(&device), &volume.staging, Some(volume.kind.fs.as_str()), MsFlags::empty(), None::<&str>)?;
        drop(held);
        Ok(())
    }

    fn publish(volume: &Volume) -> Result<()> {
        fs::create_dir(&volume.target)?;
        Ok(mount(Some(&volume.staging), &volume.target, None::<&str>, MsFlags::MS_BIND, None::<&str>)?)
    }

    fn unpublish(volume: &Volume) -> Result<()> {
        umount2(&volume.target, MntFlags::UMOUNT_NOFOLLOW)?;
        Ok(fs::remove_dir(&volume.target)?)
    }

    fn delete(&self, volume: &Volume) -> Result<()> {
        let dir = self.volumes.join(&volume.name);
        fs::remove_file(dir.join("image"))?;
        fs::remove_file(dir.join("volume.yaml"))?;
        fs::remove_dir(&dir)?;
        Ok(sync(&self.volumes)?)
    }
}

impl Maker for Floor {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn step(&mut self, step: Step, volume: &Volume) -> Result<()> {
        match step {
            Step::Create => self.create(volume),
            Step::Stage => self.stage(volume),
            Step::Publish => Self::publish(volume),
            Step::Unpublish => Self::unpublish(volume),
            Step::Unstage => Ok(umount2(&volume.staging, MntFlags::UMOUNT_NOFOLLOW)?),
            Step::Delete => self.delete(volume),
        }
    }

    fn settle(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Others look for a free device at the same time: a number that was free may be taken.
fn attach(image: &File) -> Result<(PathBuf, File)> {
    let control = File::open("/dev/loop-control")?;
    loop {
        let device = PathBuf::from(format!("/dev/loop{}", loop_device::free_number(&control)?));
        let node = OpenOptions::new().read(true).write(true).open(&device)?;
        match loop_device::configure(node.as_fd(), image, "bench/floor", true) {
            Err(Errno::EBUSY) => {}
            attached => return Ok(attached.map(|()| (device, node))?),
        }
    }
}

fn program(name: &str) -> Result<PathBuf> {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs = std::env::split_paths(&places).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = dirs.find_map(|dir| Some(dir.join(name)).filter(|file| file.is_file()));
    found.ok_or_else(|| format!("{name} is not installed: run tests/prepare").into())
}
