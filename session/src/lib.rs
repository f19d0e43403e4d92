//! Server-side web sessions.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod error;
mod expiry;
mod field;
mod id;
mod private;
mod session;
pub mod store;
pub mod value;

pub use clock::{Clock, Timestamp};
pub use error::{Error, ErrorKind, Result};
pub use expiry::{Expiry, Refresh};
pub use field::{AsKey, CounterValue, FieldDef, FieldName, Key, Schema};
pub use session::{Counter, Field, Flash, OptField, Session, SessionData, Untyped};
pub use value::Value;

#[cfg(feature = "derive")]
pub use level_session_derive::SessionData;

#[doc(hidden)]
pub mod __private {
    pub use crate::private::*;
}
