//! `ullage volume`: a client of the process that serves, over its socket. It changes nothing by itself.

pub(super) mod client;
mod create;
mod mount;
pub(super) mod output;
mod places;
mod progress;
mod show;
mod words;

use std::cmp::Ordering;
use std::path::{Path, PathBuf};

pub use create::Create;
pub use mount::{Mount, Unmount};
pub use output::Output;

use super::{Error, Result};
use crate::model::Bytes;
use client::Client;

/// What is asked of volumes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Makes one.
    Create(Create),
    /// Shows one at a path.
    Mount(Mount),
    /// Takes one off its paths.
    Unmount(Unmount),
    /// Prints all, with the pools.
    List(Output),
    /// Prints everything about one.
    Inspect(String, Output),
    /// Prints how full one is.
    Usage(String, Output),
    /// Makes one larger, or smaller.
    Resize(String, Bytes),
    /// Deletes one, and its data.
    Delete(String),
}

/// Does it, by the process that listens at `socket`.
pub fn volume(socket: &Path, action: Action) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Error::step("start"))?.block_on(act(socket.to_owned(), action))
}

async fn act(socket: PathBuf, action: Action) -> Result<()> {
    let client = Client::connect(socket).await?;
    match action {
        Action::Create(create) => create.run(&client).await,
        Action::Mount(mount) => mount.run(&client).await,
        Action::Unmount(unmount) => unmount.run(&client).await,
        Action::List(output) => show::list(&client, output).await,
        Action::Inspect(name, output) => show::inspect(&client, &name, output).await,
        Action::Usage(name, output) => show::usage(&client, &name, output).await,
        Action::Resize(name, size) => resize(&client, &name, size).await,
        Action::Delete(name) => delete(&client, &name).await,
    }
}

async fn resize(client: &Client, name: &str, size: Bytes) -> Result<()> {
    let before = Bytes::new(client.get(name).await?.size_bytes);
    let volume = client.resize(name, size).await?;
    let after = Bytes::new(volume.size_bytes);
    let rest = if volume.growth_pending { "; its filesystem follows when it is mounted" } else { "" };
    match before.cmp(&after) {
        Ordering::Equal => output::say(&format!("{name} is {after} already{rest}")),
        Ordering::Less => output::say(&format!("{name} has grown from {before} to {after}{rest}")),
        Ordering::Greater => output::say(&format!("{name} has shrunk from {before} to {after}{rest}")),
    }
}

async fn delete(client: &Client, name: &str) -> Result<()> {
    // Deleting what is not there is a success in CSI; whoever types a name wants to know.
    let volume = client.get(name).await?;
    client.delete(volume.id).await?;
    output::say(&format!("{name} is deleted"))
}
