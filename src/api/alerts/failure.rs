//! Why a frame could not be read, as the code of the close that follows.

use tokio_tungstenite::tungstenite::Error;

use super::counters::ABNORMAL;

/// The close that a failed read calls for; without a reason where the connection is gone.
pub(super) fn farewell(error: axum::Error) -> (u16, &'static str) {
    match error.into_inner().downcast_ref::<Error>() {
        Some(Error::Capacity(_)) => (1009, "the message is too long"),
        Some(Error::Utf8(_)) => (1007, "the text is not UTF-8"),
        Some(Error::Protocol(fault)) if !is_gone(fault) => (1002, "not the WebSocket protocol"),
        _ => (ABNORMAL, ""),
    }
}

fn is_gone(fault: &tokio_tungstenite::tungstenite::error::ProtocolError) -> bool {
    matches!(fault, tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)
}
