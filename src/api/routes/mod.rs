//! What can be asked, and what is answered.

mod auth;
mod elsewhere;
mod objects;
mod public;
mod volumes;

use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ullage quota API",
        description = "How much is left of a volume, and more of it. Every protected request says `Accept: application/vnd.pkglatv1+json`. \
            Alerts come over the WebSocket at `/ws/{id}`: docs/alerts.md."
    ),
    security(("bearer" = []))
)]
struct Document;

/// The routes and the document that describes them, made from the same words.
pub(super) fn routes() -> (Router<Arc<Api>>, utoipa::openapi::OpenApi) {
    let described = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(public::ping))
        .routes(routes!(auth::issue))
        .routes(routes!(volumes::create, volumes::list))
        .routes(routes!(volumes::show, volumes::delete))
        .routes(routes!(volumes::quota))
        .routes(routes!(volumes::resize));
    let (router, mut document) = described.split_for_parts();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    document.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    document.paths.paths.values_mut().for_each(refuse);
    (router.merge(elsewhere::routes()), document)
}

/// What any protected request may be answered.
const REFUSALS: [(&str, &str); 5] = [
    ("401", "The bearer token is missing, unknown or expired"),
    ("403", "The origin, the vendor header or the token does not allow it"),
    ("413", "The body is over 1 MiB"),
    ("429", "Too many requests: `Retry-After` says when"),
    ("500", "It failed here"),
];

/// Describes them; what a route says itself of a status stays.
fn refuse(item: &mut PathItem) {
    let operations = [&mut item.get, &mut item.post, &mut item.delete];
    // A route that needs no token says so by another security than everybody's.
    for operation in operations.into_iter().flatten().filter(|operation| operation.security.is_none()) {
        for (status, description) in REFUSALS {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build();
            let refusal = ResponseBuilder::new().description(description).content("application/json", content).build();
            operation.responses.responses.entry(status.to_owned()).or_insert(refusal.into());
        }
    }
}
