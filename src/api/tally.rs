//! Answers, counted for the metrics.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use tower::{Layer, Service};

/// How many requests were answered, by route, method and status. Routes are those of the program and methods are known
/// ones, so no client can make it larger.
#[derive(Default, Debug)]
pub struct Tally(Mutex<Routes>);

type Routes = BTreeMap<String, BTreeMap<(&'static str, u16), u64>>;

/// Counts what is answered by what is below it. Services and no functions of `axum`'s middleware: those cost a copy of
/// everything below for each request.
#[derive(Clone)]
pub(super) struct Counting(pub(super) Arc<Tally>);

/// What is counted.
#[derive(Clone)]
pub(super) struct Counted<S> {
    tally: Arc<Tally>,
    inner: S,
}

/// Requests that were answered alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answered {
    /// The route as it is written here; `none` where there is none.
    pub route: String,
    /// The method; `other` where it is none that is served.
    pub method: &'static str,
    /// The status.
    pub status: u16,
    /// How many.
    pub count: u64,
}

const NO_ROUTE: &str = "none";

impl Tally {
    /// Everything that was counted.
    pub fn read(&self) -> Vec<Answered> {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answered = routes.iter().flat_map(|(route, counts)| {
            let of = |(&(method, status), &count): (&(&'static str, u16), &u64)| Answered {
                route: route.clone(),
                method,
                status,
                count,
            };
            counts.iter().map(of)
        });
        answered.collect()
    }

    fn count(&self, route: &str, method: &'static str, status: u16) {
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = routes.get_mut(route) {
            *counts.entry((method, status)).or_default() += 1;
        } else {
            routes.insert(route.to_owned(), BTreeMap::from([((method, status), 1)]));
        }
    }
}

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { tally: self.0.clone(), inner }
    }
}

impl<S> Service<Request> for Counted<S>
where
    S: Service<Request, Error = Infallible, Future: Send + 'static>,
    S::Response: IntoResponse,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (route, method) = (request.extensions().get::<MatchedPath>().cloned(), known(request.method()));
        let (tally, answer) = (self.tally.clone(), self.inner.call(request));
        Box::pin(async move {
            let response = answer.await?.into_response();
            tally.count(route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str), method, response.status().as_u16());
            Ok(response)
        })
    }
}

fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}
