//! What XFS, and others after it, keep with a file: `FS_IOC_FSGETXATTR`, `FS_IOC_FSSETXATTR`.

use std::os::fd::{AsFd, AsRawFd};

use linux_raw_sys::general::{FS_XFLAG_PROJINHERIT, fsxattr};
use nix::Result;

mod ioctl {
    use linux_raw_sys::general::fsxattr;
    use linux_raw_sys::ioctl::{FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR};

    nix::ioctl_read_bad!(get, FS_IOC_FSGETXATTR, fsxattr);
    nix::ioctl_write_ptr_bad!(set, FS_IOC_FSSETXATTR, fsxattr);
}

/// To which project something belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Project {
    /// Its number.
    pub id: u32,
    /// Whether what is made in this directory belongs to it too.
    pub inherited: bool,
}

/// The project of a file or directory. `ENOTTY`, `EOPNOTSUPP`: the filesystem has none.
pub fn project(file: impl AsFd) -> Result<Project> {
    let found = get(file)?;
    Ok(Project { id: found.fsx_projid, inherited: found.fsx_xflags & FS_XFLAG_PROJINHERIT != 0 })
}

/// Gives a file or directory to a project, and leaves all else with it as it is.
pub fn set_project(file: impl AsFd, project: Project) -> Result<()> {
    let mut wish = get(&file)?;
    wish.fsx_projid = project.id;
    if project.inherited {
        wish.fsx_xflags |= FS_XFLAG_PROJINHERIT;
    } else {
        wish.fsx_xflags &= !FS_XFLAG_PROJINHERIT;
    }
    // SAFETY: `wish` is a whole `fsxattr` that the kernel only reads during the call.
    unsafe { ioctl::set(file.as_fd().as_raw_fd(), &wish) }.map(drop)
}

fn get(file: impl AsFd) -> Result<fsxattr> {
    let mut found = std::mem::MaybeUninit::<fsxattr>::zeroed();
    // SAFETY: the kernel writes at most one `fsxattr`, for which any bytes are valid.
    unsafe {
        ioctl::get(file.as_fd().as_raw_fd(), found.as_mut_ptr())?;
        Ok(found.assume_init())
    }
}
