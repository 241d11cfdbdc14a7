//! Pages in browsers: preflights are answered, and answers say who may read them.

use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{Extensions, HeaderValue, Method};
use axum::response::Response;
use futures_util::future::Either;
use tower::{Layer, Service};
use tower_http::cors::{AllowOrigin, Cors, CorsLayer};

use super::serve::Local;

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
    /// Whether a page of that origin may ask in a request with these extensions. Our own page always may: browsers name an
    /// origin there too.
    pub(super) fn allows(&self, origin: &HeaderValue, request: &Extensions) -> bool {
        let is_it = |one: &String| one.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
        match self {
            Self::Any => true,
            Self::Listed(listed) => {
                listed.iter().any(is_it) || request.get().is_some_and(|Local(at)| own(*at).iter().any(is_it))
            }
        }
    }

    fn layer(&self) -> CorsLayer {
        let origins = self.clone();
        let allowed = match self {
            Self::Any => AllowOrigin::any(),
            Self::Listed(_) => AllowOrigin::predicate(move |origin, parts| origins.allows(origin, &parts.extensions)),
        };
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::DELETE])
            .allow_headers([AUTHORIZATION, ACCEPT, CONTENT_TYPE])
            .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE])
            .max_age(Duration::from_secs(600))
    }
}

/// The origins of our own page, of a connection that came in at that address. By no word of the client's: a page from elsewhere
/// may have given its own name to our address.
fn own(at: SocketAddr) -> [String; 4] {
    let host = match at.ip().to_canonical() {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("[{six}]"),
    };
    ["localhost", "127.0.0.1", "[::1]", &host].map(|host| match at.port() {
        80 => format!("http://{host}"),
        port => format!("http://{host}:{port}"),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_our_own_is_always_allowed_and_no_other() {
        let listed = Origins::Listed(vec!["https://ok.example".to_owned()]);
        let allows = |at: Option<&str>, origin: &'static str| {
            let mut request = Extensions::new();
            if let Some(at) = at {
                request.insert(Local(at.parse().unwrap()));
            }
            listed.allows(&HeaderValue::from_static(origin), &request)
        };
        for (at, origin, is_allowed) in [
            (Some("127.0.0.1:8070"), "http://localhost:8070", true),
            (Some("127.0.0.1:8070"), "http://127.0.0.1:8070", true),
            (Some("[::1]:8070"), "http://[::1]:8070", true),
            (Some("192.0.2.7:8070"), "http://192.0.2.7:8070", true),
            (Some("[::ffff:192.0.2.7]:8070"), "http://192.0.2.7:8070", true),
            (Some("[2001:db8::7]:9000"), "http://[2001:DB8::7]:9000", true),
            (Some("127.0.0.1:80"), "http://localhost", true),
            (Some("127.0.0.1:8070"), "https://ok.example", true),
            (Some("127.0.0.1:8070"), "http://localhost:8071", false),
            (Some("127.0.0.1:8070"), "http://localhost", false),
            (Some("127.0.0.1:8070"), "https://localhost:8070", false),
            (Some("127.0.0.1:8070"), "http://192.0.2.7:8070", false),
            (Some("127.0.0.1:8070"), "http://localhost:8070.bad.example", false),
            (Some("127.0.0.1:8070"), "http://rebound.example:8070", false),
            (Some("127.0.0.1:8070"), "null", false),
            (None, "http://localhost:8070", false),
        ] {
            assert_eq!(allows(at, origin), is_allowed, "{at:?} {origin}");
        }
    }
}
