//! The strictest lints have nothing to say of what is derived: that this module compiles, and that clippy passes it, is
//! the test. It is public, since `missing_docs` looks at nothing else.
#![deny(
    warnings,
    missing_docs,
    unsafe_code,
    unused,
    unused_qualifications,
    unreachable_pub,
    missing_debug_implementations,
    elided_lifetimes_in_paths,
    single_use_lifetimes,
    let_underscore_drop,
    unnameable_types,
    private_interfaces,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::missing_docs_in_private_items,
    clippy::unwrap_used,
    clippy::allow_attributes_without_reason
)]

use level_session::SessionData;
use serde::{Serialize, de::DeserializeOwned};

/// Nested.
#[derive(Debug, SessionData)]
pub struct Auth {
    /// Who.
    pub who: Option<u64>,
}

/// Every attribute.
#[derive(Debug, Default, SessionData)]
#[session(namespace = "lints", default)]
pub struct Everything {
    /// A field that nothing reads.
    #[session(index)]
    pub user_id: Option<u64>,
    /// A default by expression.
    #[session(default = Vec::new())]
    cart: Vec<String>,
    /// A default by type, and an acronym: HTTP.
    #[session(default)]
    seen: Vec<u8>,
    /// How often.
    #[session(counter)]
    pub(crate) visits: u64,
    /// Told once.
    #[session(flash, ttl = "7d")]
    notice: Option<String>,
    /// The struct's default.
    theme: String,
    /// Not kept.
    #[session(skip)]
    scratch: u8,
}

/// Nests, and is generic.
#[derive(Debug, SessionData)]
pub struct Generic<T, const N: usize>
where
    T: Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// A deprecated field.
    #[deprecated = "use `values`"]
    #[session(ttl = "10w", rename = "generic.value")]
    pub value: Option<T>,
    /// Values.
    pub values: Vec<T>,
    /// Nested.
    #[session(nest)]
    pub auth: Auth,
}

/// Within the crate, with fields that would be public.
#[derive(Debug, SessionData)]
pub(crate) struct Within {
    /// Who.
    pub who: Option<u64>,
}

/// Empty.
#[derive(Debug, SessionData)]
pub struct Empty {}

const _: () = {
    // Without a use of the struct itself its own definition is dead code.
    let _ = <Within as SessionData>::SCHEMA;
};
