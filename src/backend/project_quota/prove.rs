use super::ProjectDirs;
use crate::backend::{Error, Result};
use crate::model::{Bytes, FsKind, ProjectId, ProjectLimit};
use crate::store::{PoolDir, VolumeDir};

/// What a scratch directory may take, and what is tried.
const LIMIT: Bytes = Bytes::mib(1);
const TRIED: Bytes = Bytes::mib(4);

/// In pieces of which size at least it is tried: less may be left where the filesystem's blocks are smaller.
const PIECE: Bytes = Bytes::new(4096);

impl ProjectDirs {
    /// The filesystem of the pool, where it can hold projects to limits.
    pub(super) fn filesystem(&self, pool: &PoolDir) -> Result<FsKind> {
        let state = self.machine.quotas.state(pool.path());
        let dir = || pool.path().to_owned();
        let state =
            state.map_err(|error| Error::NoQuotas { dir: dir(), reason: format!("this kernel has none ({error})") })?;
        let refused = |reason: &str| Err(Error::NoQuotas { dir: dir(), reason: reason.to_owned() });
        match (FsKind::parse(state.fs), state.accounting, state.enforcement) {
            (Some(_), true, true) if state.limits_everybody => refused(
                "it has limits for everybody, which volumes would be given, too: take those of project 0 away, \
                 xfs_quota -x -c 'limit -p -d bsoft=0 bhard=0 isoft=0 ihard=0' on it",
            ),
            (Some(fs), true, true) => Ok(fs),
            (None, ..) => refused(&format!("its filesystem is {}, and only xfs and ext4 have them", state.fs)),
            (Some(_), true, false) => {
                refused("they are counted and not enforced: mount it with prjquota, not pqnoenforce")
            }
            (Some(FsKind::Xfs), false, _) => {
                refused("it is mounted without: mount it with prjquota (a remount is not enough)")
            }
            (Some(FsKind::Ext4), false, _) => {
                refused("it is mounted without: tune2fs -O project,quota on it unmounted, then mount it with prjquota")
            }
        }
    }

    /// Proves that a limit holds whoever writes in a container, and goes away again: believed is nothing.
    pub(super) fn prove(&self, scratch: &VolumeDir, project: ProjectId) -> Result<()> {
        self.settle(scratch, project)?;
        let proven = self.try_limit(scratch, project);
        // What was tried is unlinked; a limit of nobody would look like somebody's.
        let cleared = self.set_limit(scratch, project, ProjectLimit::default());
        proven.and(cleared)
    }

    fn try_limit(&self, scratch: &VolumeDir, project: ProjectId) -> Result<()> {
        let (quotas, dir) = (&self.machine.quotas, scratch.data());
        self.set_limit(scratch, project, ProjectLimit { bytes: Some(LIMIT), inodes: None })?;
        // A directory of ext4 takes a block of its own.
        let before = quotas.usage(scratch.path(), project)?.unwrap_or_default().bytes;
        let written = quotas.try_filling(&dir, TRIED)?;
        let taken = before.saturating_add(written);
        if taken > LIMIT {
            return Err(Error::NoQuotas { dir, reason: format!("of a limit of {LIMIT}, {written} could be written") });
        }
        if LIMIT.saturating_sub(taken) < PIECE { Ok(()) } else { Err(Error::LimitUnproven { dir, written }) }
    }
}
