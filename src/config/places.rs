//! The directories of pools: what one may look like, and that none lies in another.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::{Fault, PoolConfig};

/// A pool's directory as it was written, without the parts that say nothing (`//`, `/.`, a last `/`).
pub(super) fn directory(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    if !path.is_absolute() {
        return Err(format!("'{text}' is not an absolute path: it has to begin with '/'"));
    }
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("'{text}' goes up by '..': write the path without it"));
    }
    if text.contains('\0') {
        return Err("a path has no NUL in it".to_owned());
    }
    Ok(path.components().collect())
}

/// A path as somebody in this directory means it. Only one that goes up loses its symbolic links.
pub(super) fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let up = path.components().any(|part| part == Component::ParentDir);
    if up { resolved(&path) } else { path }
}

/// Refuses two pools of one name, two of which one's directory is or holds the other's, and images in such a directory or of
/// two pools.
pub(super) fn apart(pools: &[(usize, PoolConfig)], faults: &mut Vec<Fault>) {
    let resolved: Vec<PathBuf> = pools.iter().map(|(_, pool)| resolved(&pool.path)).collect();
    for (at, (index, pool)) in pools.iter().enumerate() {
        for ((other, earlier), place) in pools.iter().zip(&resolved).take(at) {
            if pool.name == earlier.name {
                let reason = format!("'{}' is already the name of pools[{other}]", pool.name);
                faults.push(Fault::new(format!("pools[{index}].name"), reason));
            }
            if let Some(how) = met(&resolved[at], place) {
                let (path, theirs) = (pool.path.display(), earlier.path.display());
                let reason =
                    format!("'{path}' {how} '{theirs}', the directory of pools[{other}]: pools lie side by side");
                faults.push(Fault::new(format!("pools[{index}].path"), reason));
            }
        }
    }
    images_apart(pools, &resolved, faults);
}

fn images_apart(pools: &[(usize, PoolConfig)], places: &[PathBuf], faults: &mut Vec<Fault>) {
    let files = pools.iter().filter_map(|(index, pool)| Some((index, resolved(&pool.limits.image.as_ref()?.file))));
    let mut seen: Vec<(usize, PathBuf)> = Vec::new();
    for (index, file) in files {
        let shown = file.display();
        let mut refuse = |reason| faults.push(Fault::new(format!("pools[{index}].image.file"), reason));
        for ((other, pool), place) in pools.iter().zip(places) {
            if met(&file, place).is_some() {
                let theirs = pool.path.display();
                refuse(format!(
                    "'{shown}' is in the way of '{theirs}', the directory of pools[{other}]: keep it beside"
                ));
            }
        }
        if let Some((other, _)) = seen.iter().find(|(_, earlier)| *earlier == file) {
            refuse(format!("'{shown}' is already the image of pools[{other}]"));
        }
        seen.push((*index, file));
    }
}

fn met(path: &Path, other: &Path) -> Option<&'static str> {
    match (path.starts_with(other), other.starts_with(path)) {
        (true, true) => Some("is the same as"),
        (true, false) => Some("lies in"),
        (false, true) => Some("holds"),
        (false, false) => None,
    }
}

/// The path with the symbolic links of whatever part of it exists resolved: a pool may be missing when we start.
fn resolved(path: &Path) -> PathBuf {
    let mut missing: Vec<OsString> = Vec::new();
    for part in path.ancestors() {
        if let Ok(mut real) = part.canonicalize() {
            real.extend(missing.iter().rev());
            return real;
        }
        missing.extend(part.file_name().map(OsString::from));
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LimitSettings, Overcommit, PoolImage, Reserve};
    use crate::model::{Backend, Bytes, PoolName};

    #[test]
    fn a_directory_is_absolute_and_plain() {
        assert_eq!(directory("/srv//ullage/./a/"), Ok(PathBuf::from("/srv/ullage/a")));
        for text in ["", "srv", "./srv", "/srv/../etc", "/srv/.."] {
            assert!(directory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_on_the_command_line_may_go_up() {
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().canonicalize().unwrap();
        std::fs::create_dir(real.join("a")).unwrap();
        assert_eq!(absolute(&real.join("a/../b")), real.join("b"));
        assert_eq!(absolute(Path::new("b")), std::env::current_dir().unwrap().join("b"));
    }

    #[test]
    fn a_link_is_where_it_leads() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("link")).unwrap();
        let (link, real) = (resolved(&dir.path().join("link/not/yet")), resolved(&dir.path().join("real/not/yet")));
        assert_eq!(link, real);
        assert_eq!(met(&link, &resolved(&dir.path().join("real"))), Some("lies in"));
        assert_eq!(met(Path::new("/a"), Path::new("/a/b")), Some("holds"));
        assert_eq!(met(Path::new("/a/bc"), Path::new("/a/b")), None);
    }

    #[test]
    fn an_image_lies_beside_every_pool_and_is_of_one() {
        let pool = |index: usize, path: &str, file: Option<&str>| {
            let image = file.map(|file| PoolImage { file: file.into(), size: Bytes::gib(1) });
            let config = PoolConfig {
                name: PoolName::parse(&format!("p{index}")).unwrap(),
                path: path.into(),
                backend: Backend::Quota,
                require_mount_point: false,
                reserve: Reserve::Share(0),
                overcommit: Overcommit::NONE,
                limits: LimitSettings { image, ..LimitSettings::default() },
            };
            (index, config)
        };
        let pools = [
            pool(0, "/nowhere/a", Some("/nowhere/images/a.img")),
            pool(1, "/nowhere/b", Some("/nowhere/images/a.img")),
            pool(2, "/nowhere/c", Some("/nowhere/c/image")),
            pool(3, "/nowhere/d", Some("/nowhere/e.img")),
        ];
        let mut faults = Vec::new();
        apart(&pools, &mut faults);
        let said: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.key, fault.reason)).collect();
        let expected = [
            "pools[1].image.file: '/nowhere/images/a.img' is already the image of pools[0]",
            "pools[2].image.file: '/nowhere/c/image' is in the way of '/nowhere/c', the directory of pools[2]: keep it beside",
        ];
        assert_eq!(said, expected);
    }
}
