use std::path::PathBuf;

use clap::Args;

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
    /// The file with the token, such as a key of a mounted Secret [default: STATE_DIR/token]
    #[arg(long, env = "ULLAGE_TOKEN_FILE", hide_env_values = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The directory of the tokens that the server makes
    #[arg(
        long,
        env = "ULLAGE_STATE_DIR",
        hide_env_values = true,
        value_name = "DIR",
        default_value = "/var/lib/ullage"
    )]
    state_dir: PathBuf,
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
        let Watch { id, url, token, token_file, state_dir, output } = watch;
        // An empty variable is one that is not set.
        let token_file = token_file.filter(|file| !file.as_os_str().is_empty());
        let token = token.filter(|token| !token.is_empty());
        let tokens = Settings { token_file, state_dir, mode: Settings::PRIVATE };
        Self { id, url, token, tokens, print: output }
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
