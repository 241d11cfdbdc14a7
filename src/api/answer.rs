use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
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
}

/// A success: the documented object, and the same again beside `success`.
#[derive(Serialize, ToSchema)]
pub(super) struct Success<T> {
    #[schema(example = true)]
    success: bool,
    data: T,
    #[serde(flatten)]
    flat: T,
}

/// The result of a route.
pub(super) type Result<T, E = Problem> = std::result::Result<T, E>;

impl<T: Clone> Success<T> {
    pub(super) fn json(object: T) -> Json<Self> {
        Json(Self { success: true, data: object.clone(), flat: object })
    }
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
                    Error::NoRoom(_) => (StatusCode::INSUFFICIENT_STORAGE, None),
                    Error::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
                };
                return (status, code, error.to_string());
            }
        };
        (status, code, text.to_owned())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, error) = self.row();
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error, "a request failed");
        }
        let mut response = (status, Json(ErrorBody { error, code })).into_response();
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
