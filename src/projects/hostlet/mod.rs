//! What hostlet (github.com/sysinner/incore) has left of its quotas, and what volumes that would become. Pure: texts and
//! names in, a plan out.
//!
//! Its state file is `hostlet_vol_quota.json`, before that `sysinner_vol_quota.json` and `vol_quota.json`: an object with
//! `items: [{id, mnt, name, soft, hard, used}]`, sizes in bytes. `mnt` (not in the older ones) is the *mount point* of the
//! filesystem; the directory is not in the file. It is called like the item and lies in hostlet's directory of applications,
//! and a line of `/etc/projects` names it. hostlet takes the limit of what is stopped away, and keeps the item with limit 0.
//!
//! A list of such items alone is read too, and sizes with units.

mod plan;
mod state;

pub use plan::{Place, Plan, Planned, Reason, Refused};
pub use state::{Item, State};
