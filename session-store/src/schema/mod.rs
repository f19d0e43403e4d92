//! The declarations of an application: names of fields, typed keys, and definitions.

mod counter;
mod def;
mod key;
#[expect(clippy::module_inception, reason = "the module's own subject")]
mod schema;

pub use counter::CounterValue;
pub use def::{Def, FieldDef, WhenFull};
pub use key::{AsKey, FieldKey, Key};
pub use schema::{Schema, schema};
