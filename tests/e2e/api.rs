//! Reading from the API server, many times a second: by HTTP through one `kubectl proxy`, as a `kubectl` for each look takes
//! a quarter of a second of a processor.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// What lies at a path; nothing where there is no such thing.
pub(crate) fn get(path: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(proxy()).unwrap();
    // HTTP 1.0: the answer ends with the connection, and is not in chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).expect("an answer has a status");
    match status {
        "200" => Some(serde_json::from_str(body).unwrap()),
        "404" => None,
        _ => panic!("GET {path}: {head}\n{body}"),
    }
}

/// The same, as it is.
pub(crate) fn text(path: &str) -> String {
    let mut stream = TcpStream::connect(proxy()).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.contains(" 200 "), "GET {path}: {head}\n{body}");
    body.to_owned()
}

/// The items of a list.
pub(crate) fn items(path: &str) -> Vec<Value> {
    let list = get(path).unwrap_or_else(|| panic!("there is no {path}"));
    list["items"].as_array().cloned().unwrap_or_default()
}

/// The address of a `kubectl proxy` that ends with this process.
fn proxy() -> &'static str {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    ADDRESS.get_or_init(|| {
        // Its own input's end is this process's end.
        let mut child = Command::new("sh")
            .args(["-c", "kubectl proxy --port=0 & trap 'kill $!' EXIT; cat >/dev/null"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl is on the PATH");
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        std::mem::forget(child);
        let address = said.trim().rsplit(' ').next().unwrap();
        assert!(address.contains(':'), "kubectl proxy said: {said}");
        address.to_owned()
    })
}
