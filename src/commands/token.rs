//! `ullage token`: prints and replaces the master token of the quota API. A running server follows by itself.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};

use super::volume::output;
use super::{Error, Result};
use crate::api::tokens::{Settings, Token};

/// What is done with the token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Prints it.
    What,
    /// Replaces it by a new one, and prints that.
    Reset,
    /// Replaces it by the one on standard input.
    Set,
}

/// More than any token, so that one that is too long is seen to be.
const LONGEST: u64 = 4096;

/// Does it, in the files that a server with these settings has.
pub fn token(settings: &Settings, action: Action) -> Result<()> {
    let file = settings.master();
    match action {
        Action::What => output::say(file.read()?.as_str()),
        Action::Reset => {
            let token = Token::generate()?;
            file.replace(&token)?;
            output::say(token.as_str())
        }
        Action::Set => {
            let token = typed()?;
            file.replace(&token)?;
            output::say(&format!("the token is set in {}", file.path().display()))
        }
    }
}

/// One line of standard input, without its end.
fn typed() -> Result<Token> {
    let input = io::stdin();
    if input.is_terminal() {
        // To standard error: what is printed is the answer. Without the prompt it works all the same.
        let _ = write!(io::stderr(), "Token: ");
    }
    let mut line = Vec::new();
    BufReader::new(input.take(LONGEST)).read_until(b'\n', &mut line).map_err(Error::step("read the token"))?;
    let text = String::from_utf8_lossy(&line);
    Ok(Token::parse(text.trim_end_matches(['\n', '\r']))?)
}
