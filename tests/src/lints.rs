//! The strictest lints report nothing for derived code. The test is that this module compiles and passes clippy. The
//! module is public, because `missing_docs` checks only public items.
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
    // A common selection from `clippy::restriction`.
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
use std::collections::BTreeMap;

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
    /// A method of the author, in a separate `impl`.
    #[inline]
    #[must_use]
    pub const fn level(&self) -> u8 {
        self.scratch
    }
}

impl EverythingFields {
    /// A method of the author on the accessors.
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

/// A name that a lint rejects, fields that are removed by `cfg`, and two nested structs.
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

/// Field names for which lints expect other signatures of methods.
#[derive(Debug, SessionData)]
#[session(namespace = "named")]
pub struct Named {
    /// As a conversion.
    pub from_shop: Option<String>,
    /// As a conversion.
    pub into_shop: Option<String>,
    /// As a conversion.
    pub to_shop: Option<String>,
    /// As a conversion.
    #[session(default)]
    pub to_shop_mut: String,
    /// As a conversion.
    #[session(counter)]
    pub as_shop: u8,
    /// As a question.
    #[session(default)]
    pub is_member: bool,
    /// As a constructor.
    #[session(default)]
    pub new: bool,
    /// As a method of a collection.
    #[session(default)]
    pub len: u8,
    /// As a method of a collection.
    pub iter: Option<u8>,
    /// As a method of a collection.
    pub iter_mut: Option<u8>,
    /// As a method of a trait.
    pub into_iter: Option<u8>,
    /// As a method of a trait.
    #[session(flash)]
    pub next: Option<u8>,
    /// As a method of a trait.
    pub from_str: Option<u8>,
    /// As a method of a trait.
    pub to_string: Option<u8>,
    /// As a method of a trait.
    #[session(flash)]
    pub not: Vec<u8>,
    /// As a method of a trait.
    pub neg: Option<u8>,
    /// As a method of a trait.
    pub default: Option<u8>,
    /// As a method of a trait.
    pub hash: Option<u8>,
    /// As a method of a trait.
    pub cmp: Option<u8>,
    /// As a method of a trait.
    pub eq: Option<u8>,
    /// As a method of a trait.
    pub drop: Option<u8>,
    /// As a method of a trait.
    pub index: Option<u8>,
    /// Nested.
    #[session(nest)]
    pub into_auth: Auth,
    /// A type that is too complex for a lint, which the author allows.
    #[allow(clippy::type_complexity, reason = "as the author likes it")]
    pub complex: Option<
        BTreeMap<
            String,
            BTreeMap<(u8, u8), BTreeMap<u8, BTreeMap<String, Vec<Option<(u8, u8, u8)>>>>>,
        >,
    >,
    /// A type that a lint rejects, which the author allows.
    #[allow(
        clippy::box_collection,
        clippy::option_option,
        reason = "as the author likes it"
    )]
    pub boxed: Box<Vec<u8>>,
}

/// The same in private code, because other lints skip exported items.
#[derive(Debug, SessionData)]
#[session(namespace = "named-within")]
pub(crate) struct NamedWithin {
    /// As a conversion.
    pub(crate) from_shop: Option<String>,
    /// As a conversion.
    pub(crate) into_shop: Option<String>,
    /// As a conversion.
    pub(crate) to_shop: Option<String>,
    /// As a conversion.
    #[session(default)]
    pub(crate) to_shop_mut: String,
    /// As a conversion.
    #[session(counter)]
    pub(crate) as_shop: u8,
    /// As a question.
    #[session(default)]
    pub(crate) is_member: bool,
    /// As a constructor.
    #[session(default)]
    pub(crate) new: bool,
    /// As a method of a collection.
    #[session(default)]
    pub(crate) len: u8,
    /// As a method of a collection.
    pub(crate) iter: Option<u8>,
    /// As a method of a collection.
    pub(crate) iter_mut: Option<u8>,
    /// As a method of a trait.
    pub(crate) into_iter: Option<u8>,
    /// As a method of a trait.
    #[session(flash)]
    pub(crate) next: Option<u8>,
    /// As a method of a trait.
    pub(crate) from_str: Option<u8>,
    /// As a method of a trait.
    pub(crate) to_string: Option<u8>,
    /// As a method of a trait.
    #[session(flash)]
    pub(crate) not: Vec<u8>,
    /// As a method of a trait.
    pub(crate) neg: Option<u8>,
    /// As a method of a trait.
    pub(crate) default: Option<u8>,
    /// As a method of a trait.
    pub(crate) hash: Option<u8>,
    /// As a method of a trait.
    pub(crate) cmp: Option<u8>,
    /// As a method of a trait.
    pub(crate) eq: Option<u8>,
    /// As a method of a trait.
    pub(crate) drop: Option<u8>,
    /// As a method of a trait.
    pub(crate) index: Option<u8>,
    /// Nested.
    #[session(nest)]
    pub(crate) into_auth: Auth,
    /// A type that is too complex for a lint, which the author allows.
    #[allow(clippy::type_complexity, reason = "as the author likes it")]
    pub(crate) complex: Option<
        BTreeMap<
            String,
            BTreeMap<(u8, u8), BTreeMap<u8, BTreeMap<String, Vec<Option<(u8, u8, u8)>>>>>,
        >,
    >,
    /// A type that a lint rejects, which the author allows.
    #[allow(
        clippy::box_collection,
        clippy::option_option,
        reason = "as the author likes it"
    )]
    pub(crate) boxed: Box<Vec<u8>>,
}

/// Generates a struct.
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
    // Without a use of the struct itself, its definition is dead code.
    let _ = <Within as SessionData>::SCHEMA;
    let _ = <NamedWithin as SessionData>::SCHEMA;
};
