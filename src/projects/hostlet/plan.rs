use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use super::{Item, State};
use crate::model::{Bytes, InvalidQuantity, ProjectId, VolumeId, VolumeSpec, parse_quantity};
use crate::projects::Lines;

/// What a state file would become: every item is in one of the two.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Items that can become volumes.
    pub volumes: Vec<Planned>,
    /// Items that cannot, as they are.
    pub refused: Vec<Refused>,
}

/// A volume that an item can become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Planned {
    /// Its id and name: the item's.
    pub id: VolumeId,
    /// Its project, which it has already.
    pub project: ProjectId,
    /// Its directory as it lies now, whether it is there or not.
    pub directory: PathBuf,
    /// The hard limit, in whole blocks of 4096 bytes: so XFS rounds it too.
    pub size: Bytes,
    /// What it used when the file was written.
    pub used: Bytes,
    /// Where a warning was wanted: the soft limit in percent of the size, 1 to 99. `None`: no lower than the hard one.
    pub warn_percent: Option<u8>,
}

/// An item that cannot become a volume.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Which, the first being 1.
    pub number: usize,
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Why.
    pub reason: Reason,
}

/// Where directories are looked for: no file of hostlet's says it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The directory of hostlet's applications: an item's lies in it, and is called like it.
    pub base: Option<&'a Path>,
    /// Else the line of the item's id in `/etc/projects`, or an `mnt` that ends in the item's name.
    pub lines: &'a Lines,
}

/// Why an item cannot become a volume.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reason {
    /// A value is not there.
    #[error("it has no '{0}'")]
    Missing(&'static str),
    /// The name is none that a volume and its directory can have.
    #[error(
        "'{0}' cannot be the name of a volume and its directory: 1 to 128 of A-Z a-z 0-9 . _ -, the first a letter or digit"
    )]
    Name(String),
    /// The id is none.
    #[error("'{0}' is no project id: those are 1 to 4294967294")]
    Id(String),
    /// Another item has the same id or name; both are refused.
    #[error("item {other} has the same {key}: one of them has to go")]
    Twice {
        /// `id` or `name`.
        key: &'static str,
        /// The other item, the first being 1.
        other: usize,
    },
    /// A size is none.
    #[error("{key}: {source}")]
    Size {
        /// `soft`, `hard` or `used`.
        key: &'static str,
        /// Why.
        source: InvalidQuantity,
    },
    /// There is no hard limit.
    #[error(
        "it has no limit (hard is 0): hostlet takes that of what is stopped away; start it there, or set its hard limit"
    )]
    NoLimit,
    /// The hard limit is no size of a volume.
    #[error("its hard limit is {0}, and a volume has 20 MB at least and 8 EiB at most")]
    NoSize(Bytes),
    /// More is in it than may be.
    #[error("it uses {} bytes, and its hard limit is {}", used.get(), hard.get())]
    Overfull {
        /// What it uses.
        used: Bytes,
        /// The limit.
        hard: Bytes,
    },
    /// Its directory is not known.
    #[error(
        "where its directory lies is not known: no line of /etc/projects has project {0}; name the directory it lies in"
    )]
    NoDirectory(ProjectId),
    /// The project has several.
    #[error("/etc/projects gives project {0} to more than one directory, and a volume is one")]
    Directories(ProjectId),
    /// The directory is not called like the item.
    #[error("/etc/projects gives its project to {}, which is not called like it", .0.display())]
    OtherName(PathBuf),
    /// The path cannot be a volume's.
    #[error("'{}' is not a directory's absolute path without '..'", .0.display())]
    Path(PathBuf),
    /// The directory is on another filesystem.
    #[error("its directory {} does not lie in {}, where its filesystem is mounted", directory.display(), mnt.display())]
    Outside {
        /// The directory.
        directory: PathBuf,
        /// The mount point.
        mnt: PathBuf,
    },
    /// It lies in another's directory, or another in its.
    #[error("its directory is, or lies in, or holds that of '{0}'")]
    Nested(VolumeId),
}

impl Plan {
    /// What the items become, each on its own merits.
    pub fn of(state: &State, place: Place<'_>) -> Self {
        let twins = [twins(state, "id", |item| id(item).ok()), twins(state, "name", |item| item.name.clone())];
        let mut plan = Self::default();
        for (at, item) in state.items.iter().enumerate() {
            let twin = twins.iter().find_map(|twins| twins.get(&at));
            let planned = planned(item, place).and_then(|planned| twin.map_or(Ok(planned), |twin| Err(twin.clone())));
            match planned {
                Ok(planned) => plan.volumes.push(planned),
                Err(reason) => plan.refused.push(Refused { number: at + 1, name: item.name.clone(), reason }),
            }
        }
        plan.refuse_nested(state);
        plan.refused.sort_by_key(|refused| refused.number);
        plan
    }

    /// What is made in a directory inherits its project: one in another would be counted to one or the other by chance.
    fn refuse_nested(&mut self, state: &State) {
        let met =
            |a: &Planned, b: &Planned| a.directory.starts_with(&b.directory) || b.directory.starts_with(&a.directory);
        let all = std::mem::take(&mut self.volumes);
        for volume in &all {
            let Some(other) = all.iter().find(|other| other.id != volume.id && met(other, volume)) else {
                self.volumes.push(volume.clone());
                continue;
            };
            let name = volume.id.as_str();
            let at = state.items.iter().position(|item| item.name.as_deref() == Some(name));
            let (number, reason) = (at.map_or(0, |at| at + 1), Reason::Nested(other.id.clone()));
            self.refused.push(Refused { number, name: Some(name.to_owned()), reason });
        }
    }
}

/// The items that share a value with another.
fn twins<K: std::hash::Hash + Eq>(
    state: &State,
    key: &'static str,
    of: impl Fn(&Item) -> Option<K>,
) -> HashMap<usize, Reason> {
    let mut first: HashMap<K, usize> = HashMap::new();
    let mut twins = HashMap::new();
    for (at, value) in state.items.iter().enumerate().filter_map(|(at, item)| Some((at, of(item)?))) {
        if let Some(&other) = first.get(&value) {
            twins.insert(at, Reason::Twice { key, other: other + 1 });
            twins.entry(other).or_insert(Reason::Twice { key, other: at + 1 });
        } else {
            first.insert(value, at);
        }
    }
    twins
}

fn planned(item: &Item, place: Place<'_>) -> Result<Planned, Reason> {
    let name = item.name.as_deref().ok_or(Reason::Missing("name"))?;
    let id = VolumeId::from_name(name);
    if id.as_str() != name {
        return Err(Reason::Name(name.to_owned()));
    }
    let project = self::id(item)?;
    let hard = bytes("hard", item.hard.as_ref())?.ok_or(Reason::Missing("hard"))?;
    let used = bytes("used", item.used.as_ref())?.unwrap_or_default();
    let size = size(hard, used)?;
    let warn_percent = percent(bytes("soft", item.soft.as_ref())?.unwrap_or_default(), hard);
    let directory = directory(item, name, project, place)?;
    Ok(Planned { id, project, directory, size, used, warn_percent })
}

fn id(item: &Item) -> Result<ProjectId, Reason> {
    let text = item.id.as_deref().ok_or(Reason::Missing("id"))?;
    let id = text.parse().ok().filter(|id| *id < u32::MAX && text.bytes().all(|byte| byte.is_ascii_digit()));
    id.and_then(ProjectId::new).ok_or_else(|| Reason::Id(text.to_owned()))
}

fn bytes(key: &'static str, text: Option<&String>) -> Result<Option<Bytes>, Reason> {
    text.map(|text| parse_quantity(text)).transpose().map_err(|source| Reason::Size { key, source })
}

fn size(hard: Bytes, used: Bytes) -> Result<Bytes, Reason> {
    if hard == Bytes::ZERO {
        return Err(Reason::NoLimit);
    }
    let size = hard.round_up().filter(|size| i64::try_from(size.get()).is_ok() && *size >= VolumeSpec::SMALLEST);
    let size = size.ok_or(Reason::NoSize(hard))?;
    if used > size { Err(Reason::Overfull { used, hard }) } else { Ok(size) }
}

fn percent(soft: Bytes, hard: Bytes) -> Option<u8> {
    if soft == Bytes::ZERO || soft >= hard {
        return None;
    }
    let percent = u128::from(soft.get()) * 100 / u128::from(hard.get());
    u8::try_from(percent).ok().map(|percent| percent.max(1))
}

fn directory(item: &Item, name: &str, project: ProjectId, place: Place<'_>) -> Result<PathBuf, Reason> {
    let mnt = item.mnt.as_deref().filter(|mnt| !mnt.is_empty()).map(Path::new);
    let directory = match place.base {
        Some(base) => base.join(name),
        None => named(name, project, place.lines, mnt)?,
    };
    for path in mnt.into_iter().chain([directory.as_path()]) {
        if !path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
            return Err(Reason::Path(path.to_owned()));
        }
    }
    match mnt.filter(|mnt| !directory.starts_with(mnt)) {
        Some(mnt) => Err(Reason::Outside { directory, mnt: mnt.to_owned() }),
        None => Ok(directory),
    }
}

fn named(name: &str, project: ProjectId, lines: &Lines, mnt: Option<&Path>) -> Result<PathBuf, Reason> {
    let is_so_called = |path: &Path| path.file_name().is_some_and(|last| last == name);
    let mut paths = lines.paths(project);
    match (paths.next(), paths.next()) {
        (Some(_), Some(_)) => Err(Reason::Directories(project)),
        (Some(path), None) if !is_so_called(path) => Err(Reason::OtherName(path.to_owned())),
        (Some(path), None) => Ok(path.components().collect()),
        (None, _) => {
            let path = mnt.filter(|mnt| is_so_called(mnt)).ok_or(Reason::NoDirectory(project))?;
            Ok(path.components().collect())
        }
    }
}

#[cfg(test)]
mod tests;
