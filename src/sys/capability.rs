//! What this thread may do beyond others: `capget(2)`, `capset(2)`.

use linux_raw_sys::general as raw;
use nix::Result;
use nix::errno::Errno;
use nix::libc;

/// Writes past a quota, into the room that is kept for root, and more (`CAP_SYS_RESOURCE`).
pub const SYS_RESOURCE: u32 = raw::CAP_SYS_RESOURCE;

/// Takes a capability from the effective ones of the calling thread, and of no other.
pub fn drop_from_thread(capability: u32) -> Result<()> {
    let mut header = raw::__user_cap_header_struct { version: raw::_LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let mut sets = [raw::__user_cap_data_struct { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: the header is whole, and version 3 writes two whole sets, for which any bits are valid.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, &raw mut header, sets.as_mut_ptr()) })?;
    let set = sets.get_mut(capability as usize / 32).ok_or(Errno::EINVAL)?;
    set.effective &= !(1 << (capability % 32));
    // SAFETY: the same, which the kernel now only reads. 0 is this thread: glibc, which would tell the others, is not asked.
    Errno::result(unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effective() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    }

    #[test]
    fn only_this_thread_loses_it() {
        let before = effective();
        let inside = std::thread::spawn(|| {
            drop_from_thread(raw::CAP_CHOWN).unwrap();
            effective()
        });
        assert_eq!(inside.join().unwrap(), before & !(1 << raw::CAP_CHOWN));
        assert_eq!(effective(), before);
    }
}
