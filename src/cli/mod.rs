//! Words on a command line, and what they ask of [`crate::commands`].

mod cluster;
mod inject;
mod interval;
mod pool;
mod quota;
mod roles;
mod token;
mod volume;
mod watch;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::commands::{self, Result};
use crate::rpc::socket;

/// Volumes of a fixed size on this machine's own disk, for Kubernetes and for one host alone.
///
/// To begin: `ullage standalone --pool /srv/ullage` in one terminal, `ullage volume create db --size 2Gi` in another.
#[derive(Parser, Debug)]
#[command(name = "ullage", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Serve the pools of a Kubernetes node (CSI identity, controller and node services)
    Driver(roles::Driver),
    /// Serve one directory on this host, without a cluster
    Standalone(roles::Standalone),
    /// Serve the quota API beside volumes that are mounted here: in a pod, without privileges
    QuotaApi(quota::QuotaApi),
    /// Create, mount, measure, grow and delete volumes of the running process
    Volume(volume::Volume),
    /// Take over what another program has left on the disk of a pool of the running process
    Pool(pool::Pool),
    /// Print or replace the token of the quota API (also: --token what|reset|set)
    Token(token::Token),
    /// Print what the quota API says of volumes, as it happens: levels, alerts, sizes
    Watch(watch::Watch),
    /// Ask the Kubernetes cluster of the own pod, as the chart does before it uninstalls or upgrades
    Cluster(cluster::Cluster),
    /// Put the quota API into manifests, beside every volume that a pod claims: a stream in, a stream out
    Inject(inject::Inject),
}

/// Where the running process listens.
#[derive(Args, Clone, Debug)]
struct Socket {
    /// The unix socket: a path, or unix:///path
    #[arg(long, visible_alias = "csi-endpoint", env = "ULLAGE_SOCKET", hide_env_values = true, value_name = "PATH",
          default_value = "/run/ullage/csi.sock", value_parser = socket::parse, global = true)]
    socket: PathBuf,
}

/// Does what the command line says; an error is one line on standard error.
pub fn main() -> ExitCode {
    match Cli::parse_from(token::spelt(std::env::args_os())).command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{}: {error}", error.speaker());
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> Result<()> {
        match self {
            Self::Driver(driver) => commands::driver(driver.into()),
            Self::Standalone(standalone) => commands::standalone(standalone.asked()?),
            Self::QuotaApi(role) => commands::quota_api(role.asked()?),
            Self::Volume(volume) => volume.run(),
            Self::Pool(pool) => pool.run(),
            Self::Token(token) => token.run(),
            Self::Watch(watch) => watch.run(),
            Self::Cluster(cluster) => cluster.run(),
            Self::Inject(inject) => inject.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_words_do_not_contradict_themselves() {
        Cli::command().debug_assert();
    }

    /// Every flag below a command, with the name of the command that has it.
    fn flags(command: &clap::Command) -> Vec<(String, Option<String>)> {
        let own = command.get_arguments().filter_map(|flag| {
            let variable = flag.get_env().map(|name| name.to_string_lossy().into_owned());
            Some((format!("{} --{}", command.get_name(), flag.get_long()?), variable))
        });
        own.chain(command.get_subcommands().flat_map(flags)).collect()
    }

    #[test]
    fn every_flag_has_its_variable_and_no_two_meanings_share_one() {
        let all = flags(&Cli::command());
        assert!(all.len() > 20, "{all:?}");
        for (flag, variable) in &all {
            let name = flag.rsplit("--").next().unwrap().to_uppercase().replace('-', "_");
            let plain = variable.as_deref() == Some(&format!("ULLAGE_{name}"));
            let of_volume = variable.as_deref() == Some(&format!("ULLAGE_VOLUME_{name}"));
            // One variable for a flag that is repeated.
            let of_many = flag.ends_with("--volume") && variable.as_deref() == Some("ULLAGE_VOLUMES");
            assert!(plain || of_volume || of_many, "{flag}: {variable:?}");
        }
    }
}
