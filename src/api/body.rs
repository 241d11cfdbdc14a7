use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::answer::Problem;

/// The body of a request as JSON, whatever its `Content-Type`; none at all is `{}`.
pub(super) struct Body<T>(pub(super) T);

/// What a volume is called in a path. What cannot be text is no volume's name.
pub(super) struct Word(pub(super) String);

/// The longest body.
pub(super) const LONGEST: usize = 1 << 20;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body = timeout(PATIENCE, Bytes::from_request(request, state)).await.map_err(|_| Problem::Slow)?;
        let body = body.map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::TooLarge,
            _ => Problem::Body("it ended before its length".to_owned()),
        })?;
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        // An array is taken for an object whose fields have that order.
        if text.trim_ascii_start().starts_with(b"[") {
            return Err(Problem::Body("it is an array, and an object is expected".to_owned()));
        }
        serde_json::from_slice(text).map(Self).map_err(|error| Problem::Body(error.to_string()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Word {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(word) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::NoVolume)?;
        Ok(Self(word))
    }
}
