//! Server-side web sessions.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod clock;
mod config_error;
mod cookie;
mod error;
mod expiry;
mod field;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod id;
mod keyring;
pub mod store;
pub mod value;

pub use self::cookie::{CookieConfig, CookieConfigBuilder, SameSite};
pub use clock::{Clock, Timestamp};
pub use config_error::ConfigError;
pub use error::{Error, ErrorKind, Result};
pub use expiry::{Expiry, Refresh};
pub use field::{AsKey, CounterValue, FieldDef, FieldName, Key, Schema};
pub use keyring::Keyring;
pub use value::Value;
