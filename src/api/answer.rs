use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::limits::retry_after;
use super::volumes;

/// An answer that is no success: one status and one text for each, chosen here and nowhere else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Problem {
    Origin,
    Vendor,
    Bearer,
    Expired,
    MasterOnly,
    Body(String),
    NoVolume,
    NoRoute,
    Method,
    TooLarge,
    Slow,
    TooMany(Duration),
    NotMounted(String),
    Elsewhere(&'static str),
    Volume(volumes::Error),
    Panicked,
}

/// What every problem's body is.
#[derive(Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// For people.
    #[schema(example = "Volume not found")]
    error: String,
    /// For machines; stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    code: Option<&'static str>,
    /// Why, where `error` is the same for every reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    reason: Option<String>,
}

/// A success: the documented object, and the same again beside `success`. This describes it; [`Success::text`] writes it.
#[derive(Serialize, ToSchema)]
pub(super) struct Success<T> {
    #[schema(example = true)]
    success: bool,
    data: T,
    #[serde(flatten)]
    flat: T,
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What goes before the object.
const BEFORE: &str = r#"{"success":true,"data":"#;

/// The result of a route.
pub(super) type Result<T, E = Problem> = std::result::Result<T, E>;

impl<T: Serialize> Success<T> {
    /// Its text. The object is written once, and copied.
    pub(super) fn text(object: &T) -> Result<Bytes> {
        // It fails for a path that is no text.
        let failed = |error: serde_json::Error| Problem::Volume(volumes::Error::Failed(error.to_string()));
        Ok(twice(&serde_json::to_string(object).map_err(failed)?).into())
    }

    /// The answer with that object.
    pub(super) fn response(status: StatusCode, object: &T) -> Response {
        Self::text(object).map_or_else(IntoResponse::into_response, |text| json(status, text))
    }
}

/// An answer of that text, which is JSON.
pub(super) fn json(status: StatusCode, text: Bytes) -> Response {
    (status, [(CONTENT_TYPE, JSON)], text).into_response()
}

/// The text of a [`Success`], of that of its object, which has fields.
fn twice(object: &str) -> String {
    let fields = object.strip_prefix('{').expect("an object");
    let mut text = String::with_capacity(2 * object.len() + BEFORE.len());
    text.extend([BEFORE, object, ",", fields]);
    text
}

impl From<volumes::Error> for Problem {
    fn from(error: volumes::Error) -> Self {
        match error {
            volumes::Error::NotFound => Self::NoVolume,
            error => Self::Volume(error),
        }
    }
}

impl Problem {
    fn row(&self) -> (StatusCode, Option<&'static str>, String) {
        use volumes::Error;
        let (status, code, text) = match self {
            Self::Origin => (StatusCode::FORBIDDEN, None, "Origin not allowed"),
            Self::Vendor => {
                (StatusCode::FORBIDDEN, None, "Invalid vendor header. Expected: Application/vnd.pkglatv1+json")
            }
            Self::Bearer => (
                StatusCode::UNAUTHORIZED,
                None,
                "Invalid or missing Bearer token. Format: Authorization: Bearer lightd_<token>",
            ),
            Self::Expired => (StatusCode::UNAUTHORIZED, None, "Token expired"),
            Self::MasterOnly => (StatusCode::FORBIDDEN, Some("master_only"), "Only the master token may issue tokens"),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, None, "Internal error: the log says which"),
            Self::NoVolume => (StatusCode::NOT_FOUND, None, "Volume not found"),
            Self::NoRoute => (StatusCode::NOT_FOUND, None, "Not found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, None, "Method not allowed"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, None, "Payload too large"),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, None, "The body did not come in time"),
            Self::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, None, "Too many requests"),
            Self::Body(reason) => {
                return (StatusCode::BAD_REQUEST, None, format!("Invalid request body: {reason}"));
            }
            Self::NotMounted(volume) => {
                let text = format!("Volume '{volume}' is not mounted, so nothing can be measured");
                return (StatusCode::CONFLICT, Some("not_mounted"), text);
            }
            Self::Elsewhere(what) => {
                let text = format!("Managed by Kubernetes: use {what}");
                return (StatusCode::NOT_IMPLEMENTED, Some("not_supported"), text);
            }
            Self::Volume(error) => {
                let (status, code) = match error {
                    Error::Invalid(_) => (StatusCode::BAD_REQUEST, None),
                    Error::NotFound => (StatusCode::NOT_FOUND, None),
                    Error::Refused { code, .. } => (StatusCode::CONFLICT, *code),
                    Error::Forbidden(_) => (StatusCode::FORBIDDEN, None),
                    Error::NoRoom { .. } => (StatusCode::INSUFFICIENT_STORAGE, None),
                    Error::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
                };
                return (status, code, error.to_string());
            }
        };
        (status, code, text.to_owned())
    }

    fn reason(&self) -> Option<String> {
        match self {
            Self::Volume(volumes::Error::NoRoom { reason }) => reason.clone(),
            _ => None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, error) = self.row();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error, "a request failed");
        }
        let mut response = (status, Json(ErrorBody { error, code, reason: self.reason() })).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, "Bearer".parse().expect("a valid header"));
        }
        if let Self::TooMany(wait) = self {
            headers.insert(RETRY_AFTER, retry_after(wait).into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_written_as_it_is_described() {
        #[derive(Clone, Serialize, ToSchema)]
        struct Object {
            id: &'static str,
            quota_mb: u64,
        }
        let object = Object { id: "a \"{b}\"", quota_mb: 7 };
        let described = Success { success: true, data: object.clone(), flat: object.clone() };
        let written = twice(&serde_json::to_string(&object).unwrap());
        assert_eq!(written, serde_json::to_string(&described).unwrap());
    }
}
