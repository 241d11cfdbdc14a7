use std::time::Duration;

use clap::Args;

use super::roles::{Telling, is_on};
use super::token::Places;
use crate::api::Origins;
use crate::api::pod::parse_volumes_of;
use crate::api::tokens::Settings;
use crate::commands::{self, LOOPBACK};
use crate::model::{Bytes, Limits, Share, Thresholds, parse_quantity};

/// The flags of the quota API, in every role that serves it.
#[derive(Args, Debug)]
pub(super) struct Quota {
    /// Where the quota API listens: host:port, several with commas, or off
    #[arg(long, env = "ULLAGE_LISTEN", hide_env_values = true, value_name = "ADDRESS", value_delimiter = ',',
          default_values = LOOPBACK)]
    listen: Vec<String>,
    /// Pages of which origins a browser may let ask (https://host[:port]), several with commas [default: any]
    #[arg(
        long,
        env = "ULLAGE_ALLOW_ORIGIN",
        hide_env_values = true,
        value_name = "ORIGIN",
        value_delimiter = ',',
        value_parser = origin
    )]
    allow_origin: Vec<String>,
    /// How many requests a second a token may make, and twice that at once; 0: any number
    #[arg(long, env = "ULLAGE_RATE_LIMIT", hide_env_values = true, value_name = "NUMBER", default_value_t = 200)]
    rate_limit: u32,
    #[command(flatten)]
    tokens: Places,
    #[command(flatten)]
    levels: Levels,
}

/// When a volume is nearly full, and full: in every role that watches volumes.
#[derive(Args, Debug)]
pub(super) struct Levels {
    /// A volume is full when more than this share is used
    #[arg(long, env = "ULLAGE_FULL_PERCENT", hide_env_values = true, value_name = "PERCENT", default_value = "95")]
    full_percent: Share,
    /// It is full, too, when less than this can be written
    #[arg(long, env = "ULLAGE_FULL_BELOW", hide_env_values = true, value_name = "SIZE", default_value = "10Mi",
          value_parser = parse_quantity)]
    full_below: Bytes,
    /// It is nearly full when more than this share is used
    #[arg(long, env = "ULLAGE_WARNING_PERCENT", hide_env_values = true, value_name = "PERCENT", default_value = "80")]
    warning_percent: Share,
}

/// `ullage quota-api`.
#[derive(Args, Debug)]
#[command(mut_arg("state_dir", |flag| flag.default_value("/run/ullage")))]
pub(super) struct QuotaApi {
    /// A volume that is mounted here: NAME=PATH[,pvc=CLAIM][,size=2Gi]; may be repeated (ULLAGE_VOLUMES: several with ;)
    #[arg(long = "volume", value_name = "NAME=PATH", env = "ULLAGE_VOLUMES", hide_env_values = true, required = true)]
    volumes: Vec<String>,
    /// Make a claim of this StorageClass for a client that wants a volume, instead of handing out those of the pod
    #[arg(long, env = "ULLAGE_PROVISION", hide_env_values = true, value_name = "CLASS")]
    provision: Option<String>,
    /// How many seconds a resize is waited for
    #[arg(long, env = "ULLAGE_RESIZE_WAIT", hide_env_values = true, value_name = "SECONDS", default_value_t = 20)]
    resize_wait: u64,
    #[command(flatten)]
    quota: Quota,
    #[command(flatten)]
    telling: Telling,
}

impl Quota {
    /// What was asked for; a token file that has to be made gets that mode.
    pub(super) fn asked(self, mode: u32) -> commands::Result<commands::Quota> {
        Ok(commands::Quota {
            listen: self.listen.into_iter().filter(|address| is_on(address)).collect(),
            origins: if self.allow_origin.is_empty() { Origins::Any } else { Origins::Listed(self.allow_origin) },
            rate: self.rate_limit,
            tokens: self.tokens.settings(mode),
            thresholds: Thresholds::new(self.levels.limits())?,
        })
    }
}

impl Levels {
    pub(super) fn limits(&self) -> Limits {
        Limits::beginning(self.full_below, self.full_percent, self.warning_percent)
    }
}

impl QuotaApi {
    pub(super) fn asked(self) -> commands::Result<commands::QuotaApi> {
        Ok(commands::QuotaApi {
            volumes: parse_volumes_of(&self.volumes.join(";"))?,
            provision: self.provision,
            resize_wait: Duration::from_secs(self.resize_wait),
            quota: self.quota.asked(Settings::SHARED)?,
            metrics: self.telling.metrics(),
            log_level: self.telling.log_level,
            log_format: self.telling.log_format,
        })
    }
}

/// An origin has no path, and a browser sends it in lower case.
fn origin(text: &str) -> Result<String, String> {
    let wrong = || "write https://host[:port], without a path".to_owned();
    let (scheme, host) = text.split_once("://").ok_or_else(wrong)?;
    let is_right = matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains(['/', ' ', '*', '@']);
    if is_right { Ok(text.to_ascii_lowercase()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    /// What is served by `ullage standalone` or `ullage quota-api`, with the least that each must be told.
    fn quota(role: &str, words: &str) -> commands::Quota {
        let least = if role == "standalone" { "--pool p" } else { "--volume data=/data" };
        let line = format!("ullage {role} {least} {words}");
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::Standalone(standalone) => standalone.asked().unwrap().quota,
            Command::QuotaApi(role) => role.asked().unwrap().quota,
            _ => panic!("no role"),
        }
    }

    fn pod(words: &str) -> commands::QuotaApi {
        let line = format!("ullage quota-api {words}");
        match Cli::try_parse_from(line.split_whitespace()).unwrap().command {
            Command::QuotaApi(role) => role.asked().unwrap(),
            _ => panic!("no role"),
        }
    }

    #[test]
    fn a_pod_is_served_with_its_own_defaults() {
        let role = pod("--volume data=/data,pvc=c --volume logs=/logs");
        assert_eq!(role.metrics.as_deref(), Some(":9870"));
        assert_eq!((role.resize_wait, role.provision), (Duration::from_secs(20), None));
        let names: Vec<_> = role.volumes.iter().map(|volume| volume.name.as_str()).collect();
        assert_eq!(names, ["data", "logs"]);
        let role = pod("--volume data=/data --metrics-listen off --resize-wait 3 --provision fast");
        assert_eq!((role.metrics, role.resize_wait), (None, Duration::from_secs(3)));
        assert_eq!(role.provision.as_deref(), Some("fast"));
        assert!(Cli::try_parse_from(["ullage", "quota-api"]).is_err(), "it needs a volume");
    }

    #[test]
    fn each_role_keeps_its_tokens_where_they_can_be_read() {
        for (role, state_dir, mode) in [("standalone", "/var/lib/ullage", 0o600), ("quota-api", "/run/ullage", 0o644)] {
            let tokens = quota(role, "").tokens;
            assert_eq!((tokens.state_dir.as_path(), tokens.mode), (Path::new(state_dir), mode), "{role}");
            assert_eq!(tokens.token_file, None);
            let tokens = quota(role, "--state-dir /s --token-file /t").tokens;
            assert_eq!((tokens.state_dir.as_path(), tokens.token_file), (Path::new("/s"), Some("/t".into())), "{role}");
        }
    }

    #[test]
    fn both_roles_listen_on_loopback_and_take_the_same_words() {
        for role in ["standalone", "quota-api"] {
            let plain = quota(role, "");
            assert_eq!(
                (&plain.listen[..], plain.rate),
                (&["127.0.0.1:8070", "[::1]:8070"].map(str::to_owned)[..], 200)
            );
            assert_eq!((&plain.origins, plain.thresholds), (&Origins::Any, Thresholds::default()));
            assert_eq!(quota(role, "--listen off").listen, [""; 0]);
            assert_eq!(quota(role, "--listen a:1,b:2 --listen c:3").listen, ["a:1", "b:2", "c:3"]);
            assert_eq!(quota(role, "--rate-limit 0").rate, 0);
            let origins = quota(role, "--allow-origin https://A.example").origins;
            assert_eq!(origins, Origins::Listed(vec!["https://a.example".to_owned()]));
            let levels = "--full-percent 90 --warning-percent 70 --full-below 20Mi";
            let share = |text: &str| text.parse().unwrap();
            let limits = Limits::beginning(Bytes::mib(20), share("90"), share("70"));
            assert_eq!(quota(role, levels).thresholds, Thresholds::new(limits).unwrap(), "{role}");
        }
        let line = ["ullage", "standalone", "--pool", "p", "--allow-origin", "a.example"];
        assert!(Cli::try_parse_from(line).unwrap_err().to_string().contains("https://host[:port]"));
    }
}
