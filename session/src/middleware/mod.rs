//! The tower middleware: [`SessionLayer`].
//!
//! The decisions are made in [`exchange`](crate::exchange); the service and its future only carry them out.

mod body;
mod future;
mod layer;
mod service;

pub use body::{AnyBody, MakeBody, SameBody, SessionBody};
pub use future::ResponseFuture;
pub use layer::SessionLayer;
pub use service::SessionService;
