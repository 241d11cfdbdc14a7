//! The driver over a machine in memory, as a process of its own: for csi-sanity without root.
//!
//! csi-sanity looks at target paths itself, so it asks this process about them:
//!
//! ```text
//! ullage-fake serve loop|quota CSI_SOCKET CONTROL_SOCKET
//! ullage-fake ask CONTROL_SOCKET check|make|remove PATH
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the answer is what it prints")]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use ullage::config::{Config, Overrides};
use ullage::csi::{Door, routes};
use ullage::engine::Engine;
use ullage::host::fake::Fake;
use ullage::host::{FileKind, Machine};
use ullage::model::Bytes;
use ullage::observe::metrics::{Metrics, Snapshot};
use ullage::rpc::socket::{Access, listen};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["serve", backend, csi, control] => serve(backend, Path::new(csi), Path::new(control)),
        ["ask", control, verb, path] => ask(Path::new(control), verb, path),
        _ => {
            Err("ullage-fake serve loop|quota CSI_SOCKET CONTROL_SOCKET | ask CONTROL_SOCKET check|make|remove PATH"
                .into())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(backend: &str, csi: &Path, control: &Path) -> Result<()> {
    let machine = Fake::new(Bytes::gib(1 << 10)).machine();
    let config = Config::standalone(Path::new("/pool"), backend, &Overrides::default())?;
    machine.files.create_dir(Path::new("/pool"))?;
    let engine = Arc::new(Engine::new(machine.clone(), config.pools.clone()));
    engine.recover();
    let caretaker = engine.clone();
    let door = Door {
        engine,
        pools: config.pool_names(),
        driver_name: config.driver_name,
        node_name: "fake".to_owned(),
        defaults: config.defaults,
        metrics: Arc::new(Metrics::new(Arc::new(Snapshot::default))),
        deleted: Arc::new(move || caretaker.tend()),
        refused: Arc::new(|_, _, _| {}),
    };
    let questions = UnixListener::bind(control)?;
    std::thread::spawn(move || {
        for stream in questions.incoming().flatten() {
            if let Err(error) = answer(&machine, stream) {
                eprintln!("{error}");
            }
        }
    });
    let listener = listen(csi, Access::Owner).await?;
    let server = tonic::transport::Server::builder().add_routes(routes(Arc::new(door)));
    Ok(server.serve_with_incoming(listener).await?)
}

/// One line with a verb and a path, one line back: `ok WORD`, or what is wrong.
fn answer(machine: &Machine, stream: UnixStream) -> Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let (verb, path) = line.trim_end().split_once(' ').ok_or("a verb and a path are asked for")?;
    let answer = match act(machine, verb, path) {
        Ok(word) => format!("ok {word}"),
        Err(error) => error.to_string(),
    };
    writeln!(&stream, "{answer}")?;
    Ok(stream.shutdown(Shutdown::Both)?)
}

fn act(machine: &Machine, verb: &str, path: &str) -> Result<String> {
    let (files, place) = (&machine.files, Path::new(path));
    match verb {
        "check" => Ok(kind(files.stat(place)?.map(|stat| stat.kind)).to_owned()),
        "make" => files.create_dir(place).map(|()| path.to_owned()).map_err(Into::into),
        "remove" => files.remove_empty(place).map(|()| path.to_owned()).map_err(Into::into),
        _ => Err(format!("'{verb}' is not known").into()),
    }
}

/// In the words of csi-sanity.
fn kind(found: Option<FileKind>) -> &'static str {
    match found {
        None => "not_found",
        Some(FileKind::Directory) => "directory",
        Some(FileKind::Regular) => "file",
        Some(FileKind::Other) => "other",
    }
}

fn ask(control: &Path, verb: &str, path: &str) -> Result<()> {
    let stream = UnixStream::connect(control)?;
    writeln!(&stream, "{verb} {path}")?;
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    match line.trim_end().strip_prefix("ok ") {
        Some(word) => println!("{word}"),
        None => return Err(line.into()),
    }
    Ok(())
}
