use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;
use utoipa::ToSchema;

use crate::api::Api;
use crate::api::answer::{ErrorBody, Problem, Result, Success};
use crate::api::body::Body;
use crate::api::guard::Caller;
use crate::api::tokens::parse_ttl;
use crate::api::volumes;

/// A token that is asked for.
#[derive(Deserialize, ToSchema)]
pub(super) struct Wish {
    /// How long it is good: `15m`, `1h`, `30s`, `7d`, or seconds; at most 30 days.
    #[schema(example = "15m")]
    ttl: String,
    /// Whether it is good once.
    #[serde(default)]
    remove_on_use: bool,
}

/// A token that was issued.
#[derive(Serialize, ToSchema)]
pub(super) struct Issued {
    #[schema(example = "lightd_0123456789abcdef0123456789abcdef")]
    token: String,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    expires_at: OffsetDateTime,
}

/// Issues a token, for the holder of the master token.
#[utoipa::path(post, path = "/auth/tokens", tag = "tokens", request_body = Wish, responses(
    (status = 200, body = Success<Issued>),
    (status = 400, description = "The body cannot be meant so", body = ErrorBody),
    (status = 408, description = "The body did not come in time", body = ErrorBody),
))]
pub(super) async fn issue(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    Body(wish): Body<Wish>,
) -> Result<Response> {
    if !caller.is_master {
        return Err(Problem::MasterOnly);
    }
    let ttl = parse_ttl(&wish.ttl).map_err(|error| volumes::Error::Invalid(error.to_string()))?;
    let issued = spawn_blocking(move || api.keeper.issue(ttl, wish.remove_on_use)).await;
    let failed = |reason: String| Problem::from(volumes::Error::Failed(reason));
    let (token, expires_at) =
        issued.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    Ok(Success::response(StatusCode::OK, &Issued { token: token.as_str().to_owned(), expires_at }))
}
