//! The tower middleware: [`SessionLayer`].
//!
//! What to do is decided in one place ([`Policy`]); the service and its future only carry it out.

mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;

use crate::error::{Error, ErrorKind};
use http::StatusCode;

/// What becomes of a request's changes, given its response.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy {
    commit_on_server_error: bool,
}

impl Policy {
    /// A request that failed on the server's side stores nothing. One that was refused (4xx) does: a counter of
    /// failed sign-ins, say.
    fn commits(self, status: StatusCode) -> bool {
        !status.is_server_error() || self.commit_on_server_error
    }
}

/// What the client is told of an error: never why, and never a success.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Gone | ErrorKind::Contended => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
