use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;

use super::quota::{Levels, Quota};
use super::{Socket, interval};
use crate::api::tokens::Settings;
use crate::commands::{self, Doors};
use crate::config::Overrides;
use crate::observe::log::{Format, Level};
use crate::rpc::socket;

/// `ullage driver`.
#[derive(Args, Debug)]
pub(super) struct Driver {
    /// The configuration: which pools there are, and what a volume gets that does not say
    #[arg(
        long,
        env = "ULLAGE_CONFIG",
        hide_env_values = true,
        value_name = "FILE",
        default_value = "/etc/ullage/config.yaml"
    )]
    config: PathBuf,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    kubelet: Kubelet,
    #[command(flatten)]
    telling: Telling,
    /// Post Kubernetes events on the claims and pods of this node's volumes: nearly full, out of storage, room again
    #[arg(long, env = "ULLAGE_EVENTS", hide_env_values = true, value_parser = FalseyValueParser::new())]
    events: bool,
    #[command(flatten)]
    levels: Levels,
    #[command(flatten)]
    audits: Audits,
}

#[derive(Args, Debug)]
struct Kubelet {
    /// A second unix socket, for the kubelet: CSI alone, mode 0600
    #[arg(long, env = "ULLAGE_KUBELET_SOCKET", hide_env_values = true, value_name = "PATH", value_parser = socket::parse)]
    kubelet_socket: Option<PathBuf>,
    /// Register with the kubelet that watches this directory (/var/lib/kubelet/plugins_registry)
    #[arg(
        long,
        env = "ULLAGE_REGISTRATION_DIR",
        hide_env_values = true,
        value_name = "DIR",
        requires = "kubelet_socket"
    )]
    registration_dir: Option<PathBuf>,
}

/// `ullage standalone`.
#[derive(Args, Debug)]
#[command(mut_arg("metrics_listen", |flag| flag.default_value("off")))]
pub(super) struct Standalone {
    /// The directory in which volumes live; it is made where it is missing
    #[arg(long, env = "ULLAGE_POOL", hide_env_values = true, value_name = "DIR")]
    pool: PathBuf,
    /// How its volumes are made: loop (images on loop devices) or quota (directories under a project quota, on XFS or ext4
    /// mounted with prjquota)
    #[arg(long, env = "ULLAGE_BACKEND", hide_env_values = true, value_name = "BACKEND", default_value = "loop")]
    backend: String,
    #[command(flatten)]
    names: Names,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    telling: Telling,
    /// Where volumes are mounted that are made through the quota API
    #[arg(
        long,
        env = "ULLAGE_MOUNT_DIR",
        hide_env_values = true,
        value_name = "DIR",
        default_value = "/run/ullage/mnt"
    )]
    mount_dir: PathBuf,
    #[command(flatten)]
    quota: Quota,
    #[command(flatten)]
    audits: Audits,
}

#[derive(Args, Debug)]
struct Audits {
    /// How often every file of volumes in quota pools is looked at, whether it is in its project: 1h, 30m, 90s; 0: never
    #[arg(
        long,
        env = "ULLAGE_AUDIT_INTERVAL",
        hide_env_values = true,
        value_name = "TIME",
        default_value = "1h",
        value_parser = interval::parse
    )]
    audit_interval: Duration,
}

#[derive(Args, Debug)]
struct Names {
    /// The node's name in topologies [default: $NODE_NAME, the configuration; standalone: the host's name]
    #[arg(long, env = "ULLAGE_NODE_NAME", hide_env_values = true, value_name = "NAME")]
    node_name: Option<String>,
    /// The CSI driver's name [default: the configuration, or csi.ullage.dev]
    #[arg(long, env = "ULLAGE_DRIVER_NAME", hide_env_values = true, value_name = "NAME")]
    driver_name: Option<String>,
}

#[derive(Args, Debug)]
struct Serving {
    #[command(flatten)]
    socket: Socket,
    /// Let this group connect too (mode 0660 instead of 0600): whoever may, may mount volumes anywhere
    #[arg(long, env = "ULLAGE_SOCKET_GROUP", hide_env_values = true, value_name = "GROUP")]
    socket_group: Option<String>,
}

/// What a role tells of itself.
#[derive(Args, Debug)]
pub(super) struct Telling {
    /// Metrics, /healthz and /readyz: [host]:port, or off
    #[arg(
        long,
        env = "ULLAGE_METRICS_LISTEN",
        hide_env_values = true,
        value_name = "ADDRESS",
        default_value = ":9870"
    )]
    metrics_listen: String,
    /// How much the log says: error, warn, info, debug, trace, or 0 to 4
    #[arg(long, env = "ULLAGE_LOG_LEVEL", hide_env_values = true, value_name = "LEVEL", default_value = "info")]
    pub(super) log_level: Level,
    /// How the log says it: json, text or nice
    #[arg(long, env = "ULLAGE_LOG_FORMAT", hide_env_values = true, value_name = "FORMAT", default_value = "text")]
    pub(super) log_format: Format,
}

impl From<Driver> for commands::Driver {
    fn from(driver: Driver) -> Self {
        let Driver { config, names, serving, kubelet, telling, events, levels, audits } = driver;
        Self {
            config,
            overrides: names.overrides(),
            doors: serving.doors(telling),
            kubelet: kubelet.asked(),
            limits: levels.limits(),
            events,
            audits: audits.audit_interval,
        }
    }
}

impl Kubelet {
    fn asked(self) -> Option<commands::Kubelet> {
        let Self { kubelet_socket, registration_dir } = self;
        kubelet_socket.map(|socket| commands::Kubelet { socket, registration_dir })
    }
}

impl Standalone {
    pub(super) fn asked(self) -> commands::Result<commands::Standalone> {
        let Self { pool, backend, names, serving, telling, mount_dir, quota, audits } = self;
        Ok(commands::Standalone {
            pool,
            backend,
            overrides: names.overrides(),
            doors: serving.doors(telling),
            mount_dir,
            quota: quota.asked(Settings::PRIVATE)?,
            audits: audits.audit_interval,
        })
    }
}

impl Names {
    fn overrides(self) -> Overrides {
        let node_env = std::env::var("NODE_NAME").ok();
        Overrides { driver_name: self.driver_name, node_name: self.node_name, node_env }
    }
}

impl Serving {
    fn doors(self, telling: Telling) -> Doors {
        Doors {
            socket: self.socket.socket,
            group: self.socket_group.filter(|group| !group.is_empty()), // a variable that nobody has filled in
            metrics: telling.metrics(),
            log_level: telling.log_level,
            log_format: telling.log_format,
        }
    }
}

impl Telling {
    /// The address of metrics, unless they are off.
    pub(super) fn metrics(&self) -> Option<String> {
        Some(self.metrics_listen.clone()).filter(|address| is_on(address))
    }
}

/// Whether an address is one to listen at.
pub(super) fn is_on(address: &str) -> bool {
    !matches!(address, "" | "off")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;
    use crate::model::Limits;

    fn doors(words: &str) -> Doors {
        match Cli::try_parse_from(words.split(' ')).unwrap().command {
            Command::Driver(driver) => commands::Driver::from(driver).doors,
            Command::Standalone(standalone) => standalone.asked().unwrap().doors,
            _ => panic!("no role"),
        }
    }

    #[test]
    fn a_driver_shows_its_metrics_and_standalone_does_not() {
        assert_eq!(doors("ullage driver").metrics.as_deref(), Some(":9870"));
        assert_eq!(doors("ullage driver --metrics-listen off").metrics, None);
        assert_eq!(doors("ullage standalone --pool p").metrics, None);
        assert_eq!(doors("ullage standalone --pool p --metrics-listen :1").metrics.as_deref(), Some(":1"));
    }

    #[test]
    fn a_socket_is_a_path_or_an_endpoint() {
        assert_eq!(doors("ullage driver").socket, Path::new("/run/ullage/csi.sock"));
        assert_eq!(doors("ullage driver --csi-endpoint unix:///csi/csi.sock").socket, Path::new("/csi/csi.sock"));
        assert!(Cli::try_parse_from(["ullage", "driver", "--socket", "csi.sock"]).is_err());
    }

    #[test]
    fn an_empty_group_is_none() {
        let words = |group| Cli::try_parse_from(["ullage", "driver", "--socket-group", group]).unwrap().command;
        for (group, expected) in [("", None), ("disk", Some("disk"))] {
            let Command::Driver(driver) = words(group) else { panic!("no driver") };
            assert_eq!(commands::Driver::from(driver).doors.group.as_deref(), expected);
        }
    }

    fn kubelet(words: &str) -> Option<commands::Kubelet> {
        match Cli::try_parse_from(words.split(' ')).unwrap().command {
            Command::Driver(driver) => commands::Driver::from(driver).kubelet,
            _ => panic!("no driver"),
        }
    }

    #[test]
    fn a_kubelet_hears_of_its_own_socket_alone() {
        assert_eq!(kubelet("ullage driver"), None);
        let (socket, dir) = ("/plugins/csi.ullage.dev/csi.sock", "/plugins_registry");
        let served = |registration_dir: Option<&str>| {
            Some(commands::Kubelet { socket: socket.into(), registration_dir: registration_dir.map(Into::into) })
        };
        assert_eq!(kubelet(&format!("ullage driver --kubelet-socket {socket}")), served(None));
        let both = format!("ullage driver --kubelet-socket unix://{socket} --registration-dir {dir}");
        assert_eq!(kubelet(&both), served(Some(dir)));
        let said = Cli::try_parse_from(["ullage", "driver", "--registration-dir", dir]).unwrap_err().to_string();
        assert!(said.contains("--kubelet-socket <PATH>"), "{said}");
    }

    #[test]
    fn a_driver_posts_events_where_it_is_told_to_and_is_told_what_is_full() {
        let asked = |words: &str| match Cli::try_parse_from(words.split(' ')).unwrap().command {
            Command::Driver(driver) => commands::Driver::from(driver),
            _ => panic!("no driver"),
        };
        assert!(!asked("ullage driver").events && asked("ullage driver --events").events);
        assert_eq!(asked("ullage driver").limits, Limits::default());
        let limits = asked("ullage driver --warning-percent 70 --full-percent 90").limits;
        assert_eq!((limits.warning_above, limits.full_above), ("70".parse().unwrap(), "90".parse().unwrap()));
    }

    #[test]
    fn files_are_audited_every_hour_unless_somebody_says_otherwise() {
        let audits = |words: &str| match Cli::try_parse_from(words.split(' ')).unwrap().command {
            Command::Driver(driver) => commands::Driver::from(driver).audits,
            Command::Standalone(standalone) => standalone.asked().unwrap().audits,
            _ => panic!("no role"),
        };
        assert_eq!(audits("ullage driver"), Duration::from_secs(3600));
        assert_eq!(audits("ullage standalone --pool p --audit-interval 0"), Duration::ZERO);
        assert_eq!(audits("ullage driver --audit-interval 10m"), Duration::from_secs(600));
    }

    #[test]
    fn a_standalone_needs_its_pool() {
        let said = Cli::try_parse_from(["ullage", "standalone"]).unwrap_err();
        assert_eq!(said.exit_code(), 2);
    }
}
