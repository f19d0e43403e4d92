//! The one list of names that generated code may use. Not public API: it changes without notice.

pub use crate::{
    Result,
    field::{CounterValue, Def, FieldDef, Key, Schema, schema},
    session::{
        Counter, Diff, Field, Flash, Loading, OptField, SessionData, Storing, Untyped, View, load,
        store,
    },
};
