use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Conflict, Holder, Project, ProjectRange};
use crate::model::ProjectId;

/// What the lock of [`super::Projects`] guards.
#[derive(Default)]
pub(super) struct Taken {
    /// Mostly one each. Two are a conflict, and the id is free only after both are gone.
    holders: BTreeMap<ProjectId, Vec<Holder>>,
    /// The volumes among them by name; who was known first comes first.
    names: HashMap<String, Vec<ProjectId>>,
    /// Candidates of which somebody is asking just now, and for which volume.
    pub(super) asked: BTreeMap<ProjectId, String>,
    /// The pools of which everything is known that lies in them.
    read: BTreeSet<PathBuf>,
}

impl Taken {
    /// Whether what lies at that path lies in a pool that was read.
    pub(super) fn is_read(&self, path: &Path) -> bool {
        self.read.iter().any(|pool| path.starts_with(pool))
    }

    pub(super) fn set_read(&mut self, pool: &Path) {
        self.read.insert(pool.to_owned());
    }

    pub(super) fn set_unread(&mut self, pool: &Path) {
        self.read.remove(pool);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Holder> {
        self.holders.values().flatten()
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = &Project> {
        self.all().filter_map(Holder::volume)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Project> {
        let id = self.names.get(name)?.first()?;
        self.of(*id).iter().filter_map(Holder::volume).find(|project| project.name == name)
    }

    pub(super) fn of(&self, id: ProjectId) -> &[Holder] {
        self.holders.get(&id).map_or(&[], Vec::as_slice)
    }

    /// Whether it is anybody's, or may be in a moment.
    pub(super) fn has(&self, id: ProjectId) -> bool {
        self.holders.contains_key(&id) || self.asked.contains_key(&id)
    }

    /// The lowest id of a range that nobody has, `from` there on.
    pub(super) fn lowest_free(&self, range: ProjectRange, from: u32) -> Option<ProjectId> {
        let mut taken = self.holders.range(range.first()..=range.last()).map(|(id, _)| *id).peekable();
        (from..=range.last().get()).filter_map(ProjectId::new).find(|id| {
            while taken.next_if(|taken| taken < id).is_some() {}
            taken.peek() != Some(id) && !self.asked.contains_key(id)
        })
    }

    /// How many ids of a range are anybody's.
    pub(super) fn count(&self, range: ProjectRange) -> usize {
        let ends = range.first()..=range.last();
        let asked = self.asked.range(ends.clone()).filter(|(id, _)| !self.holders.contains_key(id));
        self.holders.range(ends).count() + asked.count()
    }

    /// Enters a holder beside those that are there, and says with whom it cannot be. What is known of its place already by
    /// a better source stays as it is.
    pub(super) fn hold(&mut self, holder: Holder) -> Option<Conflict> {
        let namesake = holder.volume().and_then(|project| self.namesake(project));
        let here = self.holders.entry(holder.id()).or_default();
        if here.iter().any(|known| known.is_at(holder.path()) && known.rank() <= holder.rank()) {
            return None;
        }
        here.retain(|known| !known.is_at(holder.path()));
        let shared = here.first().map(|first| Conflict::Id { first: first.clone(), second: holder.clone() });
        if let Some(project) = holder.volume() {
            self.names.entry(project.name.clone()).or_default().push(project.id);
        }
        here.push(holder);
        shared.or(namesake)
    }

    /// With whom a volume could not be.
    pub(super) fn conflict(&self, project: &Project) -> Option<Conflict> {
        let other = self.of(project.id).iter().find(|known| !known.is_at(&project.path));
        let shared = other.map(|first| Conflict::Id { first: first.clone(), second: Holder::Volume(project.clone()) });
        shared.or_else(|| self.namesake(project))
    }

    fn namesake(&self, project: &Project) -> Option<Conflict> {
        let first = self.named(&project.name).filter(|known| *known != project)?;
        Some(Conflict::Name { first: first.clone(), second: project.clone() })
    }

    /// Forgets those of whom that is so.
    pub(super) fn forget(&mut self, is_gone: impl Fn(&Holder) -> bool) {
        let ids: Vec<_> = self.holders.keys().copied().collect();
        for id in ids {
            self.forget_of(id, &is_gone);
        }
    }

    /// The same among those who have one id.
    pub(super) fn forget_of(&mut self, id: ProjectId, is_gone: impl Fn(&Holder) -> bool) {
        let holders = self.holders.remove(&id).unwrap_or_default();
        let (gone, kept): (Vec<_>, Vec<_>) = holders.into_iter().partition(is_gone);
        if !kept.is_empty() {
            self.holders.insert(id, kept);
        }
        for project in gone.iter().filter_map(Holder::volume) {
            let Some(ids) = self.names.get_mut(&project.name) else { continue };
            if let Some(at) = ids.iter().position(|known| *known == id) {
                ids.remove(at);
            }
            if ids.is_empty() {
                self.names.remove(&project.name);
            }
        }
    }
}
