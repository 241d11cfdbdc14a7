//! `ullage pool`: a client of the process that serves, as `ullage volume` is.

use std::path::{Path, PathBuf};

use super::volume::client::Client;
use super::volume::output::{columns, say};
use super::{Error, Result};
use crate::model::Bytes;
use crate::rpc::admin::{ImportHostletRequest, ImportedItem};

/// What is to be taken over from hostlet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Import {
    /// Its state file.
    pub state: PathBuf,
    /// The pool.
    pub pool: String,
    /// The directory in which its directories lie; else `/etc/projects` says it.
    pub dir: Option<PathBuf>,
    /// Whether it is done, and not only looked at.
    pub apply: bool,
}

/// Takes it over, or says what could be, by the process that listens at `socket`.
///
/// # Errors
/// Where anything could not be done that should be; what could is done.
pub fn import(socket: &Path, import: Import) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::step("start"))?.block_on(act(socket.to_owned(), import))
}

async fn act(socket: PathBuf, import: Import) -> Result<()> {
    let Import { state: file, pool, dir, apply } = import;
    let state = std::fs::read_to_string(&file).map_err(Error::step(format!("read {}", file.display())))?;
    let directory = dir.map(|dir| dir.to_string_lossy().into_owned()).unwrap_or_default();
    let asked = ImportHostletRequest { pool, state, directory, apply };
    let items = Client::connect(socket).await?.import(asked).await?;
    say(&table(&items))?;
    let count = |outcome: &str| items.iter().filter(|item| item.outcome == outcome).count();
    match (apply, count("refused")) {
        (false, _) => say(&format!("\nNothing is done yet: with --yes, {} become volumes.", count("possible"))),
        (true, 0) => Ok(()),
        (true, refused) => Err(Error::Unfit(format!("{refused} could not be taken over, and are as they were"))),
    }
}

fn table(items: &[ImportedItem]) -> String {
    if items.is_empty() {
        return "There are no items in the file.".to_owned();
    }
    let header = ["NAME", "PROJECT", "SIZE", "USED", "WARNING", "DIRECTORY", "WHAT"];
    columns(Some(header), items.iter().map(row).collect())
}

fn row(item: &ImportedItem) -> [String; 7] {
    let nothing = || "-".to_owned();
    let of_volume = |text: String| item.project_id.map_or_else(nothing, |_| text);
    [
        item.name.clone(),
        item.project_id.map_or_else(nothing, |id| id.to_string()),
        of_volume(Bytes::new(item.size_bytes).to_string()),
        of_volume(Bytes::new(item.used_bytes).to_string()),
        item.warn_percent.map_or_else(nothing, |percent| format!("{percent}%")),
        of_volume(item.directory.clone()),
        what(item),
    ]
}

fn what(item: &ImportedItem) -> String {
    match item.outcome.as_str() {
        "possible" => "becomes a volume".to_owned(),
        "done" => "is a volume now".to_owned(),
        "present" => "is a volume already".to_owned(),
        _ => format!("refused: {}", item.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_table() {
        let item = ImportedItem {
            name: "app-1".into(),
            outcome: "possible".into(),
            project_id: Some(100),
            directory: "/opt/apps/app-1".into(),
            size_bytes: 1 << 30,
            used_bytes: 1 << 20,
            warn_percent: Some(50),
            ..ImportedItem::default()
        };
        let refused = ImportedItem {
            name: "item 2".into(),
            outcome: "refused".into(),
            reason: "it has no 'id'".into(),
            ..ImportedItem::default()
        };
        let expected = "\
NAME    PROJECT  SIZE  USED  WARNING  DIRECTORY        WHAT
app-1   100      1Gi   1Mi   50%      /opt/apps/app-1  becomes a volume
item 2  -        -     -     -        -                refused: it has no 'id'";
        assert_eq!(table(&[item, refused]), expected);
        assert_eq!(table(&[]), "There are no items in the file.");
    }
}
