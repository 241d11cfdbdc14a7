//! What `ullage quota-api` has in memory with one volume and one client, beside a bare server with one connection.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use crate::Result;
use crate::bare::Floor;
use crate::report::{Verdict, float};
use crate::server::Server;
use crate::socket::Listener;

/// Until everything has been looked at more than once.
const SETTLED: Duration = Duration::from_secs(5);

pub(crate) fn run(root: &Path) -> Result<Vec<Verdict>> {
    let standalone = Server::standalone(&root.join("standalone"))?;
    let volume = standalone.client().create("held", 512, "ext4", true)?;
    let bare = Server::bare(&root.join("bare"), Floor::Ours, 0)?;
    let mut kept = TcpStream::connect(bare.address)?;
    write!(kept, "GET /volumes/held/quota HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let pod = Server::pod(&root.join("pod"), &volume.path)?;
    let _client = Listener::open(pod.address)?;
    pod.client().quota("data")?;
    std::thread::sleep(SETTLED);
    println!("\nresident memory, MB\n");
    println!("|                                      |    all | of which no file's |");
    println!("|--------------------------------------|-------:|-------------------:|");
    let megabytes = |bytes: u64| float(bytes) / 1e6;
    for (name, server) in [
        ("bare server, one connection", &bare),
        ("quota-api, one volume, one client", &pod),
        ("standalone, one volume", &standalone),
    ] {
        println!("| {name:36} | {:6.1} | {:18.1} |", megabytes(server.resident()?), megabytes(server.private()?));
    }
    Ok(vec![Verdict::at_most("resident memory of quota-api", megabytes(pod.resident()?), 12.0, "MB")])
}
