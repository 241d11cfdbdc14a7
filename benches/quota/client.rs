//! Requests, one at a time, as `curl` would make them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;
use crate::server::TOKEN;

pub(crate) struct Client(SocketAddr);

/// A volume that was made.
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
}

/// How long a new volume may take to be measured.
const PATIENCE: Duration = Duration::from_secs(10);

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self(address)
    }

    /// Makes a volume of so many MiB.
    pub(crate) fn create(&self, name: &str, mib: u64, fs: &str, sparse: bool) -> Result<Volume> {
        let wish = json!({"name": name, "size": mib, "fs": fs, "sparse": sparse});
        let made = self.ask("POST", "/volumes", &wish.to_string(), 201)?;
        let text = |key: &str| made[key].as_str().map(str::to_owned).ok_or_else(|| format!("no {key}: {made}"));
        let volume = Volume { id: text("id")?, path: text("path")?.into() };
        let begun = Instant::now();
        while let Err(failure) = self.quota(&volume.id) {
            if begun.elapsed() > PATIENCE {
                return Err(failure);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(volume)
    }

    /// How full a volume is.
    pub(crate) fn quota(&self, volume: &str) -> Result<Value> {
        self.ask("GET", &format!("/volumes/{volume}/quota"), "", 200)
    }

    fn ask(&self, method: &str, path: &str, body: &str, expected: u16) -> Result<Value> {
        let mut stream = TcpStream::connect(self.0)?;
        let head = head(method, path);
        write!(stream, "{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        let status: u16 = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("no status")?;
        if status != expected {
            return Err(format!("{method} {path}: {status} {body}").into());
        }
        Ok(serde_json::from_str(body)?)
    }
}

/// The beginning of a request, with all that the API wants to see.
pub(crate) fn head(method: &str, path: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\
         Accept: Application/vnd.pkglatv1+json\r\n"
    )
}
