//! axum: the extractors, and errors as responses.

use crate::{
    error::{Error, ErrorKind},
    middleware::status,
    session::{Session, SessionData, UntypedSession},
};
use axum_core::{
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};

/// `Session<Shop>` or `Session` as an argument of a handler.
///
/// # Rejection
/// `500 Internal Server Error` if there is no [`SessionLayer`](crate::SessionLayer) round the route, or if two
/// structs claim one key; the log says which.
impl<S: Sync, T: SessionData> FromRequestParts<S> for Session<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let session = parts.extensions.get::<UntypedSession>().ok_or_else(|| {
            Error::new(
                ErrorKind::Misuse,
                "this route has no `SessionLayer`: add `.layer(SessionLayer::new(store, keyring))` to the router \
                 after its routes",
            )
        })?;
        session.typed()
    }
}

/// An error as a response: `409 Conflict` if the session ended while the request was at work, else `500 Internal
/// Server Error`. The client is not told why; the log is.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = status(&self);
        match self.kind() {
            ErrorKind::Gone => tracing::info!("a request was refused: its session ended meanwhile"),
            ErrorKind::Full => {
                tracing::info!("a sign-in was refused: its user has as many sessions as allowed");
            }
            _ => tracing::error!(
                error = &self as &dyn std::error::Error,
                "a session failed a request"
            ),
        }
        let text = match status {
            _ if self.kind() == ErrorKind::Full => {
                "you are signed in at too many places: please sign out at one of them first\n"
            }
            StatusCode::CONFLICT => "your session has ended or changed: please try again\n",
            _ => "something went wrong\n",
        };
        (status, text).into_response()
    }
}
