//! Unix sockets, for the server and for its clients.

mod client;
mod server;

use std::io;
use std::path::{Path, PathBuf};

pub use client::connect;
pub use server::{Access, Listener, listen};

/// What went wrong with a socket.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text names no unix socket.
    #[error("'{value}' is not a unix socket: {reason} (unix:///run/ullage/csi.sock, or the path alone)")]
    Address {
        /// The text as given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something lies there that is no socket. It is left alone.
    #[error("{} is there already and is not a socket: move it away, or choose another path", .0.display())]
    Occupied(PathBuf),
    /// A living process answers there.
    #[error("another process answers on {}: is ullage running already?", .0.display())]
    InUse(PathBuf),
    /// Somebody keeps the socket's directory locked.
    #[error("another process has locked {}: does another ullage start there?", .0.display())]
    Locked(PathBuf),
    /// No process answers there.
    #[error("nothing listens at {}: is ullage running?", .0.display())]
    NothingListens(PathBuf),
    /// The kernel refused a step.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The step.
        action: &'static str,
        /// The file it was about.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Connected, and gRPC could not be spoken.
    #[error("cannot speak gRPC at {}: {source}", path.display())]
    Transport {
        /// The socket.
        path: PathBuf,
        /// The reason.
        source: tonic::transport::Error,
    },
}

/// What `sockaddr_un` can hold beside its closing zero.
const LONGEST: usize = 107;

/// The path in `unix:///path`, `unix:/path` or a path alone.
///
/// # Errors
/// [`Error::Address`] for anything else, for a relative path, and for one too long for a socket.
pub fn parse(address: &str) -> Result<PathBuf, Error> {
    let refuse = |reason| Err(Error::Address { value: address.to_owned(), reason });
    let path = match address.split_once(':') {
        Some(("unix", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        Some((scheme, rest)) if rest.starts_with("//") && !scheme.contains('/') => return refuse("only unix is known"),
        _ => address,
    };
    if !path.starts_with('/') {
        return refuse("the path is not absolute");
    }
    if path.ends_with('/') {
        return refuse("the path is that of a directory");
    }
    if path.contains('\0') {
        return refuse("the path contains a zero byte");
    }
    if path.len().max(temporary(Path::new(path)).as_os_str().len()) > LONGEST {
        return refuse("the path is too long for a socket");
    }
    Ok(PathBuf::from(path))
}

/// A name beside the socket that is its own alone; left by a process that was killed, it is replaced by the next.
fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    path.with_file_name(name)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_spelling_of_an_address() {
        for address in ["unix:///run/ullage/csi.sock", "unix:/run/ullage/csi.sock", "/run/ullage/csi.sock"] {
            assert_eq!(parse(address).unwrap(), Path::new("/run/ullage/csi.sock"));
        }
        assert_eq!(parse("/run/a:b").unwrap(), Path::new("/run/a:b"));
    }

    #[test]
    fn refuses_what_is_no_address_with_its_value() {
        let long = format!("/{}", "x".repeat(LONGEST));
        let cases = [
            ("", "not absolute"),
            ("csi.sock", "not absolute"),
            ("unix://run/csi.sock", "not absolute"),
            ("unix:csi.sock", "not absolute"),
            ("tcp://127.0.0.1:9000", "only unix is known"),
            ("unix:///run/ullage/", "a directory"),
            ("/run/a\0b", "zero byte"),
            (&long, "too long"),
        ];
        for (address, reason) in cases {
            let text = parse(address).unwrap_err().to_string();
            assert!(text.contains(&format!("'{address}'")) && text.contains(reason), "{text}");
        }
    }
}
