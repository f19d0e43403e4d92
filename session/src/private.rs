//! The one list of names that generated code may use. Not public API: it changes without notice.

pub use crate::{
    Result,
    session::{
        Counter, Diff, Field, Flash, FlashList, Loading, Of, OptField, Session, SessionData,
        Storing, UntypedSession, View, detach, load, store,
    },
    store::schema::{CounterValue, Def, FieldDef, Key, Schema, WhenFull, schema},
};

/// An expression of a user's, of which the compiler has to say whether it is one.
#[doc(hidden)]
#[macro_export]
macro_rules! __expression {
    ($expression:expr) => {
        $expression
    };
    ($($other:tt)*) => {
        ::core::compile_error!("expected a single expression; is a comma missing after it?")
    };
}
pub use crate::__expression as expression;
