//! Parts of statements that several of them have.

use crate::{codec, param::Place};

/// The document that the entries of a session contain which is found by this one.
pub(crate) fn entry_of(field: &str, entry: &[u8]) -> String {
    codec::object([(codec::name(field), &*codec::entry(entry))].into_iter())
}

/// Whether a session lives, by its deadlines. A mark has none.
pub(crate) fn is_live(now: Place) -> String {
    format!("least(idle_at, absolute_at) > {now}")
}

/// Whether a row is that of a session that lives and has an entry. The second part names the index.
pub(crate) fn has_entry(entry: Place, now: Place) -> String {
    format!(
        "entries @> {entry} AND entries <> '{{}}' AND {}",
        is_live(now)
    )
}

/// `at` and a length of time, at most the largest number. Neither is negative.
pub(crate) fn after(at: &str, length: &str) -> String {
    format!("(least({at}, {} - {length}) + {length})", i64::MAX)
}
