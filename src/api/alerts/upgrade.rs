use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{ALLOW, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Alerts;
use super::seat::Filter;
use super::socket::{self, Pass};
use crate::api::answer::{ErrorBody, Problem};
use crate::api::gate::{address, bearer};
use crate::api::serve::Connection;

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

/// `GET /ws/{internal_id}`: a socket for one volume where that is its id or its name, else for all.
///
/// The token comes as `?token=`, `Authorization: Bearer` or `Sec-WebSocket-Protocol: bearer.<token>`; no vendor header,
/// which browsers cannot send.
#[utoipa::path(get, path = "/ws/{internal_id}", tag = "alerts", security(("bearer" = []), ("query" = [])),
    params(
        ("internal_id" = String, Path, description = "Exactly a volume's id or name: that one; anything else: all"),
    ),
    responses(
        (status = 101, description = "Frames follow, as docs/alerts.md has them"),
        (status = 426, description = "It is no WebSocket", body = ErrorBody),
    ))]
pub async fn upgrade(
    State(alerts): State<Alerts>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Asked>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
    extensions: Extensions,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let query = query.ok().and_then(|Query(asked)| asked.token).filter(|token| !token.is_empty());
    let shown = shown(query, &headers);
    // The receiver first: what is replaced or revoked meanwhile is seen to be.
    let changes = alerts.gate.keeper().changes();
    let token = shown.as_ref().map(|shown| shown.token.as_str());
    let verdict = match alerts.gate.admit(token, address(&extensions)).await {
        Ok(verdict) => verdict,
        Err(problem) => return problem.into_response(),
    };
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => {
            alerts.gate.give_back(&verdict).await;
            return not_a_socket(&method, &rejection);
        }
    };
    let filter = match path {
        Ok(Path(word)) => alerts.resolve.only(&word).await.map_or(Filter::All, |volume| Filter::Only(vec![volume])),
        Err(_) => Filter::All,
    };
    let (pass, protocol) = (Pass { verdict, changes }, shown.and_then(|shown| shown.protocol));
    let connection = extensions.get::<Connection>().cloned();
    begin(upgrade, protocol, async move |stream| {
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

fn not_a_socket(method: &Method, rejection: &WebSocketUpgradeRejection) -> Response {
    if *method != Method::GET && *method != Method::HEAD {
        return ([(ALLOW, "GET, HEAD")], Problem::Method).into_response();
    }
    let reason = format!("This is a WebSocket: connect to it with ws:// ({})", rejection.body_text());
    let wanted = [(UPGRADE, "websocket"), (SEC_WEBSOCKET_VERSION, "13")];
    (StatusCode::UPGRADE_REQUIRED, wanted, Json(serde_json::json!({ "error": reason }))).into_response()
}
