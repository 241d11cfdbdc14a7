//! Paths that a person names: made absolute, and checked before a mount hides what is there.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Error, Result};

/// The path as the kernel will name it: absolute, through every link that is there.
pub(super) fn resolved(path: &Path) -> Result<PathBuf> {
    let absolute = std::path::absolute(path).map_err(Error::step(format!("find {}", path.display())))?;
    let there = absolute.ancestors().find_map(|there| Some((there, fs::canonicalize(there).ok()?)));
    let Some((there, real)) = there else { return Ok(absolute) };
    let rest = absolute.strip_prefix(there).unwrap_or(Path::new(""));
    // Joining nothing would add a slash.
    Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
}

/// Refuses a place whose content a mount would hide: its owner would look for it in vain.
pub(super) fn must_be_free(target: &Path, block: bool) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(target) else { return Ok(()) }; // made by the mount
    let name = target.display();
    let reason = match (block, found.is_dir()) {
        (false, false) => format!("{name} is not a directory"),
        (true, true) => format!("{name} is a directory, and a block volume needs a file: name one in it"),
        (true, false) if found.is_file() && found.len() == 0 => return Ok(()),
        (true, false) => format!("{name} is there already"),
        (false, true) => match fs::read_dir(target).map(|mut entries| entries.next().is_none()) {
            Ok(false) => format!("{name} is not empty: the volume would hide what is in it"),
            _ => return Ok(()),
        },
    };
    Err(Error::Unfit(reason))
}

/// Leaves an empty directory where a filesystem was, as `umount(8)` does; `NodeUnpublishVolume` takes it away.
pub(super) fn leave_directory(target: &Path) {
    // Without the right to make it, the volume is unmounted all the same.
    let _ = fs::create_dir(target);
}

/// Takes the empty directories away in which a volume was staged.
pub(super) fn tidy(staging: &Path) {
    // The next mount makes them again; one that is in use stays.
    let _ = fs::remove_dir(staging);
    let _ = staging.parent().map(fs::remove_dir);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_named_as_the_kernel_names_it() {
        let scratch = tempfile::tempdir().unwrap();
        let real = scratch.path().canonicalize().unwrap();
        fs::create_dir(real.join("dir")).unwrap();
        std::os::unix::fs::symlink("dir", real.join("link")).unwrap();
        assert_eq!(resolved(&real.join("link")).unwrap(), real.join("dir"));
        assert_eq!(resolved(&real.join("link/not/there")).unwrap(), real.join("dir/not/there"));
        assert_eq!(resolved(&real.join("dir/")).unwrap().as_os_str(), real.join("dir").as_os_str());
        assert!(resolved(Path::new("relative")).unwrap().is_absolute());
    }

    #[test]
    fn nothing_is_hidden() {
        let scratch = tempfile::tempdir().unwrap();
        let (full, empty) = (scratch.path(), scratch.path().join("empty"));
        fs::create_dir(&empty).unwrap();
        let (file, zero) = (full.join("file"), full.join("zero"));
        fs::write(&file, "x").unwrap();
        fs::write(&zero, "").unwrap();
        for (path, block) in [(&empty, false), (&full.join("none"), false), (&full.join("none"), true), (&zero, true)] {
            must_be_free(path, block).unwrap();
        }
        for (path, block, reason) in [
            (full, false, "is not empty"),
            (&file, false, "is not a directory"),
            (&empty, true, "is a directory"),
            (&file, true, "is there already"),
        ] {
            let said = must_be_free(path, block).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
        }
    }
}
