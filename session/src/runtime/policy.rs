//! What becomes of a request's changes, given its response.

use http::{HeaderMap, HeaderName, StatusCode};

/// Made once: from text, it would be parsed for every response.
static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Which responses store what the request changed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy {
    pub(crate) commit_on_server_error: bool,
}

impl Policy {
    /// Whether a response with this head stores what its request changed.
    ///
    /// - A 5xx does not: the request failed on the server's side.
    /// - A 408 does not: a layer in front of the handler has cancelled it and answers in its place, and half of its
    ///   changes are no commit (requirement F13).
    /// - A gRPC status that is an error does not, although it travels as HTTP 200. It is in the head where the response
    ///   has no body.
    /// - Any other 4xx does: a counter of failed sign-ins, say.
    pub(crate) fn commits(self, status: StatusCode, headers: &HeaderMap) -> bool {
        let grpc_error = headers
            .get(&GRPC_STATUS)
            .is_some_and(|status| status.as_bytes() != b"0");
        let server_error = status.is_server_error() || grpc_error;
        status != StatusCode::REQUEST_TIMEOUT && (!server_error || self.commit_on_server_error)
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
            let status = StatusCode::from_u16(code).unwrap();
            let commits = Policy::default().commits(status, &headers);
            assert_eq!(commits, code < 500 && code != 408, "{code}");
            let always = Policy {
                commit_on_server_error: true,
            };
            assert_eq!(always.commits(status, &headers), code != 408, "{code}");
        }
    }

    #[test]
    fn a_grpc_error_travels_as_200_and_stores_nothing() {
        for (status, commits) in [("0", true), ("13", false), ("10", false), ("", false)] {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-status", HeaderValue::from_static(status));
            let policy = Policy::default();
            assert_eq!(
                policy.commits(StatusCode::OK, &headers),
                commits,
                "{status:?}"
            );
        }
    }
}
