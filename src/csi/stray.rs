//! Answers that no method of ours gave: to a method that is not served, or to a message that is none.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tonic::codegen::{BoxFuture, Service, http};
use tonic::{Code, Status};
use tower::Layer;

use super::call::TRACE;
use crate::observe::metrics::Metrics;
use crate::observe::trace::Call;

/// Signs, logs and counts them. [`super::Door::answer`] has done that with all others, which have their id already.
#[derive(Clone)]
pub(super) struct Strays(pub(super) Arc<Metrics>);

#[derive(Clone)]
pub(super) struct Watched<S> {
    served: S,
    metrics: Arc<Metrics>,
}

impl<S> Layer<S> for Strays {
    type Service = Watched<S>;

    fn layer(&self, served: S) -> Watched<S> {
        Watched { served, metrics: self.0.clone() }
    }
}

impl<S, Q, A> Service<http::Request<Q>> for Watched<S>
where
    S: Service<http::Request<Q>, Response = http::Response<A>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Infallible;
    type Future = BoxFuture<S::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.served.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Q>) -> Self::Future {
        let (path, metrics) = (request.uri().path().to_owned(), self.metrics.clone());
        let answer = self.served.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            if !answer.headers().contains_key(TRACE) {
                record(&path, answer.headers_mut(), &metrics);
            }
            Ok(answer)
        })
    }
}

fn record(path: &str, headers: &mut http::HeaderMap, metrics: &Metrics) {
    let status = Status::from_header_map(headers).unwrap_or_else(|| Status::unknown("not an answer of gRPC"));
    // A name that no service knows has no text, and must not become a label: a client could make up any number of them.
    let known = status.code() != Code::Unimplemented || !status.message().is_empty();
    let (method, code) = (method(path), format!("{:?}", status.code()));
    let call = Call::begin(&method);
    metrics.call(if known { &method } else { "unknown" }, &code, call.elapsed());
    call.finish(&code, Some(if known { status.message() } else { "there is no such method" }));
    if let Ok(trace) = call.id().parse() {
        headers.insert(TRACE, trace);
    }
}

/// The name that the log and the metrics use for it.
fn method(path: &str) -> String {
    let (service, method) = path.trim_start_matches('/').split_once('/').unwrap_or(("", path));
    match service {
        "ullage.v1.Admin" => format!("Admin.{method}"),
        _ => method.to_owned(),
    }
}
