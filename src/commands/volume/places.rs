//! Paths that a person names, made absolute.

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
}
