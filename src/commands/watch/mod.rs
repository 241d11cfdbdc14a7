//! `ullage watch`: prints the frames of the WebSocket as they come.

mod line;
mod link;

use std::fmt;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::str::FromStr;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

pub use self::link::Error;
use self::link::{End, Link};
use super::Result;
use crate::api::tokens::Settings;

/// What is watched, and how it is printed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Watch {
    /// The volume; none: all.
    pub id: Option<String>,
    /// Where the quota API is: `ws://host:port`.
    pub url: String,
    /// The token, where it is given and not in a file.
    pub token: Option<Secret>,
    /// Where the token lies else.
    pub tokens: Settings,
    /// How frames are printed; none: as fits where they are printed to.
    pub print: Option<Print>,
}

/// A token as it was typed. Nothing shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// How frames are printed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Print {
    /// A short line, for people.
    Text,
    /// The frame as it came, for programs.
    Json,
}

/// Where frames are printed to.
struct Printer<W> {
    out: W,
    print: Print,
    colour: bool,
}

/// How long to wait before trying again: at first, and at most.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(15);

/// Watches until it is told to stop, which is a success. A connection that breaks is made again.
pub fn watch(watch: Watch) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(super::Error::step("start"))?;
    let out = io::stdout();
    let is_terminal = out.is_terminal();
    let print = watch.print.unwrap_or(if is_terminal { Print::Text } else { Print::Json });
    let colour = is_terminal && std::env::var_os("NO_COLOR").is_none();
    let mut printer = Printer { out, print, colour };
    let ended = runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(super::Error::step("listen for signals"))?;
        let mut say = |text: &str| said(text);
        tokio::select! {
            ended = follow(&watch, &mut printer, &mut say) => Ok(ended?),
            _ = tokio::signal::ctrl_c() => Ok(()),
            _ = terminate.recv() => Ok(()),
        }
    });
    // A look-up of a name may still be under way.
    runtime.shutdown_background();
    ended
}

/// Connects again and again. It ends when that is of no use, and when nobody reads what is printed.
async fn follow<W: Write>(
    watch: &Watch,
    printer: &mut Printer<W>,
    said: &mut impl FnMut(&str),
) -> std::result::Result<(), Error> {
    let (mut wait, mut was_there) = (FIRST, false);
    loop {
        let token = watch.token()?;
        let broke = match Link::connect(&watch.url, watch.id.as_deref(), &token).await {
            Ok(mut link) => {
                said(&format!("connected to {}", watch.url));
                (wait, was_there) = (FIRST, true);
                match link.read(|frame| printer.print(frame)).await? {
                    End::Unread => return Ok(()),
                    End::Unauthorized if watch.token()? == token => return Err(Error::TokenEnded),
                    // Another token lies there by now.
                    End::Unauthorized => continue,
                    End::Broke(reason) => reason,
                }
            }
            Err(error) if error.is_final() || !was_there => return Err(error),
            Err(error) => error.to_string(),
        };
        said(&format!("{broke}; trying again in {:.1} s", wait.as_secs_f64()));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST);
    }
}

/// What is no frame, to standard error.
fn said(text: &str) {
    let _ = writeln!(io::stderr(), "ullage: {text}");
}

impl Watch {
    fn token(&self) -> std::result::Result<String, Error> {
        match &self.token {
            Some(Secret(token)) => Ok(token.clone()),
            None => Ok(self.tokens.master().read()?.as_str().to_owned()),
        }
    }
}

impl<W: Write> Printer<W> {
    /// Prints a frame; whether somebody reads it.
    fn print(&mut self, frame: &str) -> io::Result<bool> {
        let text = match self.print {
            Print::Json => frame.to_owned(),
            Print::Text => line::line(frame, self.colour),
        };
        match writeln!(self.out, "{text}").and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            done => done.map(|()| true),
        }
    }
}

impl FromStr for Print {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("write text or json".to_owned()),
        }
    }
}

impl Secret {
    /// Whether it is nothing at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<String> for Secret {
    fn from(token: String) -> Self {
        Self(token)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests;
