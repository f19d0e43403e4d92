//! The response to a client whose session could not be stored, or whose handler failed because of its session: it never
//! contains the reason, and never reports success.

use crate::{
    error::{Error, ErrorKind},
    session::UntypedSession,
};
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE},
};
use std::error::Error as StdError;

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
static GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The reason why nothing of a request is stored, and the response to send instead of the handler's.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    response: Response<Vec<u8>>,
}

impl Failure {
    /// Logs the failure, and builds its response: the application's [`on_failure`](crate::SessionsBuilder::on_failure)
    /// response, or an empty one with the error's status; for a gRPC call, one that contains only the status
    /// (trailers-only).
    pub(super) fn new(session: &UntypedSession, error: Error, grpc: Option<HeaderValue>) -> Self {
        log(session, &error);
        let mut response = match (grpc, &session.unit().runtime.policy.on_failure) {
            (Some(content_type), _) => trailers_only(&error, content_type),
            (None, Some(page)) => page(&error),
            (None, None) => Response::default(),
        };
        let is_grpc = response.headers().contains_key(&GRPC_STATUS);
        if !is_grpc && (response.status().is_success() || response.status().is_informational()) {
            *response.status_mut() = error.status();
        }
        let no_store = HeaderValue::from_static("no-store");
        response.headers_mut().insert(CACHE_CONTROL, no_store);
        Self { error, response }
    }

    /// The reason.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The response to send.
    #[must_use]
    pub fn into_response(self) -> Response<Vec<u8>> {
        self.response
    }
}

fn log(session: &UntypedSession, error: &Error) {
    let session = session.log_id();
    let session = session.as_deref().unwrap_or("new");
    match error.kind() {
        ErrorKind::Gone => {
            tracing::info!(
                session,
                "request rejected: its session ended while it was being handled"
            );
        }
        ErrorKind::Full => {
            tracing::info!(
                session,
                "sign-in rejected: the user has as many sessions as allowed"
            );
        }
        _ => tracing::error!(
            session,
            error = error as &dyn StdError,
            "request failed: its session could not be stored"
        ),
    }
}

/// ABORTED: the client may retry from the beginning. INTERNAL: the server failed.
fn trailers_only(error: &Error, content_type: HeaderValue) -> Response<Vec<u8>> {
    let status = match error.status() {
        StatusCode::CONFLICT => "10",
        _ => "13",
    };
    let mut response = Response::default();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(&GRPC_STATUS, HeaderValue::from_static(status));
    let message = HeaderValue::from_static(error.text().trim_ascii_end());
    headers.insert(&GRPC_MESSAGE, message);
    response
}

impl Error {
    /// The status of a response to a request that failed with this error: `409 Conflict` if the session ended or
    /// changed while the request was being handled ([`ErrorKind::Gone`], [`ErrorKind::Contended`]) or its user has as
    /// many sessions as allowed ([`ErrorKind::Full`]), otherwise `500 Internal Server Error`.
    ///
    /// ```
    /// use level_session::Error;
    ///
    /// assert_eq!(Error::no_middleware().status(), 500);
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self.kind() {
            ErrorKind::Gone | ErrorKind::Contended | ErrorKind::Full => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The text of the response.
    fn text(&self) -> &'static str {
        match self.status() {
            _ if self.kind() == ErrorKind::Full => {
                "you are signed in on too many devices: please sign out on one of them first\n"
            }
            StatusCode::CONFLICT => "your session has ended or changed: please try again\n",
            _ => "something went wrong\n",
        }
    }

    /// The response of a handler that failed with this error: its [status](Self::status) and a line of text. The
    /// response does not contain the reason; this call logs it.
    #[must_use]
    pub fn to_response(&self) -> Response<&'static str> {
        match self.kind() {
            ErrorKind::Gone => {
                tracing::info!("request rejected: its session ended while it was being handled");
            }
            ErrorKind::Full => {
                tracing::info!("sign-in rejected: the user has as many sessions as allowed");
            }
            _ => tracing::error!(
                error = self as &dyn StdError,
                "request failed: session error"
            ),
        }
        let mut response = Response::new(self.text());
        *response.status_mut() = self.status();
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        response
    }
}
