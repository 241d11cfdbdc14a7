//! Project ids: who has which on a filesystem, and what `/etc/projects` and `/etc/projid` say of it.
//!
//! No table is kept on disk, so none can be lost or damaged. Everything that is true of a volume lies beside its data: the
//! records of volumes, the trash and the tags of directories are the table, and [`Projects`] is their copy in memory, read
//! when a pool is opened. Until then it gives nothing out in that pool.
//!
//! # Whose id
//!
//! Ids belong to a filesystem, not to a pool: pools on one filesystem share one [`Projects`] (its key is `st_dev`). Others
//! may use ids there too, another driver, Docker, a person with `xfs_quota`; so a free id is only a candidate, of which
//! [`Projects::fetch_or_create`] asks whether it is somebody's. That question has to be put to
//!
//! - the kernel: a project that it counts an inode or a block of, or knows a limit of (`ProjectQuotas::usage`), is
//!   somebody's. This covers every tagged inode that is left, wherever it lies, and what was freed and is not yet counted so.
//!   (Where project 0 has limits, those are the default of every project, and newer kernels report them of projects that
//!   nobody has: limits alone that are the default do not count.)
//! - `/etc/projects` and `/etc/projid`: [`Lines::has`]. Somebody means to use that id, and may not have begun.
//!
//! # The claim
//!
//! Two processes may ask at once and hear the same. No lock is sure to be common to both: two containers that each see one
//! directory of a filesystem share no inode, and `/etc` is that of a machine. What they share is the kernel's count of the
//! project. So a claim is settled by **tagging first, and counting then**: the volume's directory, new and empty, is given the
//! project, and then the kernel has to count exactly one inode in it. Of two who claim, the one whose tag came second counts
//! two, whatever the order else: so at most one goes on. Who counts more takes its empty directory away, touches no limit,
//! and asks for another id. Both may; neither can be wrong. The limit is set only after that.
//!
//! Giving back is the reverse: data, then limit, then record, then id. And a limit is cleared only when the kernel counts
//! **no inode** in the project: who tagged it meanwhile, or shared it by an accident of old, keeps the limit.
//!
//! What is left: who neither asks the kernel nor counts. Docker's `overlay2` with project quotas counts up from the project
//! of its own directory (from 1 where that has none), and will walk into any range above. On a filesystem shared with it,
//! choose a range far away.

mod block;
mod error;
mod etc_files;
mod holder;
pub mod hostlet;
mod lines;
mod range;
mod table;
mod taken;

pub use block::Block;
pub use error::{Error, Result};
pub use etc_files::EtcFiles;
pub use holder::{Conflict, Holder, Project};
pub use lines::{Line, Lines, What};
pub use range::{InvalidRange, ProjectRange};
pub use table::Projects;
