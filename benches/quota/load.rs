//! As many requests as come back: some connections that are kept, each with one request under way.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Builder;

use crate::Result;
use crate::client::head;

/// How many there are.
const CONNECTIONS: usize = 16;

/// Asks again and again, on one thread; how many answers came.
pub(crate) fn load(server: SocketAddr, path: &str, lasting: Duration) -> Result<u64> {
    let request = format!("{}\r\n", head("GET", path));
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let local = tokio::task::LocalSet::new();
        let end = Instant::now() + lasting;
        let asking: Vec<_> =
            (0..CONNECTIONS).map(|_| local.spawn_local(ask(server, request.clone().into_bytes(), end))).collect();
        local.await;
        let mut answers = 0;
        for asking in asking {
            answers += asking.await??;
        }
        Ok(answers)
    })
}

async fn ask(server: SocketAddr, request: Vec<u8>, end: Instant) -> Result<u64> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (mut buffer, mut answers) = (vec![0; 4096], 0);
    while Instant::now() < end {
        stream.write_all(&request).await?;
        let (mut come, mut whole) = (0, None);
        while whole.is_none_or(|whole| come < whole) {
            let read = stream.read(&mut buffer[come..]).await?;
            if read == 0 {
                return Err("the server hung up".into());
            }
            come += read;
            whole = whole.or_else(|| length(&buffer[..come]));
        }
        if !buffer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&buffer[..come]).into());
        }
        answers += 1;
    }
    Ok(answers)
}

/// How long the answer is with its headers, once these are there.
fn length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    Some(end + 4 + line.parse::<usize>().ok()?)
}
