//! axum: the extractors, and errors as responses.

use crate::{
    error::Error,
    exchange::RequestSessions,
    session::{Session, SessionData},
};
use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;

/// `Session<Shop>` or `Session` as an argument of a handler.
///
/// # Rejection
/// `500 Internal Server Error` if there is no [`SessionLayer`](crate::SessionLayer) around the route, if two structs claim
/// the same key, or if the request has several sessions and none is declared for the struct ([`RequestSessions`]). The
/// reason is logged.
impl<S: Sync, T: SessionData> FromRequestParts<S> for Session<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Self::from_extensions(&parts.extensions)
    }
}

/// `Option<Session<Shop>>`, for handlers that serve routes with and without the layer: `None` if there is no
/// [`SessionLayer`](crate::SessionLayer) around the route. A new visitor still has a session, an empty one.
///
/// # Rejection
/// Like that of `Session`, except for the missing layer.
impl<S: Sync, T: SessionData> OptionalFromRequestParts<S> for Session<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Error> {
        let present = parts.extensions.get::<RequestSessions>();
        present.map(RequestSessions::session).transpose()
    }
}

/// An error as a response: see [`Error::to_response`].
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (head, text) = self.to_response().into_parts();
        (head.status, text).into_response()
    }
}
