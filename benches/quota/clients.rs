//! Very many clients on one process: what each takes, and when the last of them hears.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::Result;
use crate::client::Volume;
use crate::fill::{fill, free};
use crate::place::number;
use crate::report::{Verdict, float, times, times_header};
use crate::server::Server;
use crate::socket::connect;

/// In MiB.
const SIZE: u64 = 512;

const ROUNDS: usize = 5;

/// How many connect at a time.
const AT_ONCE: usize = 64;

/// How many have the same address: there are 28 000 ports.
const OF_AN_ADDRESS: usize = 8000;

/// What each process needs beside its sockets.
const SPARE: u64 = 200;

/// How long the last may take to hear.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was said must have come by then, and what was done is done.
const SETTLED: Duration = Duration::from_secs(2);

/// An alert, or the end of one, and when a client heard it.
struct Heard {
    is_alert: bool,
    at: Instant,
}

#[derive(Default)]
struct Found {
    first: Vec<Duration>,
    half: Vec<Duration>,
    last: Vec<Duration>,
}

pub(crate) fn run(root: &Path) -> Result<Vec<Verdict>> {
    let wanted = number("ULLAGE_BENCH_CLIENTS", 10_000)?;
    let descriptors = raise()?;
    let count = wanted.min(usize::try_from(descriptors.saturating_sub(SPARE))?);
    let server = Server::standalone(root)?;
    let volume = server.client().create("many", SIZE, "ext4", false)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (sender, frames) = mpsc::channel();
    let (before, begun) = (server.resident()?, Instant::now());
    let opened = runtime.block_on(open(server.address, count, &sender))?;
    let took = begun.elapsed();
    std::thread::sleep(SETTLED);
    let after = server.resident()?;
    let mut found = Found::default();
    for round in 0..ROUNDS {
        alert(&frames, &volume, opened, &mut found).map_err(|failure| format!("round {round}: {failure}"))?;
    }
    let later = server.resident()?;
    report(&found, opened, (wanted, descriptors), took, [before, after, later]);
    close(runtime);
    let name = "WebSocket clients on one process";
    Ok(vec![Verdict::at_least(name, float(opened as u64), float(count as u64), "clients")])
}

fn report(found: &Found, opened: usize, asked: (usize, u64), took: Duration, resident: [u64; 3]) {
    let [before, after, later] = resident;
    let (wanted, descriptors) = asked;
    times_header(&format!("{opened} WebSocket clients on one process, {ROUNDS} alerts, from crossing to frame"));
    times("the first client", &found.first);
    times("half of them", &found.half);
    times("the last client", &found.last);
    let each = |bytes: u64| float(bytes.saturating_sub(before)) / float(opened as u64) / 1024.0;
    println!("\n{wanted} were asked for; a process may have {descriptors} files open; connected in {took:.1?}");
    println!(
        "resident memory of the server: {:.1} MB before, {:.1} MB with them ({:.2} KiB each), {:.1} MB after the alerts ({:.2} KiB each)",
        float(before) / 1e6,
        float(after) / 1e6,
        each(after),
        float(later) / 1e6,
        each(later),
    );
}

/// As many files as may be open; the servers inherit it.
fn raise() -> Result<u64> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most: u64 = std::fs::read_to_string("/proc/sys/fs/nr_open")?.trim().parse()?;
    // Above the hard limit it takes CAP_SYS_RESOURCE, which root in a container may lack.
    if setrlimit(Resource::RLIMIT_NOFILE, most, most).is_err() {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

async fn open(server: SocketAddr, count: usize, sender: &Sender<Heard>) -> Result<usize> {
    let room = Arc::new(Semaphore::new(AT_ONCE));
    let mut opening = Vec::with_capacity(count);
    for number in 0..count {
        let turn = room.clone().acquire_owned().await?;
        let from = Ipv4Addr::new(127, 0, 1, u8::try_from(1 + number / OF_AN_ADDRESS)?);
        let sender = sender.clone();
        opening.push(tokio::spawn(async move {
            let stream = connect(server, from).await?;
            drop(turn);
            tokio::spawn(listen(stream, sender));
            Ok::<_, crate::Failure>(())
        }));
    }
    for opened in opening {
        opened.await??;
    }
    Ok(count)
}

async fn listen(mut stream: WebSocketStream<TcpStream>, sender: Sender<Heard>) {
    while let Some(Ok(message)) = stream.next().await {
        let Message::Text(text) = message else { continue };
        // Ten thousand parsers would be what is measured.
        let is_alert = text.starts_with(r#"{"event":"daemon_message""#);
        if is_alert || text.contains(r#""previous":"full""#) {
            let _ = sender.send(Heard { is_alert, at: Instant::now() });
        }
    }
}

fn alert(frames: &Receiver<Heard>, volume: &Volume, clients: usize, found: &mut Found) -> Result<()> {
    let filled = fill(&volume.path, SIZE << 20)?;
    let mut heard = hear(frames, clients, true)?;
    heard.sort_unstable();
    let since = |at: usize| heard[at].saturating_duration_since(filled.crossed);
    found.first.push(since(0));
    found.half.push(since(clients / 2));
    found.last.push(since(clients - 1));
    free(&volume.path)?;
    hear(frames, clients, false)?;
    match frames.recv_timeout(SETTLED) {
        Ok(_) => Err("somebody heard it twice".into()),
        Err(_) => Ok(()),
    }
}

/// When each of them heard it: all, and each once.
fn hear(frames: &Receiver<Heard>, clients: usize, is_alert: bool) -> Result<Vec<Instant>> {
    let end = Instant::now() + PATIENCE;
    let mut instants = Vec::with_capacity(clients);
    while instants.len() < clients {
        let next = frames.recv_timeout(end.saturating_duration_since(Instant::now()));
        let heard = next.map_err(|_| format!("{} of {clients} clients heard it", instants.len()))?;
        if heard.is_alert != is_alert {
            return Err("somebody heard it twice".into());
        }
        instants.push(heard.at);
    }
    Ok(instants)
}

/// All at once: nobody says goodbye ten thousand times.
fn close(runtime: Runtime) {
    runtime.shutdown_background();
}
