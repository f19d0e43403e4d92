//! Structs from declarative macros: names and types come from the macro, from its caller, or from both.

use level_session::{Counter, Field, Flash, OptField, SessionData};

macro_rules! session_data {
    ($(#[$attr:meta])* $vis:vis $name:ident, $key:literal, $ttl:literal, $default:expr, $opt:ty, $inner:ty, {
        $($(#[$field_attr:meta])* $field:ident: $ty:ty),* $(,)?
    }) => {
        $(#[$attr])*
        #[derive(SessionData)]
        #[session(namespace = $key)]
        $vis struct $name {
            #[session(index)]
            fixed: Option<u64>,
            #[session(ttl = $ttl)]
            short: $opt,
            #[session(flash)]
            notice: Option<$inner>,
            #[session(default = $default)]
            chosen: $inner,
            #[session(counter)]
            visits: u32,
            #[session(nest)]
            nested: Nested,
            #[session(skip)]
            skipped: $inner,
            $($(#[$field_attr])* pub $field: $ty,)*
        }
    };
}

#[derive(SessionData)]
pub struct Nested {
    inner: Option<u8>,
}

session_data!(
    /// From a macro.
    pub FromMacro, "macro", "10m", 1 + 2, Option<String>, u8, {
        /// A field of the caller.
        #[session(default)]
        own: Vec<u8>,
        other: Option<Vec<u8>>,
    }
);

/// Never called: the test is that it compiles.
#[allow(dead_code)]
fn accessors(fields: &FromMacroFields) {
    fn is<T>(_: T) {}
    is::<OptField<'_, u64>>(fields.fixed());
    is::<OptField<'_, String>>(fields.short());
    is::<Flash<'_, u8>>(fields.notice());
    is::<Field<'_, u8>>(fields.chosen());
    is::<Counter<'_, u32>>(fields.visits());
    is::<OptField<'_, u8>>(fields.nested().inner());
    is::<Field<'_, Vec<u8>>>(fields.own());
    is::<OptField<'_, Vec<u8>>>(fields.other());
}

#[test]
fn a_macro_s_struct_is_like_any_other() {
    assert_eq!(FromMacro::SHORT.name(), "macro.short");
    assert_eq!(FromMacro::SHORT.def().type_name(), "String");
    assert_eq!(FromMacro::OWN.def().type_name(), "Vec<u8>");
    assert_eq!(FromMacro::SCHEMA.fields().len(), 7);
    let _: fn(&FromMacro) -> u8 = |data| data.skipped;
}

/// A library's macro finds the library by `$crate`.
mod library {
    pub use level_session;

    macro_rules! with_own_path {
        ($name:ident) => {
            #[derive($crate::macros::library::level_session::SessionData)]
            #[session(crate = $crate::macros::library::level_session)]
            struct $name {
                user: Option<u64>,
            }
        };
    }
    pub(super) use with_own_path;
}

#[test]
fn a_macro_may_bring_the_path() {
    library::with_own_path!(Own);
    assert_eq!(Own::USER.name(), "user");
}
