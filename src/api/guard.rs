//! What every protected request passes, in this order: origin, vendor, bearer, rate, size. Preflights are answered before.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{ACCEPT, CONTENT_LENGTH, ORIGIN};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

use super::Api;
use super::answer::Problem;
use super::body::LONGEST;
use super::gate::{address, bearer};
use super::tokens::Verdict;

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
    let verdict = admit(api, &parts).await?;
    if let Some(verdict) = &verdict {
        parts.extensions.insert(Caller { is_master: matches!(verdict, Verdict::Master { .. }) });
    }
    let answered = match verdict.is_some() && is_too_large(&parts) {
        true => Err(Problem::TooLarge),
        // A fault of ours is an answer too, and the connection goes on.
        false => {
            let answered = AssertUnwindSafe(route.call(Request::from_parts(parts, body))).catch_unwind().await;
            answered.map_err(|_| Problem::Panicked)
        }
    };
    let response = answered.map_or_else(IntoResponse::into_response, IntoResponse::into_response);
    // Who hangs up before has used it: what was asked for goes on.
    if let Some(verdict) = verdict.filter(|_| !response.status().is_success()) {
        api.gate.give_back(&verdict).await;
    }
    Ok(response)
}

/// What the token of a protected request is worth.
async fn admit(api: &Api, parts: &Parts) -> Result<Option<Verdict>, Problem> {
    let (headers, path) = (&parts.headers, parts.uri.path());
    if headers.get(ORIGIN).is_some_and(|origin| !api.settings.origins.allows(origin, &parts.extensions)) {
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
    api.gate.admit(bearer(headers), address(&parts.extensions)).await.map(Some)
}

/// Whether it says so itself.
fn is_too_large(parts: &Parts) -> bool {
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length > LONGEST as u64)
}

/// Only where there is one: any other path below has no door of its own.
fn is_socket(path: &str) -> bool {
    path.strip_prefix("/ws/").is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

fn is_vendor(accept: &HeaderValue) -> bool {
    accept.as_bytes().windows(VENDOR.len()).any(|part| part.eq_ignore_ascii_case(VENDOR))
}
