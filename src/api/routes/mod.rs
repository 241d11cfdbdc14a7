//! What can be asked, and what is answered.

mod auth;
mod document;
mod elsewhere;
mod objects;
mod public;
mod volumes;

use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use document::Document;

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
    document::complete(&mut document);
    (router.merge(elsewhere::routes()), document)
}
