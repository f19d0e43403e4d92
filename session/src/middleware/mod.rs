//! The tower middleware: [`SessionLayer`].
//!
//! What to do is decided in one place (`runtime/policy`); the service and its future only carry it out.

mod future;
mod layer;
mod service;

pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;

use crate::error::{Error, ErrorKind};
use http::StatusCode;

/// What the client is told of an error: never why, and never a success.
pub(crate) fn status(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Gone | ErrorKind::Contended | ErrorKind::Full => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
