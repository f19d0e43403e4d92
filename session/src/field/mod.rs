//! The vocabulary of fields: names, typed keys, and what a struct declares.

mod counter;
mod def;
mod key;
mod name;
mod schema;

pub use counter::{CounterValue, Range};
pub use def::{Def, FieldDef};
pub use key::{AsKey, FieldKey, Key};
pub use name::FieldName;
pub use schema::{Schema, schema};
