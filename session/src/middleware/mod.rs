//! The tower middleware: [`SessionLayer`].
//!
//! What to do is decided in [`exchange`](crate::exchange); the service and its future only carry it out.

mod body;
mod future;
mod layer;
mod service;

pub use body::{AnyBody, MakeBody, SameBody, SessionBody};
pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;
