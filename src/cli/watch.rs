use clap::Args;

use super::token::Places;
use crate::api::tokens::Settings;
use crate::commands::Result;
use crate::commands::watch::{self, Print, Secret};

/// `ullage watch`.
#[derive(Args, Debug)]
pub(super) struct Watch {
    /// The volume, by id or name [default: all]
    id: Option<String>,
    /// Where the quota API is
    #[arg(long, env = "ULLAGE_URL", hide_env_values = true, value_name = "URL", default_value = "ws://localhost:8070")]
    url: String,
    /// The token itself; a file is better, as others see what a program is started with
    #[arg(long, env = "ULLAGE_TOKEN", hide_env_values = true, value_name = "TOKEN", value_parser = secret)]
    token: Option<Secret>,
    #[command(flatten)]
    tokens: Places,
    /// How to print: text or json [default: text on a terminal, else json]
    #[arg(short, long, env = "ULLAGE_OUTPUT", hide_env_values = true, value_name = "FORMAT")]
    output: Option<Print>,
}

impl Watch {
    pub(super) fn run(self) -> Result<()> {
        watch::watch(self.into())
    }
}

impl From<Watch> for watch::Watch {
    fn from(watch: Watch) -> Self {
        let Watch { id, url, token, tokens, output } = watch;
        // An empty variable is one that is not set.
        let token = token.filter(|token| !token.is_empty());
        Self { id, url, token, tokens: tokens.settings(Settings::PRIVATE), print: output }
    }
}

/// Never an error: that would show it.
#[expect(clippy::unnecessary_wraps, reason = "a value parser returns a result")]
fn secret(text: &str) -> Result<Secret, String> {
    Ok(Secret::from(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn asked(words: &str) -> watch::Watch {
        match Cli::try_parse_from(words.split(' ')).unwrap().command {
            Command::Watch(watch) => watch.into(),
            _ => panic!("nothing to watch"),
        }
    }

    #[test]
    fn it_watches_the_volume_and_the_place_that_are_named() {
        let plain = asked("ullage watch");
        assert_eq!((plain.id, plain.url.as_str(), plain.print), (None, "ws://localhost:8070", None));
        assert_eq!(plain.tokens.master().path(), Path::new("/var/lib/ullage/token"));
        let named = asked("ullage watch db --url ws://h:1 --token-file /t --token lightd_x -o json");
        assert_eq!(named.id.as_deref(), Some("db"));
        assert_eq!(named.tokens.master().path(), Path::new("/t"));
        assert_eq!((named.token, named.print), (Some(Secret::from("lightd_x".to_owned())), Some(Print::Json)));
        assert_eq!(asked("ullage watch --token=").token, None);
        assert!(Cli::try_parse_from(["ullage", "watch", "-o", "yaml"]).is_err());
    }
}
