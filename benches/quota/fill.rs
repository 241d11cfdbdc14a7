//! Filling a volume, and seeing for ourselves when it is full by the contract.

use std::fs::{File, remove_file};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statvfs::statvfs;

use crate::Result;
use crate::report::float;

/// What is written, and deleted.
const BALLAST: &str = "ballast";

/// As `dd bs=1M`.
const BLOCK: usize = 1 << 20;

/// Between two looks of the watcher: a hundredth of what is measured, and most of a core is left for the rest.
const LOOK: Duration = Duration::from_micros(100);

/// The instants of a filling.
pub(crate) struct Filled {
    /// The threshold was seen to be crossed.
    pub(crate) crossed: Instant,
    /// A write was refused.
    pub(crate) full: Instant,
    /// In a second, over all of it.
    pub(crate) mib: f64,
}

/// Writes until there is no more room, in a volume of that size, while another thread watches.
pub(crate) fn fill(dir: &Path, size: u64) -> Result<Filled> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(dir, size, &over));
        let written = write(dir);
        over.store(true, Ordering::Relaxed);
        let crossed = watcher.join().map_err(|_| "the watcher panicked")??;
        let (full, mib) = written?;
        Ok(Filled { crossed, full, mib })
    })
}

/// Makes room again.
pub(crate) fn free(dir: &Path) -> Result<()> {
    Ok(remove_file(dir.join(BALLAST))?)
}

/// Takes half of the room without writing anything.
pub(crate) fn halve(dir: &Path, size: u64) -> Result<()> {
    let take = available(dir)?.saturating_sub(size / 2);
    let file = File::create(dir.join(BALLAST))?;
    Ok(fallocate(&file, FallocateFlags::empty(), 0, take.cast_signed())?)
}

fn write(dir: &Path) -> Result<(Instant, f64)> {
    let block = vec![0; BLOCK];
    let mut file = File::create(dir.join(BALLAST))?;
    let (begun, mut blocks) = (Instant::now(), 0);
    loop {
        match file.write(&block) {
            Ok(_) => blocks += 1,
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                let full = Instant::now();
                return Ok((full, float(blocks) / (full - begun).as_secs_f64()));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn watch(dir: &Path, size: u64, over: &AtomicBool) -> Result<Instant> {
    loop {
        let last = over.load(Ordering::Relaxed);
        if is_full(available(dir)?, size) {
            return Ok(Instant::now());
        }
        if last {
            return Err("no more could be written, and it never was full".into());
        }
        thread::sleep(LOOK);
    }
}

/// By the contract: less than 10 MiB are left, or more than 95 % are used.
fn is_full(available: u64, size: u64) -> bool {
    available < 10 << 20 || available * 20 < size
}

fn available(dir: &Path) -> Result<u64> {
    let found = statvfs(dir)?;
    Ok(found.blocks_available() * found.fragment_size())
}
