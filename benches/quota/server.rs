//! A server as a process of its own: the program, or the bare one.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

use crate::Result;
use crate::bare::{self, Floor};
use crate::client::Client;
use crate::program::ullage;

/// Whoever has it may do everything.
pub(crate) const TOKEN: &str = "lightd_0123456789abcdef0123456789abcdef";

/// How long it may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// `ullage standalone` over a pool below `root`, without a rate limit.
    pub(crate) fn standalone(root: &Path) -> Result<Self> {
        fs::create_dir_all(root)?;
        let mut command = ullage();
        command.arg("standalone").arg("--pool").arg(root.join("pool"));
        command.arg("--socket").arg(root.join("csi.sock")).arg("--mount-dir").arg(root.join("mnt"));
        Self::quota(command, root)
    }

    /// `ullage quota-api` over what is mounted there.
    pub(crate) fn pod(root: &Path, volume: &Path) -> Result<Self> {
        fs::create_dir_all(root)?;
        let mut command = ullage();
        command.arg("quota-api").arg("--volume").arg(format!("data={}", volume.display()));
        command.args(["--metrics-listen", "127.0.0.1:0"]);
        Self::quota(command, root)
    }

    /// This program as a bare server, with so many workers; 0: all on the first thread.
    pub(crate) fn bare(root: &Path, floor: Floor, threads: usize) -> Result<Self> {
        fs::create_dir_all(root)?;
        let mut command = Command::new(std::env::current_exe()?);
        command.env(bare::BARE, floor.with(threads));
        Self::start(command, root)
    }

    fn quota(mut command: Command, root: &Path) -> Result<Self> {
        let token = root.join("token");
        fs::write(&token, TOKEN)?;
        command.args(["--listen", "127.0.0.1:0", "--rate-limit", "0", "--token-file"]).arg(token);
        command.arg("--state-dir").arg(root.join("state"));
        Self::start(command, root)
    }

    fn start(mut command: Command, root: &Path) -> Result<Self> {
        let log = root.join("log");
        command.stdout(File::create(&log)?).stderr(File::options().append(true).open(&log)?);
        let mut process = command.spawn()?;
        let begun = Instant::now();
        loop {
            let said = fs::read_to_string(&log)?;
            if let Some(address) = listening(&said) {
                return Ok(Self { process, address });
            }
            if begun.elapsed() > PATIENCE || process.try_wait()?.is_some() {
                let _ = process.kill();
                return Err(format!("{command:?} did not start: {said}").into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    /// The memory that it has in use (`VmRSS`), in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// How much of that is its own, and no page of a file.
    pub(crate) fn private(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kib * 1024)
    }

    /// The processor time of all its threads, also of those that have ended. Finer than the ticks of `/proc/PID/stat`.
    pub(crate) fn processor(&self) -> Result<Duration> {
        let clock = clock_getcpuclockid(Pid::from_raw(self.process.id().cast_signed()))?;
        Ok(clock_gettime(clock)?.into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address of the line that says so.
fn listening(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.lines().find_map(|line| line.split_once("listen="))?;
    let from = rest.find("127.0.0.1:")?;
    let is_part = |letter: char| letter.is_ascii_digit() || ".:".contains(letter);
    let address = rest[from..].split(|letter| !is_part(letter)).next()?;
    address.parse().ok()
}
