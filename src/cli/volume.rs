use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Socket;
use crate::commands::volume::{self as asked, Action, Output};
use crate::commands::{self, Result};
use crate::model::{Bytes, parse_quantity};

/// `ullage volume`.
#[derive(Args, Debug)]
pub(super) struct Volume {
    #[command(flatten)]
    socket: Socket,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make a volume: its space is reserved, its filesystem ready
    Create(Create),
    /// Show a volume at a path, ready to be written to
    Mount(Mount),
    /// Take a volume off a path; its data stays
    Unmount(Unmount),
    /// List the volumes, and what is wrong with pools and records
    List(Printed),
    /// Print everything about a volume
    Inspect(Named),
    /// Print how full a volume is
    Usage(Named),
    /// Make a volume larger, also while it is written to; or smaller: one of a quota pool, or an ext4 of `ullage standalone`
    Resize(Resize),
    /// Delete a volume and all that is in it; it must not be mounted
    Delete(Delete),
}

#[derive(Args, Debug)]
struct Create {
    /// What the volume is called
    name: String,
    /// Its size, such as 2Gi, 500M or "1.5 GiB" [default: 1Gi, or what the configuration says]
    #[arg(long, env = "ULLAGE_VOLUME_SIZE", hide_env_values = true, value_parser = parse_quantity)]
    size: Option<Bytes>,
    /// Its filesystem: xfs or ext4 [default: xfs from 300Mi up]
    #[arg(long, env = "ULLAGE_VOLUME_FS", hide_env_values = true, value_name = "FS")]
    fs: Option<String>,
    /// Take space only as it is written, instead of reserving it
    #[arg(long, env = "ULLAGE_VOLUME_SPARSE", hide_env_values = true)]
    sparse: bool,
    /// A raw block device instead of a filesystem
    #[arg(long, env = "ULLAGE_VOLUME_BLOCK", hide_env_values = true)]
    block: bool,
    /// The pool in which it shall lie [default: the first]
    #[arg(long, env = "ULLAGE_VOLUME_POOL", hide_env_values = true, value_name = "NAME")]
    pool: Option<String>,
    /// A parameter as in a StorageClass, such as uid=1000 or mode=0750; may be repeated (the variable holds one)
    #[arg(long, env = "ULLAGE_VOLUME_PARAM", hide_env_values = true, value_name = "KEY=VALUE", value_parser = parameter)]
    param: Vec<(String, String)>,
}

#[derive(Args, Debug)]
struct Mount {
    /// The volume
    name: String,
    /// An empty directory, or the name of a new one; for a block volume that of a new file
    path: PathBuf,
    /// Refuse writes there
    #[arg(long, env = "ULLAGE_VOLUME_READ_ONLY", hide_env_values = true)]
    read_only: bool,
}

#[derive(Args, Debug)]
struct Unmount {
    /// The volume
    name: String,
    /// Where it is mounted [default: everywhere]
    path: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Resize {
    /// The volume
    name: String,
    /// Its new size
    #[arg(long, env = "ULLAGE_VOLUME_SIZE", hide_env_values = true, value_parser = parse_quantity)]
    size: Bytes,
}

#[derive(Args, Debug)]
struct Delete {
    /// The volume
    name: String,
}

#[derive(Args, Debug)]
struct Named {
    /// The volume
    name: String,
    #[command(flatten)]
    printed: Printed,
}

#[derive(Args, Debug)]
struct Printed {
    /// How to print: table, json or yaml
    #[arg(
        short,
        long,
        env = "ULLAGE_VOLUME_OUTPUT",
        hide_env_values = true,
        value_name = "FORMAT",
        default_value = "table"
    )]
    output: Output,
}

impl Volume {
    pub(super) fn run(self) -> Result<()> {
        commands::volume::volume(&self.socket.socket, self.verb.into())
    }
}

impl From<Verb> for Action {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Create(Create { name, size, fs, sparse, block, pool, param: parameters }) => {
                Self::Create(asked::Create { name, size, fs, sparse, block, pool, parameters })
            }
            Verb::Mount(Mount { name, path, read_only }) => Self::Mount(asked::Mount { name, path, read_only }),
            Verb::Unmount(Unmount { name, path }) => Self::Unmount(asked::Unmount { name, path }),
            Verb::List(printed) => Self::List(printed.output),
            Verb::Inspect(Named { name, printed }) => Self::Inspect(name, printed.output),
            Verb::Usage(Named { name, printed }) => Self::Usage(name, printed.output),
            Verb::Resize(Resize { name, size }) => Self::Resize(name, size),
            Verb::Delete(Delete { name }) => Self::Delete(name),
        }
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| "write KEY=VALUE".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn action(words: &str) -> Action {
        match Cli::try_parse_from(["ullage", "volume"].into_iter().chain(words.split(' '))).unwrap().command {
            Command::Volume(volume) => volume.verb.into(),
            _ => panic!("not a volume"),
        }
    }

    #[test]
    fn volumes_are_asked_for_as_the_readme_says() {
        let create = asked::Create {
            name: "db".into(),
            size: Some(Bytes::gib(2)),
            fs: Some("xfs".into()),
            sparse: true,
            pool: Some("fast".into()),
            parameters: vec![("uid".into(), "1".into()), ("mode".into(), "".into())],
            ..asked::Create::default()
        };
        let words = "create db --size 2Gi --fs xfs --sparse --pool fast --param uid=1 --param mode=";
        assert_eq!(action(words), Action::Create(create));
        let mount = asked::Mount { name: "db".into(), path: "/mnt/db".into(), read_only: false };
        assert_eq!(action("mount db /mnt/db"), Action::Mount(mount));
        assert_eq!(action("unmount db"), Action::Unmount(asked::Unmount { name: "db".into(), path: None }));
        assert_eq!(action("list -o yaml"), Action::List(Output::Yaml));
        assert_eq!(action("usage db"), Action::Usage("db".into(), Output::Table));
        assert_eq!(action("resize db --size 4Gi"), Action::Resize("db".into(), Bytes::gib(4)));
        assert_eq!(action("list --socket /run/other.sock"), Action::List(Output::Table));
    }

    #[test]
    fn a_parameter_keeps_its_commas() {
        let Action::Create(create) = action("create db --param csi.storage.k8s.io/pvc/name=a,b=c,,d --param uid=1")
        else {
            panic!("not a creation")
        };
        let name = ("csi.storage.k8s.io/pvc/name".to_owned(), "a,b=c,,d".to_owned());
        assert_eq!(create.parameters, [name, ("uid".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_wrong_word_is_named() {
        for (words, said) in [
            (["create", "db", "--size", "100m"].as_slice(), "'100m' is not a size"),
            (&["create", "db", "--param", "uid"], "write KEY=VALUE"),
            (&["list", "-o", "xml"], "write table, json or yaml"),
            (&["resize", "db"], "--size"),
        ] {
            let error = Cli::try_parse_from(["ullage", "volume"].iter().chain(words)).unwrap_err();
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
