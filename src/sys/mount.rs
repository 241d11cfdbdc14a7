//! The mount calls that work on descriptors: `fsopen(2)`, `fsconfig(2)`, `fsmount(2)`, `open_tree(2)`,
//! `mount_setattr(2)`, `move_mount(2)`.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr;

use linux_raw_sys::general as raw;
use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::{NixPath, Result};

/// What belongs to one mount (`fsmount(2)`).
pub mod attribute {
    pub use linux_raw_sys::general::{
        MOUNT_ATTR_NOATIME, MOUNT_ATTR_NODEV, MOUNT_ATTR_NODIRATIME, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID,
        MOUNT_ATTR_NOSYMFOLLOW, MOUNT_ATTR_RDONLY, MOUNT_ATTR_RELATIME, MOUNT_ATTR_STRICTATIME,
    };
}

/// The result of a call on a filesystem context.
pub type Answer<T> = std::result::Result<T, Refused>;

/// A call that the kernel refused, and what it said about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// The call, by the name of its manual page.
    pub call: &'static str,
    /// The kernel's number.
    pub errno: Errno,
    /// The messages of the filesystem context, if there were any.
    pub said: Option<String>,
}

/// A filesystem about to be opened (`fsopen(2)`).
#[derive(Debug)]
pub struct Context(OwnedFd);

impl Context {
    /// Begins to open a filesystem of that kind.
    pub fn new(fs: &str) -> Answer<Self> {
        let refused = |errno| Refused { call: "fsopen", errno, said: None };
        let fs = CString::new(fs).map_err(|_| refused(Errno::EINVAL))?;
        // SAFETY: `fs` ends with a NUL and outlives the call; what comes back is a new descriptor.
        let fd = unsafe { descriptor(libc::syscall(libc::SYS_fsopen, fs.as_ptr(), raw::FSOPEN_CLOEXEC)) };
        fd.map(Self).map_err(refused)
    }

    /// Sets an option: a key with its value, or a flag.
    pub fn set(&self, key: &str, value: Option<&str>) -> Answer<()> {
        use raw::fsconfig_command::{FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING};
        let text = |text| CString::new(text).map_err(|_| self.refused("fsconfig", Errno::EINVAL));
        let key = text(key)?;
        let value = value.map(text).transpose()?;
        let command = if value.is_some() { FSCONFIG_SET_STRING } else { FSCONFIG_SET_FLAG };
        self.configure(command, Some(&key), value.as_deref()).map_err(|errno| self.refused("fsconfig", errno))
    }

    /// Reads the superblock (`FSCONFIG_CMD_CREATE`), and gives a mount that is nowhere yet (`fsmount(2)`).
    /// `attributes` are `MOUNT_ATTR_*`.
    pub fn mount(self, attributes: u32) -> Answer<OwnedFd> {
        self.configure(raw::fsconfig_command::FSCONFIG_CMD_CREATE, None, None)
            .map_err(|errno| self.refused("fsconfig", errno))?;
        // SAFETY: plain numbers; what comes back is a new descriptor.
        let fd = unsafe { descriptor(libc::syscall(libc::SYS_fsmount, self.fd(), raw::FSMOUNT_CLOEXEC, attributes)) };
        fd.map_err(|errno| self.refused("fsmount", errno))
    }

    fn configure(&self, command: raw::fsconfig_command, key: Option<&CStr>, value: Option<&CStr>) -> Result<()> {
        let key = key.map_or(ptr::null(), CStr::as_ptr);
        let value = value.map_or(ptr::null(), CStr::as_ptr);
        // SAFETY: both are null, where the command takes none, or end with a NUL and outlive the call.
        let done = unsafe { libc::syscall(libc::SYS_fsconfig, self.fd(), command as u32, key, value, 0) };
        Errno::result(done).map(drop)
    }

    fn refused(&self, call: &'static str, errno: Errno) -> Refused {
        Refused { call, errno, said: self.said() }
    }

    /// Each `read(2)` gives one message, `e ext4: Unknown parameter 'x'`, until there is none (`ENODATA`).
    fn said(&self) -> Option<String> {
        let mut buffer = [0; 1024];
        let mut messages = Vec::new();
        while let Ok(length @ 1..) = nix::unistd::read(&self.0, &mut buffer) {
            let message = String::from_utf8_lossy(&buffer[..length]);
            let text = message.trim_end();
            messages.push(text.split_once(' ').map_or(text, |(_level, text)| text).to_owned());
        }
        (!messages.is_empty()).then(|| messages.join("; "))
    }

    fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }
}

/// A copy of the mount at a path, beginning there, that is nowhere yet (`open_tree(2)`).
pub fn clone_tree(from: &Path) -> Result<OwnedFd> {
    let flags = raw::OPEN_TREE_CLONE | raw::OPEN_TREE_CLOEXEC | libc::AT_SYMLINK_NOFOLLOW.cast_unsigned();
    from.with_nix_path(|from| {
        // SAFETY: the path ends with a NUL and outlives the call; what comes back is a new descriptor.
        unsafe { descriptor(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, from.as_ptr(), flags)) }
    })?
}

/// Gives a mount `MOUNT_ATTR_*` besides those that it has (`mount_setattr(2)`). Of access times it keeps what it has where
/// nothing is said (`MOUNT_ATTR_RELATIME` is nothing).
pub fn add_attributes(mount: impl AsFd, attributes: u32) -> Result<()> {
    // That field of the word holds a choice, and is set as a whole.
    let choice = if attributes & raw::MOUNT_ATTR__ATIME != 0 { raw::MOUNT_ATTR__ATIME } else { 0 };
    let wish = raw::mount_attr { attr_set: attributes.into(), attr_clr: choice.into(), propagation: 0, userns_fd: 0 };
    let fd = mount.as_fd().as_raw_fd();
    // SAFETY: the path is empty, and `wish` is a whole `mount_attr` of the size given, which the kernel only reads.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const wish,
            size_of_val(&wish),
        )
    };
    Errno::result(done).map(drop)
}

/// Puts a mount that is nowhere yet at a path, where it stays (`move_mount(2)`).
pub fn move_to(mount: impl AsFd, target: &Path) -> Result<()> {
    let fd = mount.as_fd().as_raw_fd();
    let done = target.with_nix_path(|target| {
        let (from, to, flags) = (c"".as_ptr(), target.as_ptr(), raw::MOVE_MOUNT_F_EMPTY_PATH);
        // SAFETY: both paths end with a NUL and outlive the call.
        unsafe { libc::syscall(libc::SYS_move_mount, fd, from, libc::AT_FDCWD, to, flags) }
    })?;
    Errno::result(done).map(drop)
}

/// # Safety
/// `answer` is that of a system call that returns a new descriptor which nobody else owns, or -1.
unsafe fn descriptor(answer: c_long) -> Result<OwnedFd> {
    let fd = i32::try_from(Errno::result(answer)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: new and nobody else's, as the caller says.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
