use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;

use super::Alerts;
use super::seat::Filter;
use super::socket::{self, Pass};
use crate::api::answer::Problem;
use crate::api::guard::bearer;
use crate::api::serve::Connection;
use crate::api::tokens::{Use, Verdict};

/// What may stand behind the `?`. Nothing of it is ever logged.
#[derive(Deserialize)]
pub struct Asked {
    token: Option<String>,
}

/// What a client shows.
struct Shown {
    token: String,
    /// The subprotocol it came as: a browser wants to hear that it was taken.
    protocol: Option<HeaderValue>,
}

/// The longest message in.
const LONGEST: usize = 64 << 10;

/// `GET /ws/{internal_id}`: a socket for one volume where that is what it is called, else for all.
///
/// The token comes as `?token=`, `Authorization: Bearer` or `Sec-WebSocket-Protocol: bearer.<token>`; no vendor header,
/// which browsers cannot send.
pub async fn upgrade(
    State(alerts): State<Alerts>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Asked>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
    connection: Option<Extension<Connection>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let query = query.ok().and_then(|Query(asked)| asked.token);
    let Some(shown) = shown(query, &headers) else { return Problem::Bearer.into_response() };
    // Before the token is looked at: one for a single use is not used up by a request that comes to nothing.
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(_) if method != Method::GET && method != Method::HEAD => return Problem::Method.into_response(),
        Err(rejection) => return not_a_socket(&rejection),
    };
    let pass = match pass(&alerts, shown.token).await {
        Ok(pass) => pass,
        Err(problem) => return problem.into_response(),
    };
    let filter = match path {
        Ok(Path(name)) => {
            let found = alerts.resolve.volumes(&[name]).await;
            found.into_iter().flatten().next().map_or(Filter::All, |volume| Filter::Only(vec![volume]))
        }
        Err(_) => Filter::All,
    };
    begin(upgrade, shown.protocol, async move |stream| {
        // Counted among the connections to its end.
        let _connection = connection;
        socket::serve(stream, alerts, filter, pass).await;
    })
}

/// Many small sockets: buffers of the size of what goes through them.
fn begin<F, D>(mut upgrade: WebSocketUpgrade, protocol: Option<HeaderValue>, serve: F) -> Response
where
    F: FnOnce(axum::extract::ws::WebSocket) -> D + Send + 'static,
    D: Future<Output = ()> + Send + 'static,
{
    if let Some(protocol) = protocol {
        upgrade.set_selected_protocol(protocol);
    }
    upgrade
        .read_buffer_size(1 << 10)
        .write_buffer_size(2 << 10)
        .max_write_buffer_size(128 << 10)
        .max_message_size(LONGEST)
        .max_frame_size(LONGEST)
        .on_upgrade(serve)
}

fn shown(query: Option<String>, headers: &HeaderMap) -> Option<Shown> {
    let plain = |token: String| Shown { token, protocol: None };
    query.map(plain).or_else(|| bearer(headers).map(str::to_owned).map(plain)).or_else(|| subprotocol(headers))
}

fn subprotocol(headers: &HeaderMap) -> Option<Shown> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|list| list.to_str().ok());
    let named = lists.flat_map(|list| list.split(',')).map(str::trim).find(|name| name.starts_with("bearer."))?;
    let token = named.strip_prefix("bearer.")?.to_owned();
    Some(Shown { token, protocol: HeaderValue::from_str(named).ok() })
}

async fn pass(alerts: &Alerts, token: String) -> Result<Pass, Problem> {
    // The receiver first: a token that is replaced meanwhile is seen to be another.
    let current = alerts.keeper.changes();
    match alerts.keeper.verdict(&token, Use::Socket).await {
        Verdict::Master { generation } => Ok(Pass { master: Some((generation, current)), expires: None }),
        Verdict::Issued { expires, .. } => Ok(Pass { master: None, expires: Some(expires) }),
        Verdict::Expired => Err(Problem::Expired),
        Verdict::Unknown => Err(Problem::Bearer),
    }
}

fn not_a_socket(rejection: &WebSocketUpgradeRejection) -> Response {
    let reason = format!("This is a WebSocket: connect to it with ws:// ({})", rejection.body_text());
    let wanted = [(UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")];
    (StatusCode::UPGRADE_REQUIRED, wanted, Json(serde_json::json!({ "error": reason }))).into_response()
}
