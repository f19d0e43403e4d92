//! Whether a request's changes are stored, given its response.

use crate::error::Error;
use http::{HeaderMap, HeaderName, Response, StatusCode, header::CONTENT_TYPE};
use std::{fmt, sync::Arc};

/// Constructed once: from text, it would be parsed for every response.
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// The head of a response, of any HTTP library: what is known when the library decides whether to store the request's
/// changes.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    status: StatusCode,
    headers: Headers<'a>,
}

#[derive(Clone, Copy)]
enum Headers<'a> {
    Map(&'a HeaderMap),
    Lookup(&'a dyn Fn(&str) -> Option<&'a [u8]>),
}

impl<'a> Head<'a> {
    /// A head with this status and these headers.
    ///
    /// ```
    /// use level_session::Head;
    ///
    /// let headers = http::HeaderMap::new();
    /// assert_eq!(Head::new(http::StatusCode::OK, &headers).status(), 200);
    /// ```
    #[must_use]
    pub fn new(status: StatusCode, headers: &'a HeaderMap) -> Self {
        Self {
            status,
            headers: Headers::Map(headers),
        }
    }

    /// The head of a response.
    ///
    /// ```
    /// use level_session::Head;
    ///
    /// let response = http::Response::builder().header("x-cost", "7").body("hello").expect("a valid head");
    /// assert_eq!(Head::of(&response).header("x-cost"), Some(&b"7"[..]));
    /// ```
    #[must_use]
    pub fn of<B>(response: &'a Response<B>) -> Self {
        Self::new(response.status(), response.headers())
    }

    /// For frameworks with their own header types: `header` returns the value of a header, given its name in lower case. An
    /// invalid `status` counts as 500.
    ///
    /// ```
    /// use level_session::Head;
    ///
    /// let headers = [("grpc-status", "13")];
    /// let find = |name: &str| {
    ///     headers.iter().find(|(other, _)| *other == name).map(|(_, value)| value.as_bytes())
    /// };
    /// let head = Head::lookup(200, &find);
    /// assert_eq!(head.header("grpc-status"), Some(&b"13"[..]));
    /// ```
    #[must_use]
    pub fn lookup(status: u16, header: &'a dyn Fn(&str) -> Option<&'a [u8]>) -> Self {
        Self {
            status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            headers: Headers::Lookup(header),
        }
    }

    /// The status.
    ///
    /// ```
    /// use level_session::Head;
    ///
    /// assert_eq!(Head::of(&http::Response::new("hello")).status(), 200);
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The first value of a header. `name` is in lower case.
    ///
    /// ```
    /// use level_session::Head;
    ///
    /// let response = http::Response::new("hello");
    /// assert_eq!(Head::of(&response).header("grpc-status"), None);
    /// ```
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        match self.headers {
            Headers::Map(map) => map.get(name).map(|value| value.as_bytes()),
            Headers::Lookup(lookup) => lookup(name),
        }
    }

    fn known_header(&self, name: &HeaderName) -> Option<&'a [u8]> {
        match self.headers {
            Headers::Map(map) => map.get(name).map(|value| value.as_bytes()),
            Headers::Lookup(lookup) => lookup(name.as_str()),
        }
    }

    /// The content type, if this is a gRPC response.
    pub(crate) fn grpc_content_type(&self) -> Option<&'a [u8]> {
        let content_type = self.known_header(&CONTENT_TYPE)?;
        content_type
            .starts_with(b"application/grpc")
            .then_some(content_type)
    }
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers hold cookies.
        let mut out = f.debug_struct("Head");
        out.field("status", &self.status).finish_non_exhaustive()
    }
}

/// Which responses store the request's changes, and the response if storing fails.
#[derive(Clone, Default)]
pub(crate) struct Policy {
    pub(crate) commit_on_server_error: bool,
    pub(crate) commit_when: Option<Arc<CommitWhen>>,
    pub(crate) on_failure: Option<Arc<OnFailure>>,
}

type CommitWhen = dyn Fn(&Head<'_>) -> bool + Send + Sync;
type OnFailure = dyn Fn(&Error) -> Response<Vec<u8>> + Send + Sync;

impl Policy {
    /// Whether a response with this head stores the request's changes.
    ///
    /// - A 5xx does not: the request failed on the server's side.
    /// - A 408 does not: a layer in front of the handler has cancelled it and responds in its place, and half of its
    ///   changes must not be stored (requirement F13).
    /// - A gRPC error does not, although its HTTP status is 200. The gRPC status is in the head if the response has no
    ///   body.
    /// - Any other 4xx does: a counter of failed sign-ins, for example.
    ///
    /// The application's own condition applies in addition.
    pub(crate) fn commits(&self, head: Head<'_>) -> bool {
        let grpc_error = head
            .known_header(&GRPC_STATUS)
            .is_some_and(|status| status != b"0");
        let server_error = head.status.is_server_error() || grpc_error;
        head.status != StatusCode::REQUEST_TIMEOUT
            && (!server_error || self.commit_on_server_error)
            && self.commit_when.as_ref().is_none_or(|when| when(&head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// Every status by its number, so that none is forgotten.
    #[test]
    fn errors_of_the_server_and_a_timeout_in_the_handler_s_place_store_nothing() {
        let headers = HeaderMap::new();
        for code in 100..=599 {
            let head = Head::new(StatusCode::from_u16(code).unwrap(), &headers);
            let commits = Policy::default().commits(head);
            assert_eq!(commits, code < 500 && code != 408, "{code}");
            let always = Policy {
                commit_on_server_error: true,
                ..Policy::default()
            };
            assert_eq!(always.commits(head), code != 408, "{code}");
            let nothing = |_: &str| None;
            let elsewhere = Head::lookup(code, &nothing);
            assert_eq!(Policy::default().commits(elsewhere), commits, "{code}");
        }
        let nothing = |_: &str| None;
        assert!(!Policy::default().commits(Head::lookup(0, &nothing)));
    }

    #[test]
    fn a_grpc_error_travels_as_200_and_stores_nothing() {
        for (status, commits) in [("0", true), ("13", false), ("10", false), ("", false)] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", HeaderValue::from_static(status));
            let policy = Policy::default();
            assert_eq!(
                policy.commits(Head::new(StatusCode::OK, &headers)),
                commits,
                "{status:?}"
            );
            let find = |name: &str| (name == "grpc-status").then_some(status.as_bytes());
            assert_eq!(policy.commits(Head::lookup(200, &find)), commits);
        }
    }
}
