use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Socket;
use crate::commands::pool::Import as Asked;
use crate::commands::{self, Result};

/// `ullage pool`.
#[derive(Args, Debug)]
pub(super) struct Pool {
    #[command(flatten)]
    socket: Socket,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make volumes of the directories under hostlet's project quotas, in place; without --yes it is only said which
    Import(Import),
}

#[derive(Args, Debug)]
struct Import {
    /// The state file of hostlet: hostlet_vol_quota.json
    #[arg(long, env = "ULLAGE_HOSTLET", hide_env_values = true, value_name = "FILE")]
    hostlet: PathBuf,
    /// The pool, on the filesystem of the directories
    pool: String,
    /// The directory in which they lie [default: where /etc/projects says each is]
    #[arg(long, env = "ULLAGE_DIR", hide_env_values = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Only say what would be done, which is so without --yes too
    #[arg(long, env = "ULLAGE_DRY_RUN", hide_env_values = true, conflicts_with = "yes")]
    dry_run: bool,
    /// Do it; hostlet must have stopped
    #[arg(long, env = "ULLAGE_YES", hide_env_values = true)]
    yes: bool,
}

impl Pool {
    pub(super) fn run(self) -> Result<()> {
        let Verb::Import(import) = self.verb;
        commands::pool::import(&self.socket.socket, import.into())
    }
}

impl From<Import> for Asked {
    fn from(Import { hostlet, pool, dir, dry_run: _, yes }: Import) -> Self {
        Self { state: hostlet, pool, dir, apply: yes }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn asked(words: &str) -> Option<Asked> {
        let parsed = Cli::try_parse_from(["ullage", "pool", "import"].into_iter().chain(words.split(' ')));
        match parsed.ok()?.command {
            Command::Pool(Pool { verb: Verb::Import(import), .. }) => Some(import.into()),
            _ => None,
        }
    }

    #[test]
    fn nothing_is_done_before_somebody_says_yes() {
        let looked = Asked { state: "q.json".into(), pool: "fast".into(), dir: None, apply: false };
        assert_eq!(asked("--hostlet q.json fast").as_ref(), Some(&looked));
        assert_eq!(asked("--hostlet q.json fast --dry-run").as_ref(), Some(&looked));
        let done = Asked { dir: Some("/opt/apps".into()), apply: true, ..looked };
        assert_eq!(asked("--hostlet q.json fast --dir /opt/apps --yes"), Some(done));
        assert_eq!(asked("fast"), None);
        assert_eq!(asked("--hostlet q.json fast --yes --dry-run"), None);
    }
}
