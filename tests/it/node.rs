//! The driver as a process on a node: its sockets, and how the kubelet hears of them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tonic::Code;
use ullage::rpc::admin::ListPoolsRequest;
use ullage::rpc::admin::admin_client::AdminClient;
use ullage::rpc::csi::identity_client::IdentityClient;
use ullage::rpc::csi::node_client::NodeClient;
use ullage::rpc::csi::{GetPluginInfoRequest, NodeGetInfoRequest};
use ullage::rpc::registration::registration_client::RegistrationClient;
use ullage::rpc::registration::{InfoRequest, RegistrationStatus};
use ullage::rpc::socket::connect;

const OWN: &str = "csi.sock";
const KUBELET: &str = "kubelet.sock";
const REGISTRATION: &str = "csi.ullage.dev@reg.sock";
/// What the driver that was started last has said.
const SAID: &str = "stderr";

/// Ended when it goes, whatever a test has come to.
struct Driver {
    process: Child,
    dir: TempDir,
}

impl Driver {
    /// All its sockets lie in one directory, so that their comings and goings have an order. Its pool is not there, which
    /// is no reason not to serve a node.
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = dir.path().join("config.yaml");
        fs::write(&config, format!("pools: [{{name: a, path: {}}}]\n", dir.path().join("pool").display())).unwrap();
        let process = Self::command(dir.path(), &config).spawn().unwrap();
        Self { process, dir }
    }

    fn command(dir: &Path, config: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ullage"));
        command.args(["driver", "--node-name", "n1", "--metrics-listen", "off", "--config"]).arg(config).env_clear();
        command.arg("--socket").arg(dir.join(OWN)).arg("--kubelet-socket").arg(dir.join(KUBELET));
        command.arg("--registration-dir").arg(dir).stderr(fs::File::create(dir.join(SAID)).unwrap());
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    async fn until_there(&self, name: &str) {
        self.until(name, || self.path(name).exists()).await;
    }

    async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} does not appear: {}", fs::read_to_string(self.path(SAID)).unwrap_or_default());
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn a_kubelet_has_a_socket_of_its_own_and_hears_of_it() {
    let driver = Driver::start();
    driver.until_there(REGISTRATION).await;
    for name in [OWN, KUBELET, REGISTRATION] {
        let mode = fs::symlink_metadata(driver.path(name)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o600, "{name}");
    }
    let (own, kubelet) = (connect(&driver.path(OWN)).await.unwrap(), connect(&driver.path(KUBELET)).await.unwrap());
    for channel in [own.clone(), kubelet.clone()] {
        let info = IdentityClient::new(channel.clone()).get_plugin_info(GetPluginInfoRequest {}).await.unwrap();
        assert_eq!(info.into_inner().name, "csi.ullage.dev");
        let info = NodeClient::new(channel).node_get_info(NodeGetInfoRequest {}).await.unwrap();
        assert_eq!(info.into_inner().node_id, "n1");
    }
    assert_eq!(AdminClient::new(own).list_pools(ListPoolsRequest {}).await.unwrap().into_inner().pools.len(), 1);
    let refused = AdminClient::new(kubelet).list_pools(ListPoolsRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);

    let mut registration = RegistrationClient::new(connect(&driver.path(REGISTRATION)).await.unwrap());
    let info = registration.get_info(InfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info.endpoint, driver.path(KUBELET).to_str().unwrap());
    let registered = RegistrationStatus { plugin_registered: true, error: String::new() };
    registration.notify_registration_status(registered).await.unwrap();
}

#[tokio::test]
async fn told_to_end_it_takes_its_sockets_away_the_registration_first() {
    let mut driver = Driver::start();
    driver.until_there(REGISTRATION).await;
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    watch.add_watch(driver.dir.path(), AddWatchFlags::IN_DELETE).unwrap();
    driver.signal(Signal::SIGTERM);
    assert!(driver.process.wait().unwrap().success());
    let gone: Vec<_> = watch.read_events().unwrap().into_iter().filter_map(|event| event.name).collect();
    assert_eq!(gone.len(), 3, "{gone:?}");
    assert_eq!(gone[0], REGISTRATION);
    let left: Vec<_> = fs::read_dir(driver.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.len() == 2 && left.iter().all(|name| name == SAID || name == "config.yaml"), "{left:?}");
}

#[tokio::test]
async fn killed_it_registers_anew_under_the_same_name() {
    let mut driver = Driver::start();
    driver.until_there(REGISTRATION).await;
    driver.signal(Signal::SIGKILL);
    driver.process.wait().unwrap();
    // As a kubelet sees it: what is renamed to the name is new there, though the old was never taken away.
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    watch.add_watch(driver.dir.path(), AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_DELETE).unwrap();
    driver.process = Driver::command(driver.dir.path(), &driver.path("config.yaml")).spawn().unwrap();
    let mut seen = Vec::new();
    let registers = || {
        let new = watch.read_events().unwrap_or_default(); // EAGAIN: none
        seen.extend(new.into_iter().filter_map(|event| event.name));
        seen.iter().any(|name| name == REGISTRATION)
    };
    driver.until("the registration", registers).await;
    assert_eq!(seen, [OWN, KUBELET, REGISTRATION]);
    let mut registration = RegistrationClient::new(connect(&driver.path(REGISTRATION)).await.unwrap());
    registration.get_info(InfoRequest {}).await.unwrap();
}

#[test]
fn two_sockets_have_two_paths() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config.yaml");
    fs::write(&config, "pools: [{name: a, path: /nowhere}]\n").unwrap();
    let (config, socket) = (config.to_str().unwrap(), dir.path().join(OWN));
    let socket = socket.to_str().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ullage"));
    command.args(["driver", "--config", config, "--node-name", "n1", "--metrics-listen", "off"]).env_clear();
    let output = command.args(["--socket", socket, "--kubelet-socket", socket]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.ends_with(&format!("{socket} is both --socket and --kubelet-socket: give each a path of its own\n")));
    assert_eq!(output.status.code(), Some(1));
}
