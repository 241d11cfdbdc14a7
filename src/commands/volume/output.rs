//! The only place that writes to standard output.

use std::io::{self, ErrorKind, Write};
use std::str::FromStr;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Error, Result};
use crate::yaml;

/// How an answer is printed.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
    /// For both.
    Yaml,
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            "yaml" => Ok(Self::Yaml),
            _ => Err("write table, json or yaml".to_owned()),
        }
    }
}

impl Output {
    /// Prints a value, for people by `table`.
    pub(super) fn print<T: Serialize>(self, value: &T, table: impl FnOnce(&T) -> String) -> Result<()> {
        let text = match self {
            Self::Table => table(value),
            Self::Json => serde_json::to_string_pretty(value).map_err(|error| Error::Print(error.to_string()))?,
            Self::Yaml => yaml::print(value).map_err(|error| Error::Print(error.to_string()))?,
        };
        say(text.trim_end())
    }
}

/// Prints a line, or several.
pub(in crate::commands) fn say(text: &str) -> Result<()> {
    match writeln!(io::stdout(), "{text}") {
        // `ullage volume list | head` has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(Error::step("print")),
    }
}

/// Columns with nothing between them but space.
pub(in crate::commands) fn columns<const N: usize>(header: Option<[&str; N]>, rows: Vec<[String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(header) = header {
        table.set_header(header);
    }
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_one_another() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        let text = columns(Some(["NAME", "SIZE"]), vec![row("a", "1Gi"), row("longer", "2Mi")]);
        assert_eq!(text, "NAME    SIZE\na       1Gi\nlonger  2Mi");
        assert_eq!(columns(None, vec![row("a", "")]), "a");
    }

    #[test]
    fn formats_have_names() {
        assert_eq!(["table", "json", "yaml"].map(str::parse), [Ok(Output::Table), Ok(Output::Json), Ok(Output::Yaml)]);
        assert!("xml".parse::<Output>().is_err());
    }
}
