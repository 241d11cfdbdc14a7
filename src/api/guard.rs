//! What every protected request passes, in this order: origin, vendor, bearer, rate, size. Preflights are answered before.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::Api;
use super::answer::Problem;
use super::body::LONGEST;
use super::tokens::{Use, Verdict};

/// Who may ask from a browser (`--allow-origin`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Origins {
    /// Every page.
    #[default]
    Any,
    /// Pages of these origins, `https://host[:port]`.
    Listed(Vec<String>),
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    /// Whether with the master token.
    pub(super) is_master: bool,
}

/// In any case of letters, in any of the accepted types.
const VENDOR: &str = "application/vnd.pkglat";

/// What is asked for without any header.
const PUBLIC: [&str; 3] = ["/", "/openapi.json", "/api/v1/public/"];

impl Origins {
    fn allows(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(origin.as_bytes())),
        }
    }

    /// Answers preflights, and tells browsers who may read.
    pub(super) fn cors(&self) -> CorsLayer {
        let origins = self.clone();
        let allowed = match self {
            Self::Any => AllowOrigin::any(),
            Self::Listed(_) => AllowOrigin::predicate(move |origin, _| origins.allows(origin)),
        };
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([AUTHORIZATION, ACCEPT, CONTENT_TYPE])
            .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE])
            .max_age(Duration::from_secs(600))
    }
}

/// Lets a request through to its route, or answers it.
pub(super) async fn pass(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match admit(&api, &parts).await {
        Ok(caller) => {
            if let Some(caller) = caller {
                parts.extensions.insert(caller);
            }
            let (sockets, address) = (is_socket(parts.uri.path()), address(&parts));
            // A fault of ours is an answer too, and the connection goes on.
            let answered = AssertUnwindSafe(next.run(Request::from_parts(parts, body))).catch_unwind().await;
            let Ok(response) = answered else { return Problem::Panicked.into_response() };
            match response.status() {
                // They have looked at the token themselves.
                StatusCode::UNAUTHORIZED if sockets => match api.failures.allow(address) {
                    Ok(()) => response,
                    Err(wait) => Problem::TooMany(wait).into_response(),
                },
                _ => response,
            }
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(api: &Api, parts: &Parts) -> Result<Option<Caller>, Problem> {
    let (headers, path) = (&parts.headers, parts.uri.path());
    if headers.get(ORIGIN).is_some_and(|origin| !api.settings.origins.allows(origin)) {
        return Err(Problem::Origin);
    }
    // Sockets have a door of their own: browsers cannot send them headers.
    let is_public = PUBLIC
        .iter()
        .any(|public| path == *public || public.len() > 1 && public.ends_with('/') && path.starts_with(public));
    if is_public || is_socket(path) {
        return Ok(None);
    }
    if !headers.get_all(ACCEPT).iter().any(is_vendor) {
        return Err(Problem::Vendor);
    }
    let caller = caller(api, parts).await?;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        Some(length) if length > LONGEST as u64 => Err(Problem::TooLarge),
        _ => Ok(Some(caller)),
    }
}

async fn caller(api: &Api, parts: &Parts) -> Result<Caller, Problem> {
    // Who shows none guesses none.
    let token = bearer(&parts.headers).ok_or(Problem::Bearer)?;
    let verdict = api.keeper.verdict(token, Use::Request).await;
    let Some(key) = verdict.key() else {
        api.failures.allow(address(parts)).map_err(Problem::TooMany)?;
        return Err(if verdict == Verdict::Expired { Problem::Expired } else { Problem::Bearer });
    };
    api.limits.allow(key).map_err(Problem::TooMany)?;
    Ok(Caller { is_master: matches!(verdict, Verdict::Master { .. }) })
}

/// Only where there is one: any other path below has no door of its own.
fn is_socket(path: &str) -> bool {
    path.strip_prefix("/ws/").is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

/// The token in `Authorization: Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn is_vendor(accept: &HeaderValue) -> bool {
    accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains(VENDOR))
}

fn address(parts: &Parts) -> IpAddr {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.0.ip())
}
