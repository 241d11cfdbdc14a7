use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::AUTHORIZATION;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::api::tokens;

/// A connection to the quota API.
pub(super) struct Link(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// Why a connection ended.
pub(super) enum End {
    /// Nobody reads what is printed.
    Unread,
    /// Its token is good no more.
    Unauthorized,
    /// Anything else, in words.
    Broke(String),
}

/// Why there is nothing to watch.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not where a WebSocket could be.
    #[error("'{0}' is not an address of the quota API: write ws://host:port")]
    Url(String),
    /// Nobody is there.
    #[error("nothing answers at {url}: {reason} (is ullage running? else say where by --url)")]
    Nobody {
        /// The address.
        url: String,
        /// What the network says.
        reason: String,
    },
    /// Somebody else is there.
    #[error("{url} answers {status}: this is not the quota API")]
    Foreign {
        /// The address.
        url: String,
        /// The status of HTTP.
        status: u16,
    },
    /// The token is not known there.
    #[error(
        "the token is refused: give the one that `ullage token what` prints beside the server, by --token-file, --token or ULLAGE_TOKEN"
    )]
    Refused,
    /// The token was good, and is not any more.
    #[error(
        "the token has expired or was replaced: get another (`ullage token what` beside the server), and watch again"
    )]
    TokenEnded,
    /// A token that cannot stand in a header.
    #[error("the token has characters that no token has")]
    Token,
    /// There is no token to be read.
    #[error("{0} (or give a token by --token-file, --token or ULLAGE_TOKEN)")]
    Tokens(#[from] tokens::Error),
    /// Standard output takes nothing.
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// The server pings every 30 s: of one that says nothing for that long nothing is left.
const SILENCE: Duration = Duration::from_secs(75);

/// How long connecting may take.
const PATIENCE: Duration = Duration::from_secs(10);

impl Error {
    /// Whether trying again is of no use.
    pub(super) fn is_final(&self) -> bool {
        !matches!(self, Self::Nobody { .. } | Self::Foreign { status: 500.., .. })
    }
}

impl Link {
    pub(super) async fn connect(url: &str, id: Option<&str>, token: &str) -> Result<Self, Error> {
        let uri = address(url, id).ok_or_else(|| Error::Url(url.to_owned()))?;
        let mut request = uri.into_client_request().map_err(|_| Error::Url(url.to_owned()))?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::Token)?;
        bearer.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let nobody = |reason: String| Error::Nobody { url: url.to_owned(), reason };
        match timeout(PATIENCE, connect_async(request)).await {
            Ok(Ok((stream, _))) => Ok(Self(stream)),
            Ok(Err(tungstenite::Error::Http(answer))) => match answer.status().as_u16() {
                401 => Err(Error::Refused),
                status => Err(Error::Foreign { url: url.to_owned(), status }),
            },
            // The kernel's own words.
            Ok(Err(tungstenite::Error::Io(error))) => Err(nobody(error.to_string())),
            Ok(Err(error)) => Err(nobody(error.to_string())),
            Err(_) => Err(nobody(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    /// Reads frames until the connection ends, or nobody wants them.
    pub(super) async fn read(&mut self, mut print: impl FnMut(&str) -> io::Result<bool>) -> Result<End, Error> {
        loop {
            match timeout(SILENCE, self.0.next()).await {
                Ok(Some(Ok(Message::Text(frame)))) => {
                    if !print(&frame)? {
                        return Ok(End::Unread);
                    }
                }
                Ok(Some(Ok(Message::Close(Some(closed))))) if u16::from(closed.code) == 4401 => {
                    return Ok(End::Unauthorized);
                }
                Ok(Some(Ok(Message::Close(Some(closed))))) => {
                    return Ok(End::Broke(format!("the server closed: {} ({})", closed.reason, closed.code)));
                }
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Ok(End::Broke(format!("the connection broke: {error}"))),
                Ok(None) => return Ok(End::Broke("the connection ended".to_owned())),
                Err(_) => return Ok(End::Broke("the server says nothing any more".to_owned())),
            }
        }
    }
}

/// The socket's address; `http://` is taken for `ws://`.
pub(super) fn address(url: &str, id: Option<&str>) -> Option<Uri> {
    let host = match url.split_once("://") {
        Some(("ws" | "http", host)) => host,
        Some(_) => return None,
        None => url,
    };
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let name = id.unwrap_or("all").bytes();
    let name: String =
        name.map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect();
    let uri: Uri = format!("ws://{}/ws/{name}", host.trim_end_matches('/')).parse().ok()?;
    uri.host().is_some_and(|host| !host.is_empty()).then_some(uri)
}
