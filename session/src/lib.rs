//! Server-side web sessions.
#![cfg_attr(docsrs, feature(doc_cfg))]

// The vocabulary: imports nothing of ours.
mod clock;
mod config_error;
mod error;
mod expiry;
mod field;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod id;
// Mechanisms: no I/O.
mod changes;
mod csrf;
mod keyring;
pub mod value;
// Contracts.
mod cookie;
pub mod store;
// The handle, and what is behind it.
mod session;
mod sessions;
// Transport.
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "tower")]
mod middleware;
mod private;
/// The book of the derive.
///
#[cfg(all(doc, feature = "derive"))]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
#[doc = include_str!("../docs/derive.md")]
pub mod derive_guide {}

pub use self::cookie::{CookieConfig, CookieConfigBuilder, SameSite};
pub use clock::{Clock, Timestamp};
pub use config_error::ConfigError;
pub use error::{Error, ErrorKind, Result};
pub use expiry::{Expiry, Refresh};
pub use field::{AsKey, CounterValue, FieldDef, FieldKey, FieldName, Key, Schema};
pub use keyring::Keyring;
#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub use middleware::{ResponseFuture, SessionLayer, SessionService};
pub use session::{All, Counter, Field, Flash, NoFields, OptField, Session, SessionData, Untyped};
pub use sessions::{Event, Sessions};
#[cfg(feature = "fjall")]
#[cfg_attr(docsrs, doc(cfg(feature = "fjall")))]
pub use store::FjallStore;
pub use value::Value;

#[cfg(feature = "derive")]
#[cfg_attr(docsrs, doc(cfg(feature = "derive")))]
pub use level_session_derive::SessionData;

#[doc(hidden)]
pub mod __private {
    pub use crate::private::*;
}
