//! Where it happens: a directory of its own, in a mount namespace of its own, watched from outside.
//!
//! However the measuring process ends, its mounts go with its namespace, their loop devices with them, and the watcher
//! takes the directory away.

use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::Result;

const ROOT: &str = "ULLAGE_BENCH_ROOT";

/// How long the kernel may take to end a thousand mounts.
const PATIENCE: Duration = Duration::from_secs(60);

/// The directory, in the process that measures.
pub(crate) fn inside() -> Option<PathBuf> {
    std::env::var_os(ROOT).map(PathBuf::from)
}

/// How it went, said where it broke.
pub(crate) fn ended(ended: Result<()>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            println!("the benchmark broke: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// A number that a variable says, or the usual one.
pub(crate) fn number(variable: &str, otherwise: usize) -> Result<usize> {
    match std::env::var(variable) {
        Ok(text) => text.parse().map_err(|_| format!("{variable} is not a number: '{text}'").into()),
        Err(_) => Ok(otherwise),
    }
}

/// Leaves the mounts of everybody else.
pub(crate) fn enter() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)
        .map_err(|errno| format!("no mount namespace of its own ({errno}): CAP_SYS_ADMIN is needed"))?;
    Ok(mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?)
}

/// Runs the process that measures, and cleans up after it.
pub(crate) fn supervise() -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Err("it attaches loop devices and mounts: run it as root (sudo -E make bench)".into());
    }
    let base = std::env::var_os("ULLAGE_BENCH_DIR").unwrap_or_else(|| "/var/tmp".into());
    let root = tempfile::Builder::new().prefix("ullage-bench-").tempdir_in(base)?;
    // In a process group of its own: ctrl-C comes here, and all of it is ended from here.
    let child = Command::new(std::env::current_exe()?).env(ROOT, root.path()).process_group(0).spawn()?;
    let ended = watch(child);
    settle(root.path())?;
    root.close()?;
    match ended? {
        status if status.success() => Ok(()),
        status if status.signal().is_some() => Err("stopped".into()),
        _ => Err("see above".into()),
    }
}

/// Waits for the child's end, or brings it about; nothing of its process group is left.
fn watch(mut child: Child) -> Result<ExitStatus> {
    let group = Pid::from_raw(child.id().cast_signed());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async move {
        let waiting = tokio::task::spawn_blocking(move || child.wait());
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::pin!(waiting);
        tokio::select! {
            ended = &mut waiting => return ended?,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        killpg(group, Signal::SIGKILL)?;
        waiting.await?
    });
    let _ = killpg(group, Signal::SIGKILL); // the driver it started, if that is still there
    Ok(ended?)
}

/// Waits until no loop device has a file of ours any more.
fn settle(root: &Path) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let held = attached_below(root)?;
        if held == 0 {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("{held} loop devices still have images in {} (losetup -a)", root.display()).into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn attached_below(root: &Path) -> Result<usize> {
    let mut held = 0;
    for entry in fs::read_dir("/sys/block")? {
        let file = entry?.path().join("loop/backing_file");
        held += usize::from(fs::read_to_string(file).is_ok_and(|path| Path::new(&path).starts_with(root)));
    }
    Ok(held)
}
