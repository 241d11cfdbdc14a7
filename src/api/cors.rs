//! Pages in browsers: preflights are answered, and answers say who may read them.

use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use axum::response::Response;
use futures_util::future::Either;
use tower::{Layer, Service};
use tower_http::cors::{AllowOrigin, Cors, CorsLayer};

/// Who may ask from a browser (`--allow-origin`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Origins {
    /// Every page.
    #[default]
    Any,
    /// Pages of these origins, `https://host[:port]`.
    Listed(Vec<String>),
}

/// Speaks CORS with whoever sends an `Origin`, which browsers do and nobody else: every header costs.
#[derive(Clone)]
pub(super) struct Browsers(CorsLayer);

/// What is asked by pages, too.
#[derive(Clone)]
pub(super) struct Browsed<S> {
    pages: Cors<S>,
    others: S,
}

impl Origins {
    pub(super) fn allows(&self, origin: &HeaderValue) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(origin.as_bytes())),
        }
    }

    fn layer(&self) -> CorsLayer {
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

impl Browsers {
    pub(super) fn of(origins: &Origins) -> Self {
        Self(origins.layer())
    }
}

impl<S: Clone> Layer<S> for Browsers {
    type Service = Browsed<S>;

    fn layer(&self, inner: S) -> Browsed<S> {
        Browsed { pages: self.0.layer(inner.clone()), others: inner }
    }
}

impl<S: Service<Request, Response = Response>> Service<Request> for Browsed<S> {
    type Response = Response;
    type Error = S::Error;
    type Future = Either<<Cors<S> as Service<Request>>::Future, S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        match self.pages.poll_ready(context) {
            Poll::Ready(Ok(())) => self.others.poll_ready(context),
            other => other,
        }
    }

    fn call(&mut self, request: Request) -> Self::Future {
        match request.headers().contains_key(ORIGIN) {
            true => Either::Left(self.pages.call(request)),
            false => Either::Right(self.others.call(request)),
        }
    }
}
