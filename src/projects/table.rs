use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use super::taken::Taken;
use super::{Conflict, Error, Holder, Project, ProjectRange};
use crate::model::ProjectId;

/// Who has which project id on one filesystem. It hands out copies; its lock is held for no call to anybody else.
///
/// All pools on a filesystem share one. Each is read into it when it is opened ([`Projects::sync`]); before that no volume
/// in that pool gets an id.
pub struct Projects {
    range: ProjectRange,
    taken: Mutex<Taken>,
}

/// A candidate, kept from everybody else as long as somebody asks whose it is. Dropped, it is given back.
struct Candidate<'a> {
    projects: &'a Projects,
    id: ProjectId,
    name: &'a str,
}

/// What there is for a volume that wants an id.
enum Next<'a> {
    Known(Project),
    Ask(Candidate<'a>),
}

impl Projects {
    /// A table of which nothing is known yet, for ids of that range.
    pub fn new(range: ProjectRange) -> Self {
        Self { range, taken: Mutex::default() }
    }

    /// The range of ids that are given out. Ids outside of it can be taken all the same.
    pub fn range(&self) -> ProjectRange {
        self.range
    }

    /// Takes what was found in a pool for everything that is there: records, the trash, and tags of which no record tells.
    /// What was known of that pool before is forgotten. For a pool that is just being opened: nobody makes volumes there.
    ///
    /// The order does not matter, and the same place may be told of twice: a record says more than a tag.
    ///
    /// Conflicts are of two that were found, or of one with what another pool has.
    #[must_use = "volumes that share an id share a limit"]
    pub fn sync(&self, pool: &Path, found: impl IntoIterator<Item = Holder>) -> Vec<Conflict> {
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(Holder::rank);
        let mut taken = self.taken();
        taken.forget(|holder| holder.path().starts_with(pool));
        taken.set_read(pool);
        found.into_iter().filter_map(|holder| taken.hold(holder)).collect()
    }

    /// Forgets what is known of a pool: nothing is given out there before it is read again. What of it is still on the filesystem
    /// the kernel counts.
    pub fn leave(&self, pool: &Path) {
        let mut taken = self.taken();
        taken.forget(|holder| holder.path().starts_with(pool));
        taken.set_unread(pool);
    }

    /// The project of a volume.
    pub fn fetch(&self, name: &str) -> Option<Project> {
        self.taken().named(name).cloned()
    }

    /// The volume that has an id; of two the first.
    pub fn fetch_by_id(&self, id: ProjectId) -> Option<Project> {
        self.taken().of(id).iter().find_map(Holder::volume).cloned()
    }

    /// Whether an id is anybody's here: a volume's, of the trash, left, or just being asked about.
    pub fn has(&self, id: ProjectId) -> bool {
        self.taken().has(id)
    }

    /// Everybody who has an id: more than one is a conflict.
    pub fn holders(&self, id: ProjectId) -> Vec<Holder> {
        self.taken().of(id).to_vec()
    }

    /// The projects of all volumes, in the order of their ids.
    pub fn list(&self) -> Vec<Project> {
        self.taken().volumes().cloned().collect()
    }

    /// The same of the volumes below a directory.
    pub fn list_in(&self, pool: &Path) -> Vec<Project> {
        self.taken().volumes().filter(|project| project.path.starts_with(pool)).cloned().collect()
    }

    /// The project of a volume that is to lie at that path: the one it has, or the lowest free id.
    ///
    /// `is_foreign` says of an id that is free here whether it is somebody else's (see [the floor](super)); it may be asked
    /// of many, and no lock is held meanwhile. Where it fails, nothing is taken. What it said is not remembered.
    ///
    /// The id is this table's alone, and the filesystem's only after the claim is settled there.
    ///
    /// # Errors
    /// [`Error::Exhausted`]; [`Error::NotRead`]; [`Error::Elsewhere`]; [`Error::Busy`] where another asks for that name.
    pub fn fetch_or_create<E: From<Error>>(
        &self,
        name: &str,
        path: &Path,
        mut is_foreign: impl FnMut(ProjectId) -> Result<bool, E>,
    ) -> Result<Project, E> {
        let (mut from, mut foreign) = (self.range.first().get(), 0);
        loop {
            let candidate = match self.next(name, path, from, foreign)? {
                Next::Known(project) => return Ok(project),
                Next::Ask(candidate) => candidate,
            };
            if !is_foreign(candidate.id)?
                && let Some(project) = candidate.settle(path)
            {
                return Ok(project);
            }
            (from, foreign) = (candidate.id.get() + 1, foreign + 1);
        }
    }

    /// Enters a volume that has its id already, such as one that is taken over from another program.
    pub fn adopt(&self, project: Project) -> Result<(), Error> {
        let mut taken = self.taken();
        match taken.conflict(&project) {
            Some(conflict) => Err(Box::new(conflict).into()),
            None => {
                taken.hold(Holder::Volume(project));
                Ok(())
            }
        }
    }

    /// Keeps an id that something at that path has of which no record tells. It may be somebody's already: the conflict.
    pub fn reserve(&self, id: ProjectId, path: &Path, why: &str) -> Option<Conflict> {
        self.taken().hold(Holder::Left { id, path: path.to_owned(), why: why.to_owned() })
    }

    /// Gives the id of a volume back of which nothing is left: one that could not be made.
    pub fn remove(&self, name: &str) -> Option<Project> {
        let mut taken = self.taken();
        let gone = taken.named(name)?.clone();
        taken.forget_of(gone.id, |holder| holder.volume() == Some(&gone));
        Some(gone)
    }

    /// A volume goes to the trash: its name is free, its id is not before [`Projects::release`]. To be said before it lies there:
    /// from then on somebody may take it out, and release it.
    pub fn retire(&self, name: &str, trash: &Path) -> Option<Project> {
        let mut taken = self.taken();
        let gone = taken.named(name)?.clone();
        taken.forget_of(gone.id, |holder| holder.volume() == Some(&gone));
        taken.hold(Holder::Trash { id: gone.id, path: trash.to_owned() });
        Some(gone)
    }

    /// A volume that was to go to the trash has stayed where it was.
    pub fn bring_back(&self, project: Project, trash: &Path) {
        let mut taken = self.taken();
        taken.forget_of(project.id, |holder| is_left_at(holder, trash));
        taken.hold(Holder::Volume(project));
    }

    /// What lay at that path, in the trash or left, is gone, and its limit is cleared. Volumes keep their ids, and so does
    /// whoever shares one.
    pub fn release(&self, path: &Path) {
        let mut taken = self.taken();
        let ids: Vec<_> = taken.all().filter(|holder| is_left_at(holder, path)).map(Holder::id).collect();
        for id in ids {
            taken.forget_of(id, |holder| is_left_at(holder, path));
        }
    }

    /// The volume's project, or the next candidate for it, taken.
    fn next<'a>(&'a self, name: &'a str, path: &Path, from: u32, foreign: usize) -> Result<Next<'a>, Error> {
        let mut taken = self.taken();
        if let Some(known) = taken.named(name) {
            return match known.path == path {
                true => Ok(Next::Known(known.clone())),
                false => Err(Error::Elsewhere { name: name.into(), known: known.path.clone(), asked: path.into() }),
            };
        }
        if !taken.is_read(path) {
            return Err(Error::NotRead { path: path.to_owned() });
        }
        if taken.asked.values().any(|asked| asked == name) {
            return Err(Error::Busy { name: name.to_owned() });
        }
        let range = self.range;
        let free = taken.lowest_free(range, from);
        let id = free.ok_or_else(|| Error::Exhausted { range, taken: taken.count(range), foreign })?;
        taken.asked.insert(id, name.to_owned());
        Ok(Next::Ask(Candidate { projects: self, id, name }))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("no holder panics")
    }
}

fn is_left_at(holder: &Holder, path: &Path) -> bool {
    holder.volume().is_none() && holder.is_at(path)
}

impl Candidate<'_> {
    /// Makes it the volume's; `None` where somebody was found meanwhile who has it.
    fn settle(&self, path: &Path) -> Option<Project> {
        let mut taken = self.projects.taken();
        if !taken.of(self.id).is_empty() {
            return None;
        }
        let project = Project { id: self.id, name: self.name.to_owned(), path: path.to_owned() };
        taken.hold(Holder::Volume(project.clone()));
        Some(project)
    }
}

impl Drop for Candidate<'_> {
    fn drop(&mut self) {
        self.projects.taken().asked.remove(&self.id);
    }
}

#[cfg(test)]
mod tests;
