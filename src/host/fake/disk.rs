use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use nix::errno::Errno;

use super::FakeFs;
use crate::model::{Bytes, Owner, ProjectId};

/// The number of an inode.
pub(super) type Ino = u64;

pub(super) const ROOT: Ino = 1;

/// A tree of inodes. There are two: as processes see it, and as a power cut would leave it.
#[derive(Clone)]
pub(super) struct Disk {
    inodes: BTreeMap<Ino, Inode>,
    next: Ino,
}

#[derive(Clone, Default)]
pub(super) struct Inode {
    /// The entries of a directory; `None` for a file.
    pub(super) entries: Option<BTreeMap<String, Ino>>,
    pub(super) content: Vec<u8>,
    /// How often the content was changed.
    pub(super) changes: i64,
    pub(super) len: Bytes,
    pub(super) allocated: Bytes,
    /// What is written is on disk at once (`chattr +S`).
    pub(super) writes_through: bool,
    /// Owner and mode, where they were set.
    pub(super) owner: Option<Owner>,
    pub(super) project: Option<ProjectId>,
    /// Whether what is made in this directory gets its project.
    pub(super) inherited: bool,
    pub(super) fs: Option<FakeFs>,
    /// The root directory of the filesystem in an image.
    pub(super) root: Option<Ino>,
}

impl Inode {
    pub(super) fn directory() -> Self {
        Self { entries: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Owner and mode, as root makes files and directories.
    pub(super) fn owner(&self) -> Owner {
        let mode = if self.is_directory() { 0o755 } else { 0o600 };
        self.owner.unwrap_or(Owner { uid: 0, gid: 0, mode })
    }

    pub(super) fn is_directory(&self) -> bool {
        self.entries.is_some()
    }
}

impl Disk {
    pub(super) fn new() -> Self {
        Self { inodes: BTreeMap::from([(ROOT, Inode::directory())]), next: ROOT + 1 }
    }

    pub(super) fn inode(&self, ino: Ino) -> &Inode {
        &self.inodes[&ino]
    }

    pub(super) fn inode_mut(&mut self, ino: Ino) -> &mut Inode {
        self.inodes.get_mut(&ino).expect("inodes are never taken out while they are named")
    }

    pub(super) fn put(&mut self, ino: Ino, inode: Inode) {
        self.inodes.insert(ino, inode);
    }

    /// A directory's entry.
    pub(super) fn entry(&self, directory: Ino, name: &str) -> Result<Ino, Errno> {
        let entries = self.inode(directory).entries.as_ref().ok_or(Errno::ENOTDIR)?;
        entries.get(name).copied().ok_or(Errno::ENOENT)
    }

    pub(super) fn entries_mut(&mut self, directory: Ino) -> &mut BTreeMap<String, Ino> {
        self.inode_mut(directory).entries.as_mut().expect("looked up as a directory")
    }

    /// Makes an inode that has no name yet.
    pub(super) fn make(&mut self, inode: Inode) -> Ino {
        let ino = self.next;
        self.next += 1;
        self.inodes.insert(ino, inode);
        ino
    }

    /// What can be reached from some inodes, each once.
    pub(super) fn reached(&self, from: impl Iterator<Item = Ino>) -> impl Iterator<Item = &Inode> {
        let mut reached = BTreeSet::new();
        let mut next: Vec<Ino> = from.collect();
        while let Some(ino) = next.pop() {
            if reached.insert(ino) {
                next.extend(self.inode(ino).entries.iter().flat_map(BTreeMap::values));
            }
        }
        reached.into_iter().map(|ino| self.inode(ino))
    }

    /// The way from one directory down to an inode; `None` where there is none.
    pub(super) fn way(&self, from: Ino, to: Ino) -> Option<PathBuf> {
        let mut next = vec![(from, PathBuf::from("/"))];
        while let Some((ino, path)) = next.pop() {
            if ino == to {
                return Some(path);
            }
            next.extend(self.inode(ino).entries.iter().flatten().map(|(name, child)| (*child, path.join(name))));
        }
        None
    }

    pub(super) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        let mut next = vec![(ROOT, PathBuf::from("/"))];
        while let Some((ino, path)) = next.pop() {
            for (name, child) in self.inode(ino).entries.iter().flatten() {
                let path = path.join(name);
                let slash = if self.inode(*child).is_directory() { "/" } else { "" };
                paths.push(format!("{}{slash}", path.display()));
                next.push((*child, path));
            }
        }
        paths.sort();
        paths
    }

    /// Names whose inode never reached the disk are there, and empty: the worst that a filesystem may do.
    pub(super) fn after_power_cut(&self) -> Self {
        let mut disk = self.clone();
        let named: Vec<Ino> =
            self.inodes.values().flat_map(|inode| inode.entries.iter().flat_map(|e| e.values())).copied().collect();
        for ino in named {
            disk.inodes.entry(ino).or_default();
            disk.next = disk.next.max(ino + 1);
        }
        for root in self.inodes.values().filter_map(|inode| inode.root) {
            disk.inodes.entry(root).or_insert_with(Inode::directory);
            disk.next = disk.next.max(root + 1);
        }
        disk
    }
}
