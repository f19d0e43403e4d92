//! The one list of names that generated code may use. Not public API: it changes without notice.

pub use crate::{
    Result,
    session::{
        Counter, Diff, Field, Flash, Loading, Of, OptField, SessionData, Storing, Untyped, View,
        load, store,
    },
    store::schema::{CounterValue, Def, FieldDef, Key, Schema, schema},
};

/// An expression of a user's, of which the compiler has to say whether it is one.
#[doc(hidden)]
#[macro_export]
macro_rules! __expression {
    ($expression:expr) => {
        $expression
    };
    ($($other:tt)*) => {
        ::core::compile_error!("this is not one expression: a comma may be missing behind it")
    };
}
pub use crate::__expression as expression;
