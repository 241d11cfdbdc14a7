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

/// Everything that can be asked for.
pub(super) fn routes() -> Router<Arc<Api>> {
    described().split_for_parts().0.merge(elsewhere::routes())
}

/// The document that describes it, made from the same words.
pub(super) fn document() -> utoipa::openapi::OpenApi {
    let mut document = described().split_for_parts().1;
    document::complete(&mut document);
    document
}

fn described() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(public::ping))
        .routes(routes!(auth::issue))
        .routes(routes!(volumes::create, volumes::list))
        .routes(routes!(volumes::show, volumes::delete))
        .routes(routes!(volumes::quota))
        .routes(routes!(volumes::resize))
}
