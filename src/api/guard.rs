//! What every protected request passes, in this order: origin, vendor, bearer, rate, size. Preflights are answered before.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, Request};
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::Api;
use super::answer::Problem;
use super::body::LONGEST;
use super::tokens::{Use, Verdict};

/// Lets nobody pass to what is below it who may not.
#[derive(Clone)]
pub(super) struct Guard(pub(super) Arc<Api>);

/// What is guarded.
#[derive(Clone)]
pub(super) struct Guarded<S> {
    api: Arc<Api>,
    inner: S,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Caller {
    /// Whether with the master token.
    pub(super) is_master: bool,
}

/// In any case of letters, in any of the accepted types.
const VENDOR: &[u8] = b"application/vnd.pkglat";

/// What is asked for without any header.
const PUBLIC: [&str; 3] = ["/", "/openapi.json", "/api/v1/public/"];

impl<S> Layer<S> for Guard {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { api: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Guarded<S>
where
    S: Service<Request, Error = Infallible, Future: Send> + Clone + Send + 'static,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that was ready is the one to call.
        let ready = self.inner.clone();
        let ready = std::mem::replace(&mut self.inner, ready);
        let api = self.api.clone();
        Box::pin(async move { Ok(pass(&api, request, ready).await.unwrap_or_else(IntoResponse::into_response)) })
    }
}

/// Lets a request through to its route, or says why not.
async fn pass<S>(api: &Api, request: Request, mut route: S) -> Result<Response, Problem>
where
    S: Service<Request, Error = Infallible>,
    S::Response: IntoResponse,
{
    let (mut parts, body) = request.into_parts();
    if let Some(caller) = admit(api, &parts).await? {
        parts.extensions.insert(caller);
    }
    let socket = is_socket(parts.uri.path()).then(|| address(&parts));
    // A fault of ours is an answer too, and the connection goes on.
    let answered = AssertUnwindSafe(route.call(Request::from_parts(parts, body))).catch_unwind().await;
    let response = answered.map_err(|_| Problem::Panicked)?.into_response();
    // They have looked at the token themselves.
    if let Some(address) = socket.filter(|_| response.status() == StatusCode::UNAUTHORIZED) {
        api.failures.allow(address).map_err(Problem::TooMany)?;
    }
    Ok(response)
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
    accept.as_bytes().windows(VENDOR.len()).any(|part| part.eq_ignore_ascii_case(VENDOR))
}

fn address(parts: &Parts) -> IpAddr {
    let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    info.map_or(Ipv4Addr::UNSPECIFIED.into(), |info| info.0.ip())
}
