//! Building blocks for stores that keep sessions in the memory of the process. Other stores do not need them.

mod by_digest;
mod striped;
mod table;

pub use by_digest::{ByDigest, DigestHasher};
pub use striped::Striped;
pub use table::{Field, Table, View};
