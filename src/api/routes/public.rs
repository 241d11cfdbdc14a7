use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::answer::ErrorBody;

/// That something listens here.
#[derive(Serialize, ToSchema)]
pub(super) struct Pong {
    #[schema(example = "ok")]
    status: &'static str,
    /// The words that a client of Lightd waits for.
    #[schema(example = "Lightd is running")]
    message: &'static str,
    version: &'static str,
}

/// Says that something listens here; needs no token.
#[utoipa::path(get, path = "/api/v1/public/ping", tag = "public", security(()), responses((status = 200, body = Pong), (status = 403, description = "The origin does not allow it", body = ErrorBody)))]
pub(super) async fn ping() -> Json<Pong> {
    Json(Pong { status: "ok", message: "Lightd is running", version: env!("CARGO_PKG_VERSION") })
}
