//! What can be asked, and what is answered.

mod auth;
mod elsewhere;
mod objects;
mod public;
mod volumes;

use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
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
    (router.merge(elsewhere::routes()), document)
}
