use std::time::Duration;

/// What the API server did not do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// There is no API server to ask.
    #[error("no Kubernetes API server can be asked: {0}")]
    Nowhere(String),
    /// Not permitted, in the API server's words (403).
    #[error("{0}")]
    Forbidden(String),
    /// There is no such object (404).
    #[error("not found: {0}")]
    NotFound(String),
    /// Somebody else changed it meanwhile (409).
    #[error("changed by somebody else meanwhile: {0}")]
    Conflict(String),
    /// Refused otherwise, in the API server's words.
    #[error("the API server answered {code}: {reason}")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// Its words.
        reason: String,
    },
    /// No answer in time.
    #[error("the API server did not answer within {0:?}")]
    Slow(Duration),
    /// No answer, or one that makes no sense.
    #[error("the API server: {0}")]
    Unclear(String),
}

/// The result of a question to the API server.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The longest text of an answer that is passed on: what is no API server may answer with a whole page.
const LONGEST: usize = 500;

impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else { return Self::Unclear(short(&whole(&error))) };
        let reason = short(&status.message);
        match status.code {
            403 => Self::Forbidden(reason),
            404 => Self::NotFound(reason),
            409 => Self::Conflict(reason),
            // A service account that is gone, or a token that nobody renewed.
            401 => Self::Forbidden(format!("the service account's token is not accepted: {reason}")),
            code => Self::Refused { code, reason },
        }
    }
}

/// With what is below it: `kube` says *ServiceError*, and only its source what happened.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        next = error.source();
    }
    text
}

fn short(text: &str) -> String {
    text.trim().chars().take(LONGEST).collect()
}
