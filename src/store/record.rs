use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Error, Version, VolumeDir};
use crate::host::Files;
use crate::model::{Backend, Bytes, ProjectId, VolumeId, VolumeSpec};

/// Everything that is true of a volume and that the kernel does not know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Record {
    schema: Version,
    /// The volume's id: the name of its directory.
    pub id: VolumeId,
    /// Whether it is finished.
    pub phase: Phase,
    /// When it was asked for first.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// What it shall be; `spec.size` is its size.
    pub spec: VolumeSpec,
    /// The size to which its filesystem has been brought. Less than `spec.size`: growing is not finished.
    pub grown_to: Bytes,
    /// The project of its directory, where a limit holds it to its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Where it shall be mounted on this machine, also after a restart. A cluster's node keeps none: there the kubelet
    /// says what is mounted. Not written where empty, so a program that does not know it reads every other record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<WantedMount>,
    /// The directory that is just being moved here to become its data: until it is here, this is no volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_from: Option<PathBuf>,
}

/// A place where a volume shall be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WantedMount {
    /// A directory; for raw blocks a file.
    pub path: PathBuf,
    /// Without writes.
    pub read_only: bool,
    /// Whether the path was not there before: then it goes with the mount.
    pub made: bool,
}

/// How far a volume has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Being made. No success was answered for it: a restart undoes it.
    Creating,
    /// Made.
    Ready,
}

impl Record {
    /// The record of a volume that is about to be made.
    pub fn creating(id: VolumeId, spec: VolumeSpec, created: OffsetDateTime) -> Self {
        let grown_to = spec.size;
        let (phase, mounts) = (Phase::Creating, Vec::new());
        Self { schema: Version::default(), id, phase, created, spec, grown_to, project: None, mounts, taken_from: None }
    }

    /// How it is made.
    pub fn backend(&self) -> Backend {
        if self.project.is_some() { Backend::Quota } else { Backend::Loop }
    }

    /// Whether it is finished.
    pub fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Whether the filesystem has yet to follow the volume's size.
    pub fn growth_is_pending(&self) -> bool {
        self.grown_to < self.spec.size
    }

    /// The size, and that its filesystem has it.
    pub fn set_size(&mut self, size: Bytes) {
        (self.spec.size, self.grown_to) = (size, size);
    }

    /// Reads the record in a volume's directory; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where it cannot be understood, or is the record of another volume.
    pub fn load(files: &dyn Files, dir: &VolumeDir) -> Result<Option<Self>, Error> {
        let record: Option<Self> = super::load(files, &dir.record())?;
        if let Some(record) = &record
            && dir.path().file_name().is_none_or(|name| name != record.id.as_str())
        {
            let reason = format!("the record of '{}', in a directory of another name", record.id);
            return Err(Error::Unreadable { file: dir.record(), reason });
        }
        Ok(record)
    }

    /// The record in a directory of whatever name, such as one in the trash, where it can be read.
    pub fn of_any_name(files: &dyn Files, dir: &VolumeDir) -> Option<Self> {
        super::load(files, &dir.record()).ok().flatten()
    }

    /// Writes it, whole.
    pub(super) fn save(&self, files: &dyn Files, dir: &VolumeDir) -> Result<(), Error> {
        super::save(files, &dir.record(), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Claim, Content, FsKind, Owner, PoolName};
    use crate::yaml;

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let spec = VolumeSpec {
            name: "db: yes\n# no".into(),
            pool: PoolName::parse("default").expect("a good name"),
            size: Bytes::gib(1),
            content: Content::Filesystem(FsKind::Xfs),
            sparse: false,
            direct_io: true,
            inodes: None,
            warn_percent: None,
            owner: Some(Owner { uid: 1, gid: 2, mode: 0o7777 }),
            claim: Claim { name: Some("data".into()), ..Claim::default() },
        };
        let created = OffsetDateTime::from_unix_timestamp(1_700_000_000).expect("in range");
        let record = Record::creating(VolumeId::from_name("db"), spec, created);
        let text = yaml::print(&record).expect("printable");
        assert!(text.contains("schema: 1\nid: db\nphase: creating\ncreated: 2023-11-14T22:13:20Z\n"), "{text}");
        assert!(text.contains("  content: xfs\n"), "{text}");
        assert_eq!(yaml::parse::<Record>(&text).expect("readable"), record);
        assert!(!text.contains("mounts"), "{text}");
        let wanted = WantedMount { path: "/mnt/a b".into(), read_only: true, made: false };
        let record = Record { mounts: vec![wanted], ..record };
        let text = yaml::print(&record).expect("printable");
        assert_eq!(yaml::parse::<Record>(&text).expect("readable"), record);
    }
}
