//! The driver itself: a process of its own, asked over gRPC on its unix socket.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tonic::transport::Channel;
use ullage::model::Bytes;
use ullage::rpc::csi::controller_client::ControllerClient;
use ullage::rpc::csi::node_client::NodeClient;
use ullage::rpc::csi::volume_capability::access_mode::Mode;
use ullage::rpc::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use ullage::rpc::csi::{
    CapacityRange, CreateVolumeRequest, DeleteVolumeRequest, NodePublishVolumeRequest, NodeStageVolumeRequest,
    NodeUnpublishVolumeRequest, NodeUnstageVolumeRequest, VolumeCapability,
};
use ullage::rpc::socket;

use crate::Result;
use crate::life::{Maker, SIZE, Step, Volume};
use crate::program::ullage;

/// How long it may take to be ready, or to empty its trash.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Remote {
    process: Child,
    pool: PathBuf,
    log: PathBuf,
    runtime: Runtime,
    controller: ControllerClient<Channel>,
    node: NodeClient<Channel>,
}

impl Remote {
    /// Starts `ullage standalone` on a directory below `root`, without the quota API, and waits until it is ready.
    pub(crate) fn start(root: &Path, name: &str) -> Result<Self> {
        let pool = root.join(name);
        let (socket, log) = (pool.with_extension("sock"), pool.with_extension("log"));
        let mut command = ullage();
        command.arg("standalone").arg("--pool").arg(&pool).arg("--socket").arg(&socket).args(["--listen", "off"]);
        command.arg("--state-dir").arg(pool.with_extension("state")).arg("--mount-dir").arg(pool.with_extension("mnt"));
        let mut process =
            command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?).spawn()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let begun = Instant::now();
        while !fs::read_to_string(&log)?.contains(" ready") {
            if begun.elapsed() > PATIENCE || process.try_wait()?.is_some() {
                let _ = process.kill();
                return Err(format!("the driver did not start: {}", fs::read_to_string(&log)?).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let channel = runtime.block_on(socket::connect(&socket))?;
        let (controller, node) = (ControllerClient::new(channel.clone()), NodeClient::new(channel));
        Ok(Self { process, pool, log, runtime, controller, node })
    }

    /// The memory that it has in use (`VmRSS`).
    pub(crate) fn resident(&self) -> Result<Bytes> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(Bytes::new(kib * 1024))
    }

    fn create(&mut self, volume: &Volume) -> Result<(), tonic::Status> {
        let request = CreateVolumeRequest {
            name: volume.name.clone(),
            capacity_range: Some(CapacityRange { required_bytes: SIZE.get().cast_signed(), limit_bytes: 0 }),
            volume_capabilities: vec![capability(volume)],
            parameters: BTreeMap::from([
                ("csi.storage.k8s.io/fstype".into(), volume.kind.fs.to_string()),
                ("sparse".into(), volume.kind.sparse.to_string()),
            ]),
            ..Default::default()
        };
        self.runtime.block_on(self.controller.create_volume(request)).map(drop)
    }

    fn stage(&mut self, volume: &Volume) -> Result<(), tonic::Status> {
        let request = NodeStageVolumeRequest {
            volume_id: volume.name.clone(),
            staging_target_path: text(&volume.staging),
            volume_capability: Some(capability(volume)),
            ..Default::default()
        };
        self.runtime.block_on(self.node.node_stage_volume(request)).map(drop)
    }

    fn publish(&mut self, volume: &Volume) -> Result<(), tonic::Status> {
        let request = NodePublishVolumeRequest {
            volume_id: volume.name.clone(),
            staging_target_path: text(&volume.staging),
            target_path: text(&volume.target),
            volume_capability: Some(capability(volume)),
            ..Default::default()
        };
        self.runtime.block_on(self.node.node_publish_volume(request)).map(drop)
    }

    fn take_down(&mut self, step: Step, volume: &Volume) -> Result<(), tonic::Status> {
        let volume_id = volume.name.clone();
        let (staging_target_path, target_path) = (text(&volume.staging), text(&volume.target));
        match step {
            Step::Unpublish => {
                let request = NodeUnpublishVolumeRequest { volume_id, target_path };
                self.runtime.block_on(self.node.node_unpublish_volume(request)).map(drop)
            }
            Step::Unstage => {
                let request = NodeUnstageVolumeRequest { volume_id, staging_target_path };
                self.runtime.block_on(self.node.node_unstage_volume(request)).map(drop)
            }
            _ => {
                let request = DeleteVolumeRequest { volume_id, ..Default::default() };
                self.runtime.block_on(self.controller.delete_volume(request)).map(drop)
            }
        }
    }
}

impl Maker for Remote {
    fn name(&self) -> &'static str {
        "driver"
    }

    fn step(&mut self, step: Step, volume: &Volume) -> Result<()> {
        let done = match step {
            Step::Create => self.create(volume),
            Step::Stage => self.stage(volume),
            Step::Publish => self.publish(volume),
            Step::Unpublish | Step::Unstage | Step::Delete => self.take_down(step, volume),
        };
        done.map_err(|status| format!("{}: {}", status.code(), status.message()).into())
    }

    /// Waits until its trash is empty.
    fn settle(&mut self) -> Result<()> {
        let begun = Instant::now();
        while fs::read_dir(self.pool.join("trash"))?.next().is_some() {
            if begun.elapsed() > PATIENCE {
                return Err(format!("the trash stays full: see {}", self.log.display()).into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn capability(volume: &Volume) -> VolumeCapability {
    let mount = MountVolume { fs_type: volume.kind.fs.to_string(), ..Default::default() };
    VolumeCapability {
        access_type: Some(AccessType::Mount(mount)),
        access_mode: Some(AccessMode { mode: Mode::SingleNodeWriter.into() }),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
