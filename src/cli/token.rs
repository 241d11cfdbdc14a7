use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::api::tokens::Settings;
use crate::commands::Result;
use crate::commands::token::{self, Action};

/// `ullage token`.
#[derive(Args, Debug)]
pub(super) struct Token {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Clone, Copy, Debug)]
enum Verb {
    /// Print the token
    What,
    /// Replace it by a new one and print that; the old one is refused within a second
    Reset,
    /// Replace it by the one on standard input
    Set,
}

/// Where the tokens of the quota API are.
#[derive(Args, Clone, Debug)]
pub(super) struct Places {
    /// The file with the token, such as a key of a mounted Secret [default: STATE_DIR/token]
    #[arg(long, env = "ULLAGE_TOKEN_FILE", hide_env_values = true, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// The directory of the tokens that are made here
    #[arg(
        long,
        env = "ULLAGE_STATE_DIR",
        hide_env_values = true,
        value_name = "DIR",
        default_value = "/var/lib/ullage",
        global = true
    )]
    state_dir: PathBuf,
}

impl Token {
    pub(super) fn run(self) -> Result<()> {
        let action = match self.verb {
            Verb::What => Action::What,
            Verb::Reset => Action::Reset,
            Verb::Set => Action::Set,
        };
        token::token(&self.places.settings(Settings::PRIVATE), action)
    }
}

impl Places {
    /// With the mode of a token's file that has to be made.
    pub(super) fn settings(self, mode: u32) -> Settings {
        // An empty variable is one that is not set: an empty path is no file.
        let token_file = self.token_file.filter(|file| !file.as_os_str().is_empty());
        Settings { token_file, state_dir: self.state_dir, mode }
    }
}

/// Lightd spells it `--token what`: as the first word that is `token what`.
pub(super) fn spelt(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<_> = words.into_iter().collect();
    let Some(first) = words.get(1).and_then(|word| word.to_str()) else { return words };
    match first.strip_prefix("--token") {
        Some("") => words[1] = "token".into(),
        Some(rest) if rest.starts_with('=') => {
            let verb = OsString::from(&rest[1..]);
            words.splice(1..2, ["token".into(), verb]);
        }
        _ => {}
    }
    words
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::super::{Cli, Command};
    use super::*;

    fn token(words: &str) -> (String, Settings) {
        let words = spelt(words.split(' ').map(OsString::from));
        match Cli::try_parse_from(words).unwrap().command {
            Command::Token(token) => (format!("{:?}", token.verb), token.places.settings(0o600)),
            _ => panic!("not a token"),
        }
    }

    #[test]
    fn both_spellings_mean_the_same() {
        for (words, verb) in [
            ("ullage token what", "What"),
            ("ullage --token what", "What"),
            ("ullage --token=reset", "Reset"),
            ("ullage --token set", "Set"),
        ] {
            let (found, settings) = token(words);
            assert_eq!(found, verb, "{words}");
            assert_eq!(settings.master().path(), Path::new("/var/lib/ullage/token"));
        }
        for words in ["ullage --token what --state-dir /s", "ullage token --state-dir /s what"] {
            assert_eq!(token(words).1.master().path(), Path::new("/s/token"));
        }
        assert_eq!(token("ullage --token what --token-file /f").1.master().path(), Path::new("/f"));
    }

    #[test]
    fn only_the_first_word_is_spelt_so() {
        for words in [&["ullage"][..], &["ullage", "--token-file", "x"], &["ullage", "volume", "--token"]] {
            let words: Vec<_> = words.iter().map(OsString::from).collect();
            assert_eq!(spelt(words.clone()), words);
        }
    }
}
