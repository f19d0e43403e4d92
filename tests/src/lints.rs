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
    missing_copy_implementations,
    rust_2018_idioms,
    trivial_casts,
    trivial_numeric_casts,
    unused_lifetimes,
    unused_results,
    unnameable_types,
    private_interfaces,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::missing_docs_in_private_items,
    clippy::unwrap_used,
    clippy::allow_attributes_without_reason,
    // Of `clippy::restriction` what people choose from it.
    clippy::absolute_paths,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::clone_on_ref_ptr,
    clippy::default_numeric_fallback,
    clippy::expect_used,
    clippy::if_then_some_else_none,
    clippy::indexing_slicing,
    clippy::min_ident_chars,
    clippy::missing_inline_in_public_items,
    clippy::missing_trait_methods,
    clippy::multiple_inherent_impl,
    clippy::panic,
    clippy::pattern_type_mismatch,
    clippy::question_mark_used,
    clippy::shadow_reuse,
    clippy::shadow_same,
    clippy::shadow_unrelated,
    clippy::single_char_lifetime_names,
    clippy::single_call_fn,
    clippy::std_instead_of_core,
    clippy::str_to_string,
    clippy::unreachable,
    clippy::wildcard_enum_match_arm
)]

use level_session::SessionData;
use serde::{Serialize, de::DeserializeOwned};

/// Nested.
#[derive(Clone, Copy, Debug, SessionData)]
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

impl Everything {
    /// A method of the author's, in an `impl` of its own.
    #[inline]
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.scratch
    }
}

impl EverythingFields {
    /// A method of the author's on the accessors.
    #[inline]
    #[must_use]
    pub fn key(&self) -> &'static str {
        self.user_id().key().name()
    }
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

/// A name of a lint's dislike, fields that are configured away, and two nested structs.
#[derive(Debug, SessionData)]
#[session(namespace = "configured")]
pub struct Configured {
    /// A keyword.
    pub r#type: Option<u8>,
    /// Nowhere.
    #[cfg(miri)]
    pub nowhere: NoSuchType,
    /// Everywhere.
    #[cfg(not(miri))]
    #[session(ttl = "1m", default)]
    pub everywhere: u8,
    /// Nested.
    #[cfg(not(miri))]
    #[session(nest)]
    pub auth: Auth,
    /// Nested, nowhere.
    #[cfg(miri)]
    #[session(nest)]
    pub nested_nowhere: NoSuchType,
    /// Nested as well.
    #[session(nest)]
    pub everything: Everything,
}

/// Makes a struct.
macro_rules! by_macro {
    ($(#[$doc:meta])* $name:ident { $(#[$attr:meta])* $field:ident: $ty:ty }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, SessionData)]
        pub struct $name {
            $(#[$attr])*
            pub $field: $ty,
            /// The macro's.
            #[session(counter)]
            pub count: i64,
        }
    };
}
by_macro! {
    /// From a macro.
    ByMacro {
        /// The user's.
        #[session(default = 3)]
        own: u8
    }
}

/// A struct of a function.
#[inline]
#[must_use]
pub const fn in_a_function() -> &'static str {
    /// Of the function.
    #[derive(Debug, SessionData)]
    struct Local {
        /// Who.
        #[session(rename = "local.who")]
        who: Option<u64>,
    }
    Local::WHO.name()
}

/// Empty.
#[derive(Clone, Copy, Debug, SessionData)]
pub struct Empty {}

const _: () = {
    // Without a use of the struct itself its own definition is dead code.
    let _ = <Within as SessionData>::SCHEMA;
};
