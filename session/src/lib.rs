//! Server-side web sessions.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod error;
mod expiry;
mod field;
mod id;
pub mod store;
pub mod value;

pub use clock::{Clock, Timestamp};
pub use error::{Error, ErrorKind, Result};
pub use expiry::{Expiry, Refresh};
pub use field::{AsKey, CounterValue, FieldDef, FieldName, Key, Schema};
pub use value::Value;
